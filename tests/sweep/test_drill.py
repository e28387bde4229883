"""The failure drill: whatever dies, breaks or fills up, the same command ends with the bits of an undisturbed run.

After every disaster the plan equals the ledger, no stage was made more often than once and its retries, and no process
is left behind.
"""

import errno
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mflab.results import read_ledger, read_plan, read_trials
from mflab.sweep.command import main
from mflab.sweep.planning import ledger as ledger_module
from mflab.sweep.running.hooks import Hooks
from mflab.sweep.store import Kind, Store, StoreFull
from mflab.sweep.store import entry as entry_module
from mflab.sweep.store.drivers import DriverRecord, write_driver
from mflab.sweep.store.files import LocalFiles
from mflab.sweep.store.process import this_process
from tests.sweep.conftest import TINY, run_serially
from tests.sweep.drill import Nursery, Process, Undisturbed, assert_made, is_alive, wait_for, workers_of

# Minutes of processes that are started and killed: asked for, not part of every run.
pytestmark = pytest.mark.skipif(
    "MFLAB_DRILL" not in os.environ, reason="the failure drill runs where MFLAB_DRILL is set"
)
KILLS = int(os.environ.get("MFLAB_DRILL_KILLS", "10"))
FIRST = "{until:0.5,prompt:facelift}"
ARMS = (
    f"+sweep.factors.arm={{levels:{{plain:{{curriculum.stages:[{FIRST},{{until:1}}]}},"
    f"frozen:{{curriculum.stages:[{FIRST},{{until:1,trainable:decoder}}]}}}}}}"
)
# Two arms that part half-way; long enough to be killed in the middle of, short enough to wait for.
LONG = [*TINY, "prompts.style=mouse_elevated", "train.steps=80", "train.checkpoint_every=5", ARMS]
SHORT = [*LONG, "train.steps=8", "train.checkpoint_every=2"]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


def line(overrides: list[str], data: Path, name: str = "tiny") -> list[str]:
    """A command line whose outputs lie in the working directory."""
    return [*overrides, f"paths.data={data}", f"sweep.name={name}", "sweep.workers=2"]


