"""The failure drill: whatever dies, breaks or fills up, the same command ends with the bits of an undisturbed run.

After every disaster the plan equals the ledger, no stage was made more often than once and its retries, no process is
left behind, and what happened is told in words. Damaged and missing states, losses that are no numbers and trials that
always fail are drilled in `test_sharing.py`.
"""

import errno
import functools
import io
import itertools
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mflab.results import read_ledger, read_plan
from mflab.results.tables import read_trials
from mflab.sweep.command import main
from mflab.sweep.planning import ledger as ledger_module
from mflab.sweep.running.hooks import Hooks
from mflab.sweep.running.jobs import JobKind, run_job
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.store import Kind, Store, StoreFull
from mflab.sweep.store import entry as entry_module
from mflab.sweep.store.drivers import DriverRecord, write_driver
from mflab.sweep.store.files import LocalFiles
from mflab.sweep.store.process import Process as ProcessOfDriver
from mflab.sweep.store.process import this_process
from tests.sweep.conftest import TINY, run_serially
from tests.sweep.drill import Nursery, Process, Undisturbed, assert_made, is_alive, wait_for, workers_of

pytestmark = pytest.mark.usefixtures("composed_once")
KILLS = int(os.environ.get("MFLAB_DRILL_KILLS", "6"))
FIRST = "{until:0.5,prompt:facelift}"
ARMS = (
    f"+sweep.factors.arm={{levels:{{plain:{{curriculum.stages:[{FIRST},{{until:1}}]}},"
    f"frozen:{{curriculum.stages:[{FIRST},{{until:1,trainable:decoder}}]}}}}}}"
)
# Two arms that part half-way.
SHORT = [*TINY, "prompts.style=mouse_elevated", "train.steps=8", "train.checkpoint_every=2", ARMS]
# Long enough to be killed in the middle of, short enough to wait for.
LONG = [*SHORT, "train.steps=60", "train.checkpoint_every=5", "sweep.seeds=[0,1]"]


