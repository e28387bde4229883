"""On real Ray workers: whatever is killed or interrupted, the same command ends with the same bits."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from mflab.results import read_ledger, read_metrics, read_trials
from mflab.sweep.command import main
from mflab.sweep.stages.attempts import read_attempts

pytestmark = pytest.mark.slow

LONGER = ["train.steps=200", "train.checkpoint_every=10", "sweep.workers=2"]


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def start(overrides: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mflab.sweep", *overrides], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def states(folder: Path) -> list[Path]:
    """States in the store beside a sweep folder."""
    return [path for path in (folder.parent / "store" / "states").glob("*/*") if not path.name.startswith(".")]


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def workers(folder: Path) -> set[int]:
    return {json.loads(path.read_text())["pid"] for path in folder.glob("trials/*/progress.json")}


@pytest.fixture
def undisturbed(tiny: list[str], tmp_path: Path, sweep) -> Callable[[Path], None]:
    """Compares a folder with the same sweep run in one process without any disturbance, with a store of its own."""
    assert sweep([*tiny, *LONGER, f"paths.outputs={tmp_path / 'undisturbed'}"]) == 0
    other = tmp_path / "undisturbed" / "tiny"

    def compare(folder: Path) -> None:
        pd.testing.assert_frame_equal(read_metrics(folder), read_metrics(other))
        hashes = [
            {row["trial_id"]: row["weights_sha256"] for row in read_ledger(one) if row["event"] == "done"}
            for one in (folder, other)
        ]
        assert hashes[0] == hashes[1]
        assert len(hashes[0]) == 2
        # Each state was begun at most once more than somebody died.
        begun = Counter(one.state for one in read_attempts(folder) if one.event == "begun")
        deaths = sum(row["event"] in ("retried", "start") for row in read_ledger(folder))
        assert max(begun.values()) <= deaths + 1

    return compare


def kill_one_worker(folder: Path) -> None:
    """Kills a worker that has a checkpoint to go back to."""

    def alive() -> list[int]:
        return [pid for pid in workers(folder) if is_alive(pid)]

    wait_for(lambda: bool(alive()) and bool(states(folder)))
    os.kill(min(alive()), signal.SIGKILL)


def test_killed_driver_interruption_and_killed_worker_leave_the_bits_of_an_undisturbed_run(
    tiny: list[str], folder: Path, undisturbed: Callable[[Path], None]
):
    overrides = [*tiny, *LONGER]
    first = start(overrides)
    wait_for(lambda: bool(states(folder)))
    left = workers(folder)
    first.kill()
    first.communicate()
    wait_for(lambda: not any(is_alive(pid) for pid in left), 30)

    reached = set(states(folder))
    second = start(overrides)
    wait_for(lambda: any(path not in reached for path in states(folder)))
    second.send_signal(signal.SIGINT)
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 130, output
    assert "To go on: python -m mflab.sweep" in output
    assert "Traceback" not in output
    assert "stopped" in set(read_trials(folder).status)

    killer = threading.Thread(target=kill_one_worker, args=(folder,))
    killer.start()
    status = main(overrides)
    killer.join()
    assert status == 0
    assert [row["event"] for row in read_ledger(folder)].count("retried") == 1
    undisturbed(folder)
    assert main(overrides) == 0
    assert [row["event"] for row in read_ledger(folder)].count("done") == 2
