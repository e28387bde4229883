import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mflab.sweep.store import Leases, LocalFiles, Store
from mflab.sweep.store.drivers import DriverRecord, Watch, forget_gone_drivers, list_drivers, write_driver
from mflab.sweep.store.process import Process, this_process

NAME = "ab/00000040-cd"
ELSEWHERE = Process("elsewhere", "boot", "1", 1, 1)


class MemoryFiles:
    """Files in memory that call `gate` before every operation, which is atomic, as on S3 or a local disk."""

    url, is_local = "memory", True

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.gate: Callable[[], object] = lambda: None

    def is_present(self):
        return True

    def write(self, name, writer, *, is_durable=True):
        class Bytes(io.BytesIO):
            mode = "wb"

        file = Bytes()
        writer(file)
        self.gate()
        self.content[name] = file.getvalue()

    def open(self, name):
        class Bytes(io.BytesIO):
            mode = "rb"

        self.gate()
        if name not in self.content:
            raise FileNotFoundError(name)
        return Bytes(self.content[name])

    def exists(self, name):
        return name in self.content

    def unfinished(self):
        return []

    def move(self, name, target):
        raise NotImplementedError

    def remove(self, name):
        self.gate()
        self.content.pop(name, None)

    def free_bytes(self):
        return None

    def list(self, folder):
        self.gate()
        return [(name, len(data)) for name, data in self.content.items() if name.startswith(folder + "/")]


class Actors:
    """Threads that run one operation on files at a time, in an order that the test chooses."""

    def __init__(self, files: MemoryFiles, programs: list[Callable[[], None]]) -> None:
        self._turns = [threading.Semaphore(0) for _ in programs]
        self._back = threading.Semaphore(0)
        self._me = threading.local()
        self.errors: list[BaseException] = []
        self.running = set(range(len(programs)))
        files.gate = self._wait
        for number, program in enumerate(programs):
            threading.Thread(target=self._run, args=(number, program), daemon=True).start()
            # Up to its first operation, so that what a thread does before it is nobody's race.
            self._back.acquire()

    def step(self, number: int) -> None:
        """Lets one actor do its next operation and come to the one after it."""
        self._turns[number].release()
        self._back.acquire()

    def _wait(self) -> None:
        number = getattr(self._me, "number", None)
        if number is not None:
            self._back.release()
            self._turns[number].acquire()

    def _run(self, number: int, program: Callable[[], None]) -> None:
        self._me.number = number
        try:
            program()
        except BaseException as error:
            self.errors.append(error)
        self.running.discard(number)
        self._back.release()


def _orders(run: Callable[[Callable[[list[int]], int]], None]) -> Iterator[int]:
    """Runs `run` once for every sequence of choices that it can ask for; yields the number of the run."""
    path: list[list[int]] = []
    for number in count(1):
        position = 0

        def choose(options: list[int]) -> int:
            nonlocal position
            if position == len(path):
                path.append(list(options))
            position += 1
            return path[position - 1][0]

        run(choose)
        yield number
        while path and len(path[-1]) == 1:
            path.pop()
        if not path:
            return
        path[-1].pop(0)


def _race(programs: int, with_dead: bool, choose: Callable[[list[int]], int], rounds: int = 1) -> list[bool]:
    """Lets drivers race for one name; returns who held it at the end, having checked that nobody ever shared it."""
    files = MemoryFiles()
    drivers = [Leases(files) for _ in range(programs)]
    for driver in drivers:
        driver.beat()
    if with_dead:
        gone = Process(**this_process().__dict__ | {"pid": 2**22 + 1})
        write_driver(files, DriverRecord("dead", gone, 7))
        files.content["leases/" + NAME.replace("/", "_") + "/dead"] = b""
    holding: set[int] = set()
    shared = []

    def program(number: int) -> Callable[[], None]:
        def play() -> None:
            for turn in range(rounds):
                if drivers[number].acquire(NAME):
                    holding.add(number)
                    shared.extend([len(holding)] if len(holding) > 1 else [])
                    if turn + 1 < rounds:
                        holding.discard(number)
                        drivers[number].release(NAME)

        return play

    actors = Actors(files, [program(number) for number in range(programs)])
    while actors.running:
        actors.step(choose(sorted(actors.running)))
    assert actors.errors == [] and shared == []
    claims = {name.rpartition("/")[2] for name in files.content if name.startswith("leases/")}
    assert claims == {drivers[number].owner for number in holding}
    return [number in holding for number in range(programs)]