@pytest.fixture(scope="module")
def long(nursery: Nursery, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The long sweep, undisturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    overrides = line([*LONG, "sweep.seeds=[0,1]"], data_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert nursery.start(overrides, "serial").wait() == 0
    return Undisturbed(folder / "outputs" / "tiny", tuple(overrides))


@pytest.fixture(scope="module")
def short(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The short sweep, undisturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    overrides = line(SHORT, data_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(overrides, run_serially) == 0
    return Undisturbed(folder / "outputs" / "tiny", tuple(overrides))


def refuse(workers: int, threads: int, hooks: Hooks) -> None:
    raise AssertionError("nothing should run")


def events(folder: Path) -> list[str]:
    return [row["event"] for row in read_ledger(folder)] if (folder / "ledger.jsonl").exists() else []


def assert_recovered(undisturbed: Undisturbed, folder: Path, most: int = 1) -> None:
    undisturbed.assert_equal(folder)
    assert_made(folder, most)
    assert main(list(undisturbed.overrides), refuse) == 0


def has_trained(folder: Path) -> bool:
    """Whether a worker tells of its progress and something is stored."""
    store = folder.parent / "store" / "states"
    return bool(workers_of(folder)) and store.is_dir() and any(store.rglob("0*"))


# Without Ray: the driver is its own worker, and dies with it


def live(driver: Process, seconds: float, has_begun: Callable[[], object] = lambda: True) -> bool:
    """Lets a driver live until something has begun, and for some time after that; whether it still lives."""
    wait_for(lambda: has_begun() or not driver.is_running())
    until = time.monotonic() + seconds
    while time.monotonic() < until and driver.is_running():
        time.sleep(0.005)
    return driver.is_running()


def moment(generator: random.Random, folder: Path) -> Callable[[], bool]:
    """What a driver may get done before it is killed: nothing, its start, or a new state in the store."""

    def starts() -> int:
        return events(folder).count("start")

    def states() -> set[str]:
        return set(Store(str(folder.parent / "store")).names(Kind.history))

    before = (starts(), states())
    has_started, has_stored = lambda: starts() > before[0], lambda: bool(states() - before[1])
    return generator.choice([lambda: True, has_started, has_stored, has_stored])


def test_driver_killed_again_and_again_ends_with_the_same_bits(nursery: Nursery, long: Undisturbed, folder: Path):
    generator = random.Random(0)
    killed = 0
    while killed < 60:
        has_begun = moment(generator, folder)
        driver = nursery.start(long.overrides, "serial")
        if not live(driver, generator.uniform(0.0, 1.0), has_begun):
            break
        driver.kill()
        killed += 1
    assert driver.status == 0, driver.said()
    assert killed >= 3
    assert_recovered(long, folder)


def test_cut_ledger_line_costs_one_line(nursery: Nursery, short: Undisturbed, folder: Path):
    overrides = list(short.overrides)
    assert main(overrides, run_serially) == 0
    path = folder / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    done = max(place for place, text in enumerate(lines) if b'"event": "done"' in text)
    path.write_bytes(b"".join(lines[:done]) + lines[done][:40])
    # The store has the trial that the ledger lost.
    assert main(overrides, run_serially) == 0
    assert read_ledger(folder)[-2]["found"] is True
    assert_recovered(short, folder)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_ledger_cut_anywhere_loses_nothing(short: Undisturbed, folder: Path, share: float):
    overrides = list(short.overrides)
    assert main(overrides, run_serially) == 0
    path = folder / "ledger.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert main(overrides, run_serially) == 0
    assert_recovered(short, folder)


def full(monkeypatch: pytest.MonkeyPatch, is_full: Callable[[int], bool]) -> None:
    """A disk that takes no more bytes of a state from the call on for which `is_full` says so."""
    put, calls = Store.put, []

    def failing(self: Store, kind: Kind, name: str, write: object, meta: object) -> object:
        calls.append(name)
        if is_full(len(calls)):
            raise StoreFull("A store must have room for what is written, but the disk is full; free disk.")
        return put(self, kind, name, write, meta)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Store, "put", failing)


@pytest.mark.parametrize("call", [1, 4, 7, 12])
def test_full_store_stops_the_sweep_with_the_command_that_goes_on(
    short: Undisturbed, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], call: int
):
    overrides = list(short.overrides)
    with monkeypatch.context() as patch:
        full(patch, lambda number: number >= call)
        assert main(overrides, run_serially) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: A store must have room") and error.count("\n") == 1
    assert "To go on: python -m mflab.sweep" in error
    assert main(overrides, run_serially) == 0
    assert_recovered(short, folder)


def test_disk_below_its_reserve_stops_the_sweep_before_it_is_full(
    short: Undisturbed, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([*short.overrides, "store.min_free_gb=1e9"], run_serially) == 2
    error = capsys.readouterr().err
    assert "must leave 1e+09 GB of its disk free" in error
    assert "To go on: python -m mflab.sweep" in error
    assert main(list(short.overrides), run_serially) == 0
    assert_recovered(short, folder)


@pytest.mark.parametrize("place", ["progress.json", "metrics.parquet", "training.parquet"])
def test_full_disk_of_the_sweep_folder_stops_the_sweep_too(
    short: Undisturbed, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
):
    replace = os.replace

    def failing(source: object, target: object) -> None:
        if str(target).endswith(place):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        replace(source, target)  # pyright: ignore

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing)
        assert main(list(short.overrides), run_serially) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert "failed" in events(folder)
    assert main(list(short.overrides), run_serially) == 0
    assert_recovered(short, folder)


def test_ledger_on_a_full_disk_stops_the_sweep_and_loses_nothing(
    short: Undisturbed, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    append, rows = ledger_module.Ledger.append, []

    def failing(self: ledger_module.Ledger, event: str, **fields: object) -> dict[str, object]:
        rows.append(event)
        if "done" in rows:
            raise OSError(errno.ENOSPC, "No space left on device")
        return append(self, event, **fields)

    with monkeypatch.context() as patch:
        patch.setattr(ledger_module.Ledger, "append", failing)
        assert main(list(short.overrides), run_serially) == 2
    error = capsys.readouterr().err
    assert "No space left on device" in error and error.count("\n") == 1
    assert "done" not in events(folder)
    assert main(list(short.overrides), run_serially) == 0
    assert_recovered(short, folder)


def test_clock_set_back_changes_nothing(short: Undisturbed, folder: Path, monkeypatch: pytest.MonkeyPatch):
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(days=4000)

    def stop_after_one(workers: int, threads: int, hooks: Hooks) -> None:
        run_serially(workers, threads, hooks)

    with monkeypatch.context() as patch:
        for module in (ledger_module, entry_module):
            patch.setattr(module, "datetime", Ahead)
        full(patch, lambda number: number >= 9)
        assert main(list(short.overrides), stop_after_one) == 2
    store = Store(str(folder.parent / "store"))
    assert store.entries(Kind.state)[0].created > "2036"
    # A driver that died in the future holds a stage, and all files are newer than now.
    files = LocalFiles(folder.parent / "store")
    gone = this_process().__class__(this_process().host, this_process().boot, this_process().namespace, 2**22 + 1, 1)
    write_driver(files, DriverRecord("gone", gone, 7))
    for stage in read_plan(folder).stages:
        files.write(f"leases/{stage.key.replace('/', '_')}/gone", lambda file: file.write(b""))
    ahead = time.time() + 4000 * 86400
    for path in (folder.parent).rglob("*"):
        os.utime(path, (ahead, ahead))
    assert main(list(short.overrides), run_serially) == 0
    assert_recovered(short, folder)


def test_second_driver_in_one_folder_is_refused_and_harms_nothing(
    nursery: Nursery, long: Undisturbed, folder: Path, capsys: pytest.CaptureFixture[str]
):
    first = nursery.start(long.overrides, "serial")
    wait_for(lambda: "started" in events(folder))
    assert main(list(long.overrides), refuse) == 2
    assert f"process {first.pid} runs" in capsys.readouterr().err
    assert first.wait() == 0, first.said()
    assert_recovered(long, folder)


def test_two_sweeps_on_one_store_make_every_stage_once(nursery: Nursery, long: Undisturbed, folder: Path):
    overrides = list(long.overrides)
    other = folder.with_name("other")
    drivers = [nursery.start([*overrides, f"sweep.name={one.name}"], "serial") for one in (folder, other)]
    for driver in drivers:
        assert driver.wait() == 0, driver.said()
    long.assert_equal(folder)
    long.assert_equal(other)
    assert_made(folder)
    assert_made(other)
    run = [row["steps_run"] for one in (folder, other) for row in read_ledger(one) if "steps_run" in row]
    assert sum(run) == read_plan(folder).steps_distinct
    assert LocalFiles(folder.parent / "store").list("leases") == []


def test_sweep_takes_over_the_stage_of_a_driver_that_was_killed(nursery: Nursery, long: Undisturbed, folder: Path):
    overrides = list(long.overrides)
    first = nursery.start(overrides, "serial")
    wait_for(lambda: has_trained(folder))
    second = nursery.start([*overrides, "sweep.name=other"], "serial")
    wait_for(lambda: "planned" in events(folder.with_name("other")))
    first.kill()
    assert second.wait() == 0, second.said()
    long.assert_equal(folder.with_name("other"))
    assert main(overrides, run_serially) == 0
    assert_recovered(long, folder)


# On Ray


def assert_nothing_left(driver: Process) -> None:
    """Workers go at once, Ray's own processes when they notice."""
    wait_for(lambda: not driver.family(), 120)


@pytest.mark.slow
def test_killed_driver_interruption_and_killed_worker(nursery: Nursery, long: Undisturbed, folder: Path):
    first = nursery.start(long.overrides)
    wait_for(lambda: has_trained(folder))
    workers = workers_of(folder)
    first.kill()
    wait_for(lambda: not any(map(is_alive, workers)), 30)

    second = nursery.start(long.overrides)
    wait_for(lambda: bool(workers_of(folder) - workers))
    second.interrupt()
    assert second.wait(60) == 130, second.said()
    assert "To go on: python -m mflab.sweep" in second.said()
    assert "Traceback" not in second.said()
    assert "stopped" in set(read_trials(folder).status)
    workers |= workers_of(folder)

    third = nursery.start(long.overrides)
    wait_for(lambda: bool(workers_of(folder) - workers))
    os.kill(min(workers_of(folder) - workers), signal.SIGKILL)
    assert third.wait() == 0, third.said()
    assert events(folder).count("retried") == 1
    assert_recovered(long, folder, most=2)
    for driver in (first, second, third):
        assert_nothing_left(driver)


@pytest.mark.slow
def test_second_interruption_stops_at_once_and_leaves_no_process(nursery: Nursery, long: Undisturbed, folder: Path):
    driver = nursery.start(long.overrides)
    wait_for(lambda: has_trained(folder))
    workers = workers_of(folder)
    driver.interrupt()
    time.sleep(0.05)
    driver.interrupt()
    assert driver.wait(20) == 130, driver.said()
    wait_for(lambda: not any(map(is_alive, workers)), 10)
    assert_nothing_left(driver)
    assert nursery.start(long.overrides, "serial").wait() == 0
    assert_recovered(long, folder)


@pytest.mark.slow
def test_removed_node_costs_what_its_worker_had_not_stored(nursery: Nursery, long: Undisturbed, folder: Path):
    driver = nursery.start(long.overrides, "two_nodes")
    assert driver.wait() == 0, driver.said()
    assert "retried" in events(folder)
    assert_recovered(long, folder, most=2)
    assert_nothing_left(driver)


@pytest.mark.slow
def test_driver_with_nothing_to_do_waits_for_another_driver(nursery: Nursery, long: Undisturbed, folder: Path):
    first = nursery.start(long.overrides, "serial")
    wait_for(lambda: has_trained(folder))
    second = nursery.start([*long.overrides, "sweep.name=other"])
    for driver in (first, second):
        assert driver.wait() == 0, driver.said()
    long.assert_equal(folder.with_name("other"))
    assert_made(folder)
    assert_made(folder.with_name("other"))
    assert_nothing_left(second)


@pytest.mark.slow
def test_driver_on_ray_killed_again_and_again_ends_with_the_same_bits(
    nursery: Nursery, long: Undisturbed, folder: Path
):
    """The long loop; MFLAB_DRILL_KILLS=100 makes it longer."""
    generator = random.Random(1)
    started: list[Process] = []
    for _ in range(KILLS):
        has_begun = moment(generator, folder)
        started.append(nursery.start(long.overrides))
        if not live(started[-1], generator.uniform(0.0, 2.0), has_begun):
            break
        started[-1].kill()
    started.append(nursery.start(long.overrides))
    for driver in (one for one in started if one.status != -signal.SIGKILL):
        assert driver.wait() == 0, driver.said()
    assert_recovered(long, folder, most=2)
    for driver in started:
        assert_nothing_left(driver)
