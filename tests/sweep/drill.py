"""What the failure drill needs: drivers as processes of their own that a test kills, stops and looks after.

Importing torch and Ray takes longer than a tiny sweep. So one process, the nursery, imports everything once, and every
driver is a fork of it: a process like any other, except that it starts at once.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mflab.config import compose
from mflab.results import read_ledger, read_plan
from mflab.results.tables import read_metrics, read_training, read_trials
from mflab.sweep.command import main
from mflab.sweep.planning.ledger import latest
from mflab.sweep.stages.attempts import read_attempts
from mflab.sweep.store import Kind, Store
from mflab.sweep.store.__main__ import main as store_main
from tests.sweep.conftest import run_serially

REPOSITORY = Path(__file__).resolve().parents[2]
MARK = "MFLAB_DRILL_MARK"


def wait_for(condition: Callable[[], object], seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a dead one whose parent has not asked for it yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@dataclass
class Process:
    """A driver; everything that it starts carries its mark in the environment."""

    nursery: "Nursery"
    pid: int
    mark: str
    output: Path
    status: int | None = None

    def kill(self) -> None:
        """As the system does when memory runs out."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait(10)

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends it to the whole foreground group."""
        os.killpg(self.pid, signal.SIGINT)

    def terminate(self) -> None:
        """As a cluster or a service manager does: to the driver alone."""
        os.kill(self.pid, signal.SIGTERM)

    def halt(self) -> None:
        """Stops the process where it is, as long as it is not told to go on."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def is_running(self) -> bool:
        if self.status is None:
            self.status = self.nursery.ask(poll=self.pid)
        return self.status is None

    def wait(self, seconds: float = 240.0) -> int:
        """Exit status; -9 if it was killed."""
        wait_for(lambda: not self.is_running(), seconds)
        assert self.status is not None
        return self.status

    def said(self) -> str:
        return self.output.read_text()

    def family(self) -> list[int]:
        """Living processes that this one, or one that it started, has started."""
        return [
            int(folder.name)
            for folder in Path("/proc").iterdir()
            if folder.name.isdigit() and is_alive(int(folder.name)) and self._is_marked(folder)
        ]

    def _is_marked(self, folder: Path) -> bool:
        try:
            return f"{MARK}={self.mark}\0".encode() in (folder / "environ").read_bytes()
        except OSError:
            return False


class Nursery:
    """Starts drivers."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sweep.drill"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        self._num_started = 0
        assert self._answer() == "ready"

    def start(self, overrides: Sequence[str], runner: str = "ray") -> Process:
        """A driver in the present working directory.

        Args:
            overrides: its command line.
            runner: a key of `RUNNERS`.
        """
        self._num_started += 1
        mark = f"{self._process.pid}-{self._num_started}"
        output = Path.cwd() / f"output-{self._num_started}.txt"
        output.touch()
        request = {"runner": runner, "overrides": list(overrides), "folder": os.getcwd(), "output": str(output)}
        pid = self.ask(start=request, mark=mark)
        assert pid is not None
        return Process(self, pid, mark, output)

    def ask(self, **request: object) -> "int | None":
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self._process.stdin.close()  # pyright: ignore[reportOptionalMemberAccess]
        self._process.wait(10)
        self._process.stdout.close()  # pyright: ignore[reportOptionalMemberAccess]

    def _answer(self) -> "int | None":
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def _serve() -> None:
    """The nursery: forks a driver per request, and tells how drivers ended."""
    from mflab.sweep.running import runner, runner_worker  # noqa: F401  what every driver would import

    # What every driver would find out about its groups and keys.
    compose([])
    # Every trial collects garbage before it starts: what the imports left need not be looked through each time.
    gc.collect()
    gc.freeze()
    running: set[int] = set()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            running.discard(pid)
            print(json.dumps(os.waitstatus_to_exitcode(status) if pid else None), flush=True)
            continue
        pid = os.fork()
        if not pid:
            _drive(**request["start"], mark=request["mark"])
        running.add(pid)
        print(json.dumps(pid), flush=True)
    # The tests are over, or were killed themselves.
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _drive(runner: str, overrides: list[str], folder: str, output: str, mark: str) -> None:
    """A driver's whole life; does not return."""
    status = 70
    try:
        os.setpgid(0, 0)
        os.environ[MARK] = mark
        os.chdir(folder)
        with open(os.devnull) as nothing, open(output, "w") as said:
            os.dup2(nothing.fileno(), 0)
            for stream in (1, 2):
                os.dup2(said.fileno(), stream)
        status = RUNNERS[runner](overrides)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _on_two_nodes(overrides: list[str]) -> int:
    """A sweep on a Ray cluster that loses the node of one of its two workers."""
    import threading

    import ray
    from ray.cluster_utils import Cluster

    from mflab.sweep.planning.overrides import split_override

    values = dict(split_override(text) for text in overrides)
    folder = Path("outputs") / values["sweep.name"]
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    node = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)

    def remove() -> None:
        wait_for(lambda: len(list(folder.glob("trials/*/progress.json"))) == 2)
        cluster.remove_node(node, allow_graceful=False)

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        return main(overrides)
    finally:
        remover.join()
        ray.shutdown()
        cluster.shutdown()


RUNNERS: dict[str, Callable[[list[str]], int]] = {
    "ray": main,
    "serial": lambda overrides: main(overrides, run_serially),
    "two_nodes": _on_two_nodes,
}


@dataclass
class Undisturbed:
    """A sweep that nothing happened to, to compare others with.

    Attributes:
        folder: its sweep folder.
        overrides: what it was run with, except name and places.
    """

    folder: Path
    overrides: tuple[str, ...]

    def assert_equal(self, folder: Path) -> None:
        """Every trial is done, with the same bits."""
        rows = [latest(read_ledger(one)) for one in (folder, self.folder)]
        assert {row["event"] for row in rows[0].values()} == {"done"}
        assert set(rows[0]) == {trial.trial_id for trial in read_plan(folder).trials}
        weights = [{one: row["weights_sha256"] for one, row in endings.items()} for endings in rows]
        assert weights[0] == weights[1]
        pd.testing.assert_frame_equal(read_metrics(folder), read_metrics(self.folder))
        steps = [read_training(one).drop(columns="seconds") for one in (folder, self.folder)]
        pd.testing.assert_frame_equal(steps[0], steps[1])
        assert list(read_trials(folder).status) == ["done"] * len(rows[0])


def assert_made(folder: Path, most: int = 1) -> None:
    """Every stage of the plan was stored, none more often than `most`, and the store is whole."""
    stages = {stage.key for stage in read_plan(folder).stages}
    store = Store(str(folder.parent / "store"))
    assert stages <= set(store.names(Kind.history))
    stored = Counter(one.state for one in read_attempts(folder) if one.event == "stored")
    assert set(stored) <= stages
    assert max(stored.values(), default=0) <= most
    assert store_main(["verify", store.url]) == 0


def workers_of(folder: Path) -> set[int]:
    """Processes that said how far they are in a trial."""
    found = set()
    for path in folder.glob("trials/*/progress.json"):
        try:
            found.add(int(json.loads(path.read_text())["pid"]))
        except OSError:
            continue
    return found


if __name__ == "__main__":
    _serve()