@pytest.mark.parametrize("with_dead", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_two_owners_never_both_hold_in_any_order_of_their_steps(with_dead: bool):
    outcomes = set()
    *_, runs = _orders(lambda choose: outcomes.add(tuple(_race(2, with_dead, choose))))
    assert runs >= 90
    assert {(True, False), (False, True)} <= outcomes <= {(True, False), (False, True), (False, False)}


def test_a_protocol_without_the_second_listing_is_caught(monkeypatch: pytest.MonkeyPatch):
    """The check above can fail: it finds the order that breaks a claim that only looks before it writes."""

    def careless(self, name):
        self.beat()
        if self.holder(name) is None:
            self._files.write(self._claim(name), lambda file: file.write(b""))
            return True
        return False

    monkeypatch.setattr(Leases, "acquire", careless)
    with pytest.raises(AssertionError):
        list(_orders(lambda choose: _race(2, False, choose)))


@given(st.randoms(use_true_random=False), st.integers(2, 4), st.booleans())
def test_many_owners_that_take_and_give_back_never_share(random, num_drivers: int, with_dead: bool):
    holders = _race(num_drivers, with_dead, random.choice, rounds=3)
    assert sum(holders) <= 1


def test_acquire_release_and_close(any_store: Store):
    with Leases(any_store.files) as first, Leases(any_store.files) as second:
        assert first.acquire(NAME) and first.acquire(NAME)
        assert not second.acquire(NAME) and second.acquire("other")
        assert second.holder(NAME) == str(this_process()) and first.holder(NAME) is None
        second.release(NAME)
        assert not second.acquire(NAME)
        first.release(NAME)
        first.release(NAME)
        assert second.acquire(NAME)
        assert list_drivers(any_store.files) == sorted([first.owner, second.owner])
    assert any_store.files.list("") == []


def test_error_in_between_leaves_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files, calls = LocalFiles(tmp_path), count()
    leases, list_files = Leases(files), files.list

    def second_fails(folder):
        if next(calls) == 1:
            raise KeyboardInterrupt
        return list_files(folder)

    monkeypatch.setattr(files, "list", second_fails)
    with pytest.raises(KeyboardInterrupt):
        leases.acquire(NAME)
    assert list_files("leases") == []
    assert leases.acquire(NAME)


def test_killed_owner_is_dead_at_once(tmp_path: Path):
    script = """if True:
        import os, sys
        from pathlib import Path
        from mflab.sweep.store import Leases, LocalFiles
        assert Leases(LocalFiles(Path(sys.argv[1]))).acquire("a/b")
        print("held", flush=True)
        sys.stdin.read()
    """
    files = LocalFiles(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    with Leases(files) as leases:
        assert not leases.acquire("a/b")
        assert leases.holder("a/b") == f"process {child.pid} on {this_process().host}"
        child.kill()
        child.communicate()
        assert leases.acquire("a/b") and leases.holder("a/b") is None
        assert list_drivers(files) == [leases.owner]


def _elsewhere(files, clock, monkeypatch: pytest.MonkeyPatch) -> Leases:
    with monkeypatch.context() as patch:
        patch.setattr("mflab.sweep.store.leases.this_process", lambda: ELSEWHERE)
        return Leases(files, clock=clock)


def test_silent_owner_elsewhere_is_dead_after_the_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files, now = LocalFiles(tmp_path), [0.0]
    other = _elsewhere(files, lambda: 12345.0, monkeypatch)
    assert other.acquire(NAME)
    leases = Leases(files, clock=lambda: now[0])
    for now[0] in (0.0, 30.0, 59.9):
        assert not leases.acquire(NAME)
        assert leases.holder(NAME) == "process 1 on elsewhere"
    now[0] = 60.0
    assert leases.acquire(NAME)
    assert files.list("leases") == [(f"leases/ab_00000040-cd/{leases.owner}", 0)]


def test_wall_clocks_and_file_times_are_irrelevant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files, now, other_now = LocalFiles(tmp_path), [0.0], [0.0]
    other = _elsewhere(files, lambda: other_now[0], monkeypatch)
    leases = Leases(files, clock=lambda: now[0])
    assert other.acquire(NAME)
    monkeypatch.setattr("time.time", lambda: 0.0)
    for round_ in range(40):
        now[0] += 10.0
        other_now[0] += 10.0
        other.beat()
        for path in tmp_path.rglob("*"):
            os.utime(path, (0, 0) if round_ % 2 else (4e9, 4e9))
        assert not leases.acquire(NAME)


@given(
    st.lists(st.floats(0.0, 59.0), max_size=20),
    st.lists(st.floats(0.0, 90.0), min_size=1, max_size=40),
    st.floats(0.0, 600.0),
)
def test_owner_that_beats_within_the_timeout_is_never_dead(gaps: list[float], looks: list[float], start: float):
    """And one that is silent for the timeout after a look is dead at the next."""
    files, now, counter = MemoryFiles(), [0.0], count()
    watch = Watch(files, 5.0, 60.0, lambda: now[0])
    beats = [0.0]
    for gap in gaps:
        beats.append(beats[-1] + gap)
    times = [start]
    for gap in looks:
        times.append(times[-1] + gap)
    events = sorted([(time, "beat") for time in beats] + [(time, "look") for time in times])
    end, first_silent_look = beats[-1], None
    for now[0], event in events:
        if event == "beat":
            write_driver(files, DriverRecord("owner", ELSEWHERE, next(counter)))
            continue
        if not files.content:
            continue
        living = watch.living("owner")
        if now[0] < end + 60.0:
            assert living == ELSEWHERE
        if now[0] >= end + 5.0 and first_silent_look is None:
            first_silent_look = now[0]
        elif first_silent_look is not None and now[0] >= first_silent_look + 60.0:
            assert living is None


def test_halted_owner_gives_up_what_others_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files, now, other_now = LocalFiles(tmp_path), [0.0], [0.0]
    halted = _elsewhere(files, lambda: other_now[0], monkeypatch)
    assert halted.acquire(NAME) and halted.acquire("free")
    leases = Leases(files, clock=lambda: now[0])
    assert not leases.acquire(NAME)
    now[0] = other_now[0] = 61.0
    assert leases.acquire(NAME)
    assert not halted.acquire(NAME)
    assert halted.acquire("free")
    leases.release(NAME)
    assert halted.acquire(NAME) and not leases.acquire(NAME)


def test_owner_halted_while_it_acquires_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files, now = LocalFiles(tmp_path), [0.0]
    leases, list_files = Leases(files, clock=lambda: now[0]), files.list

    def halt(folder):
        now[0] += 30.0
        return list_files(folder)

    monkeypatch.setattr(files, "list", halt)
    assert not leases.acquire(NAME)
    assert list_files("leases") == []


def test_claim_without_a_driver_is_dead(tmp_path: Path):
    files = LocalFiles(tmp_path)
    files.write("leases/a/someone-1-ab", lambda file: file.write(b""))
    with Leases(files) as leases:
        assert leases.acquire("a")


def test_driver_with_a_damaged_file_is_dead_after_the_timeout(tmp_path: Path):
    files, now = LocalFiles(tmp_path), [0.0]
    files.write("leases/a/someone", lambda file: file.write(b""))
    for content in (b"{", b"[]", b'{"counter": 3}'):
        files.write("drivers/someone.json", lambda file, content=content: file.write(content))
        leases = Leases(files, clock=lambda: now[0])
        assert leases.holder("a") is not None
        leases.close()
    leases = Leases(files, clock=lambda: now[0])
    assert not leases.acquire("a")
    now[0] = 60.0
    assert leases.acquire("a")


def test_beats_are_written_once_a_period(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files, now, written = LocalFiles(tmp_path), [0.0], []
    monkeypatch.setattr(
        "mflab.sweep.store.leases.write_driver", lambda files, record: written.append((now[0], record.counter))
    )
    leases = Leases(files, clock=lambda: now[0])
    for tick in range(24):
        now[0] = tick * 0.5
        leases.beat()
    assert written == [(0.0, 1), (5.0, 2), (10.0, 3)]


def test_gone_drivers_are_forgotten(tmp_path: Path):
    files = LocalFiles(tmp_path)
    for owner, process in {
        "here": this_process(),
        "gone": Process(**this_process().__dict__ | {"pid": 2**22 + 1}),
        "earlier": Process(**this_process().__dict__ | {"boot": "earlier"}),
        "elsewhere": ELSEWHERE,
    }.items():
        write_driver(files, DriverRecord(owner, process, 1))
    files.write("drivers/odd.json", lambda file: file.write(b"{"))
    assert forget_gone_drivers(files) == ["earlier", "gone"]
    assert list_drivers(files) == ["elsewhere", "here", "odd"]