def line(overrides: list[str], data: Path) -> tuple[str, ...]:
    """A command line whose outputs lie in the working directory."""
    return (*overrides, f"paths.data={data}", "sweep.name=tiny", "sweep.workers=2")


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def short(composed_once: None, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The short sweep, undisturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    overrides = line(SHORT, data_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(overrides, run_serially) == 0
    return Undisturbed(folder / "outputs" / "tiny", overrides)


@pytest.fixture(scope="module")
def long(nursery: Nursery, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The long sweep, undisturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    overrides = line(LONG, data_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert nursery.start(overrides, "serial").wait() == 0
    return Undisturbed(folder / "outputs" / "tiny", overrides)


def refuse(workers: int, threads: int, hooks: Hooks) -> None:
    raise AssertionError("nothing should run")


def events(folder: Path) -> list[str]:
    return [row["event"] for row in read_ledger(folder)] if (folder / "ledger.jsonl").exists() else []


def steps_run(*folders: Path) -> int:
    """Steps that the ledgers tell of."""
    return sum(row["steps_run"] for folder in folders for row in read_ledger(folder) if "steps_run" in row)


def assert_recovered(undisturbed: Undisturbed, folder: Path, most: int = 1) -> None:
    """Equal results, no stage stored more often than `most`, and nothing left to do."""
    undisturbed.assert_equal(folder)
    assert_made(folder, most)
    assert main([*undisturbed.overrides, f"paths.outputs={folder.parent}"], refuse) == 0


# In this process: disks, clocks, and workers that are only said to have died


def test_ledger_cut_anywhere_loses_nothing(short: Undisturbed, folder: Path):
    shutil.copytree(short.folder.parent, folder.parent)
    path, generator = folder / "ledger.jsonl", random.Random(0)
    for _ in range(4):
        content = path.read_bytes()
        path.write_bytes(content[: generator.randrange(len(content) // 4, len(content))])
        # The store has the trials that the ledger lost.
        assert main(short.overrides, refuse) == 0
    assert_recovered(short, folder)


def test_cut_line_is_told_and_costs_no_other(short: Undisturbed, folder: Path):
    shutil.copytree(short.folder.parent, folder.parent)
    path = folder / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    done = max(place for place, text in enumerate(lines) if b'"event": "done"' in text)
    path.write_bytes(b"".join(lines[:done]) + lines[done][:40])
    assert main(short.overrides, refuse) == 0
    assert events(folder).count("unreadable") == 1
    assert read_ledger(folder)[-2]["found"] is True
    assert_recovered(short, folder)


def assert_full(status: int, capsys: pytest.CaptureFixture[str], reason: str) -> None:
    """A start ended for want of room, with one line that says why and what goes on."""
    error = capsys.readouterr().err
    assert status == 2, error
    assert error.startswith("error: A ") and error.count("\n") == 1
    assert reason in error
    assert error.count("To go on: python -m mflab.sweep") == 1


@contextmanager
def full_store(num_puts: int) -> Iterator[None]:
    """The store's disk takes so many more entries."""
    put, calls = Store.put, []

    def failing(self: Store, kind: Kind, name: str, write: object, meta: object) -> object:
        calls.append(name)
        if len(calls) > num_puts:
            raise StoreFull("A store must have room for what is written, but the disk is full; free disk.")
        return put(self, kind, name, write, meta)  # pyright: ignore[reportArgumentType]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "put", failing)
        yield


def test_full_store_stops_the_sweep_with_the_command_that_goes_on(
    short: Undisturbed, folder: Path, capsys: pytest.CaptureFixture[str]
):
    status = main([*short.overrides, "store.min_free_gb=1e9"], run_serially)
    assert_full(status, capsys, "must leave 1e+09 GB of its disk free")
    for num_puts in (0, 1, 3, 6):
        with full_store(num_puts):
            assert_full(main(short.overrides, run_serially), capsys, "must have room for what is written")
    assert main(short.overrides, run_serially) == 0
    assert_recovered(short, folder)


@contextmanager
def full_for(name: str) -> Iterator[None]:
    """The disk has no room for files of one name."""
    replace = os.replace

    def failing(source: object, target: object) -> None:
        if str(target).endswith(f"/{name}"):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        replace(source, target)  # pyright: ignore

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", failing)
        yield


@contextmanager
def full_ledger(room: int) -> Iterator[None]:
    """The disk has room for so many more bytes of the ledger, and takes a part of what does not fit."""

    class AlmostFull(io.FileIO):
        def write(self, data: Any) -> int:
            nonlocal room
            taken = min(len(data), room)
            if not taken:
                raise OSError(errno.ENOSPC, "No space left on device")
            room -= taken
            return super().write(data[:taken])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger_module, "open", lambda path, mode, buffering: AlmostFull(path, mode), raising=False)
        yield


def test_full_disk_of_the_sweep_folder_stops_the_sweep_too(
    short: Undisturbed, folder: Path, capsys: pytest.CaptureFixture[str]
):
    disks = [full_for("plan.json"), full_for("progress.json"), full_for("metrics.parquet")]
    disks += [*map(full_ledger, (0, 100, 1000, 2000)), full_for("trials.csv")]
    for disk in disks:
        with disk:
            assert_full(main(short.overrides, run_serially), capsys, "No space left on device")
    assert main(short.overrides, run_serially) == 0
    assert "unreadable" not in events(folder)
    assert_recovered(short, folder)


def test_tables_are_whole_wherever_their_writing_ended(
    short: Undisturbed, folder: Path, capsys: pytest.CaptureFixture[str]
):
    first = read_plan(short.folder).trials[0].trial_id
    assert main([*short.overrides, f"sweep.only={first}"], run_serially) == 0
    for table in ("metrics.parquet", "training.parquet", "trials.csv"):
        with full_for(f"{folder.name}/{table}"):
            assert_full(main(short.overrides, run_serially), capsys, f"{folder.name}/{table}")
    assert main(short.overrides, refuse) == 0
    assert_recovered(short, folder)


def test_clock_set_back_changes_nothing(short: Undisturbed, folder: Path, monkeypatch: pytest.MonkeyPatch):
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(days=4000)

    with monkeypatch.context() as patch, full_store(8):
        for module in (ledger_module, entry_module):
            patch.setattr(module, "datetime", Ahead)
        assert main(short.overrides, run_serially) == 2
    store = Store(str(folder.parent / "store"))
    entry = store.find(Kind.state, store.names(Kind.state)[0])
    assert entry is not None and entry.created > "2036"
    # A driver that died in the future holds every stage, and all files are newer than now.
    files, here = LocalFiles(folder.parent / "store"), this_process()
    write_driver(files, DriverRecord("gone", ProcessOfDriver(here.host, here.boot, here.namespace, 2**22 + 1, 1), 7))
    for stage in read_plan(folder).stages:
        files.write(f"leases/{stage.key.replace('/', '_')}/gone", lambda file: file.write(b""))
    ahead = time.time() + 4000 * 86400
    for path in folder.parent.rglob("*"):
        os.utime(path, (ahead, ahead))
    assert main(short.overrides, run_serially) == 0
    assert_recovered(short, folder)


def test_trial_whose_worker_dies_again_fails_alone(
    short: Undisturbed, folder: Path, capsys: pytest.CaptureFixture[str]
):
    def lose_second_trial(workers: int, threads: int, hooks: Hooks) -> None:
        num_trials = 0
        while not hooks.is_finished():
            job = hooks.next_job()
            assert job is not None
            num_trials += job.kind is JobKind.trial
            if num_trials < 2:
                hooks.on_end(job, run_job(job, InputCache()), 0.0)
            else:
                hooks.on_retry(job, "killed by the system")
                hooks.on_end(job, None, 0.0)

    assert main(short.overrides, lose_second_trial) == 1
    assert sorted(read_trials(folder).status) == ["done", "failed"]
    said = capsys.readouterr().out
    assert "died again when the trial went on: out of memory, or killed (killed by the system)" in said
    assert "repeat: python -m mflab.sweep" in said
    assert main(short.overrides, run_serially) == 0
    assert_recovered(short, folder)


# Processes without Ray: the driver is its own worker, and dies with it


def has_trained(folder: Path) -> bool:
    """Whether a worker tells of its progress and something is stored."""
    store = folder.parent / "store" / "states"
    return bool(workers_of(folder)) and store.is_dir() and any(store.rglob("0*"))


def live(driver: Process, has_begun: Callable[[], object], seconds: float) -> bool:
    """Lets a driver live until something has begun, and for some time after that; whether it still lives."""
    wait_for(lambda: has_begun() or not driver.is_running())
    until = time.monotonic() + seconds
    while time.monotonic() < until and driver.is_running():
        time.sleep(0.005)
    return driver.is_running()


def moment(generator: random.Random, folder: Path, seconds: float) -> tuple[Callable[[], object], float]:
    """When to kill a driver: so long after it was born, has started the sweep, or has stored a new state."""

    def starts() -> int:
        return events(folder).count("start")

    def states() -> set[str]:
        return set(Store(str(folder.parent / "store")).names(Kind.history))

    before = (starts(), states())
    has_started, has_stored = lambda: starts() > before[0], lambda: bool(states() - before[1])
    has_begun = generator.choice([lambda: True, has_started, has_stored, has_stored])
    return has_begun, generator.uniform(0.0, seconds)


def kill_until_done(
    start: Callable[[], Process], folder: Path, generator: random.Random, most: int, seconds: float
) -> list[Process]:
    """Starts drivers and kills them, `most` of them at most, until one comes to its end; returns all."""
    drivers: list[Process] = []
    while not drivers or drivers[-1].status == -signal.SIGKILL:
        when = moment(generator, folder, seconds)
        drivers.append(start())
        if len(drivers) > most:
            drivers[-1].wait()
        if live(drivers[-1], *when):
            drivers[-1].kill()
    assert drivers[-1].status == 0, drivers[-1].said()
    return drivers


@pytest.mark.slow
def test_driver_killed_again_and_again_ends_with_the_same_bits(nursery: Nursery, long: Undisturbed, folder: Path):
    drivers = kill_until_done(lambda: nursery.start(long.overrides, "serial"), folder, random.Random(0), KILLS, 0.4)
    assert len(drivers) > 3
    assert_recovered(long, folder)


def test_two_drivers_share_a_store_and_never_a_folder(
    nursery: Nursery, long: Undisturbed, folder: Path, capsys: pytest.CaptureFixture[str]
):
    other = folder.with_name("other")
    drivers = [nursery.start([*long.overrides, f"sweep.name={one.name}"], "serial") for one in (folder, other)]
    wait_for(lambda: "started" in events(folder))
    drivers[0].halt()
    assert main(long.overrides, refuse) == 2
    assert f"process {drivers[0].pid} runs" in capsys.readouterr().err
    drivers[0].go_on()
    for driver, one in zip(drivers, (folder, other), strict=True):
        assert driver.wait() == 0, driver.said()
        long.assert_equal(one)
        assert_made(one)
    assert steps_run(folder, other) == read_plan(folder).steps_distinct
    assert LocalFiles(folder.parent / "store").list("leases") == []
    assert_recovered(long, folder)


def test_driver_takes_over_the_stage_of_another_that_was_killed(nursery: Nursery, long: Undisturbed, folder: Path):
    first = nursery.start(long.overrides, "serial")
    wait_for(lambda: has_trained(folder))
    first.halt()
    second = nursery.start([*long.overrides, "sweep.name=other"], "serial")
    wait_for(lambda: f"Waiting for stages that process {first.pid}" in second.said())
    first.kill()
    assert second.wait() == 0, second.said()
    long.assert_equal(folder.with_name("other"))
    assert main(long.overrides, run_serially) == 0
    assert_recovered(long, folder)


# On Ray


def assert_nothing_left(*drivers: Process) -> None:
    """Workers go at once, Ray's own processes when they notice."""
    wait_for(lambda: not any(driver.family() for driver in drivers))


@pytest.mark.slow
def test_trial_of_a_killed_worker_goes_on_in_another(nursery: Nursery, long: Undisturbed, folder: Path):
    driver = nursery.start(long.overrides)
    wait_for(lambda: has_trained(folder))
    os.kill(min(workers_of(folder)), signal.SIGKILL)
    assert driver.wait() == 0, driver.said()
    assert events(folder).count("retried") == 1
    assert "1 time(s) a worker died and its trial went on." in driver.said()
    assert_recovered(long, folder, most=2)
    assert_nothing_left(driver)


@pytest.mark.slow
@pytest.mark.parametrize("interrupt", [Process.interrupt, Process.terminate])
def test_interruption_stores_every_step_that_was_trained(
    nursery: Nursery, long: Undisturbed, folder: Path, interrupt: Callable[[Process], None]
):
    driver = nursery.start(long.overrides)
    wait_for(lambda: has_trained(folder))
    interrupt(driver)
    assert driver.wait() == 130, driver.said()
    assert "Stopping: running trials store their state." in driver.said()
    assert "To go on: python -m mflab.sweep" in driver.said()
    assert "Traceback" not in driver.said()
    assert {"stopped", "planned"} & set(read_trials(folder).status)
    assert_nothing_left(driver)
    assert nursery.start(long.overrides, "serial").wait() == 0
    assert steps_run(folder) == read_plan(folder).steps_distinct
    assert_recovered(long, folder)


@pytest.mark.slow
def test_second_interruption_stops_at_once_and_leaves_no_process(nursery: Nursery, long: Undisturbed, folder: Path):
    driver = nursery.start(long.overrides)
    wait_for(lambda: has_trained(folder))
    workers = workers_of(folder)
    driver.interrupt()
    time.sleep(0.05)
    driver.interrupt()
    assert driver.wait() == 130, driver.said()
    assert "To go on: python -m mflab.sweep" in driver.said()
    assert "Traceback" not in driver.said()
    wait_for(lambda: not any(map(is_alive, workers)), 30)
    assert_nothing_left(driver)
    assert nursery.start(long.overrides, "serial").wait() == 0
    assert_recovered(long, folder)


@pytest.mark.slow
def test_removed_node_costs_what_its_worker_had_not_stored(nursery: Nursery, long: Undisturbed, folder: Path):
    driver = nursery.start(long.overrides, "two_nodes")
    assert driver.wait() == 0, driver.said()
    assert "retried" in events(folder)
    assert "time(s) a worker died and its trial went on." in driver.said()
    assert_recovered(long, folder, most=2)
    assert_nothing_left(driver)


@pytest.mark.slow
@pytest.mark.timeout(60 * (KILLS + 5))
def test_driver_on_ray_killed_again_and_again_ends_with_the_same_bits(
    nursery: Nursery, long: Undisturbed, tmp_path: Path
):
    """MFLAB_DRILL_KILLS=100 makes it longer. A sweep that is done makes way for a new one."""
    generator = random.Random(1)
    numbers = itertools.count()
    killed = 0
    while killed < KILLS:
        outputs = tmp_path / f"outputs{next(numbers)}"
        overrides = [*long.overrides, f"paths.outputs={outputs}"]
        drivers = kill_until_done(
            functools.partial(nursery.start, overrides), outputs / "tiny", generator, KILLS - killed, 3.0
        )
        killed += len(drivers) - 1
        assert_recovered(long, outputs / "tiny", most=2)
        assert_nothing_left(*drivers)
