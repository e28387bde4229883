"""The ledger survives a cut tail and has one writer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mflab.errors import MflabError
from mflab.results import read_ledger
from mflab.sweep.planning.ledger import Ledger, latest, sweep_lock


def test_events_are_read_back_in_order(tmp_path: Path):
    with Ledger(tmp_path) as ledger:
        ledger.append("started", trial_id="a")
        ledger.append("done", trial_id="a", value=float("inf"))
        rows = ledger.read()
    assert [row["event"] for row in rows] == ["started", "done"]
    assert latest(rows)["a"]["value"] == float("inf")


def test_cut_tail_is_kept_and_the_next_event_starts_a_new_line(tmp_path: Path):
    with Ledger(tmp_path) as ledger:
        ledger.append("done", trial_id="a")
        ledger.append("done", trial_id="b")
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    with Ledger(tmp_path) as ledger:
        ledger.append("done", trial_id="c")
    assert [row["event"] for row in read_ledger(tmp_path)] == ["done", "unreadable", "done"]
    assert set(latest(read_ledger(tmp_path))) == {"a", "c"}


def test_every_line_but_that_of_a_start_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with Ledger(tmp_path) as ledger:
        for event, count in (("started", 0), ("done", 1), ("started", 1), ("failed", 2), ("end", 3)):
            ledger.append(event, trial_id="a")
            assert len(synced) == count


def test_second_driver_is_refused_with_the_pid_of_the_first(tmp_path: Path):
    code = (
        "import os, sys; from pathlib import Path; from mflab.sweep.planning.ledger import sweep_lock\n"
        f"with sweep_lock(Path({str(tmp_path)!r})): print(os.getpid(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        pid = holder.stdout.readline().strip()
        with pytest.raises(MflabError, match=f"process {pid} runs"), sweep_lock(tmp_path):
            pass
        holder.kill()
        holder.wait()
    with sweep_lock(tmp_path):
        pass


def test_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path):
    (tmp_path / "outputs").write_text("a file")
    with (
        pytest.raises(MflabError, match=r"must be writable, but .*outputs/tiny is not"),
        sweep_lock(tmp_path / "outputs" / "tiny"),
    ):
        pass
