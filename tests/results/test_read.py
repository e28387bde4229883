from pathlib import Path

import pandas as pd
import pytest

from mflab.errors import MflabError
from mflab.results import METRIC_COLUMNS, read_ledger, read_plan
from mflab.results.tables import read_metrics


def test_a_line_cut_short_by_a_crash_did_not_happen(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text('{"event": "planned"}\n{"event": "done", "tri')
    assert read_ledger(tmp_path) == [{"event": "planned"}, {"event": "unreadable", "line": 2}]


def test_events_after_a_broken_line_are_kept(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text('{"event": "a"}\n{"ev\n{"event": "b"}\n')
    assert [record["event"] for record in read_ledger(tmp_path)] == ["a", "unreadable", "b"]


def test_no_ledger_means_nothing_happened(tmp_path: Path) -> None:
    assert read_ledger(tmp_path) == []


def test_missing_files_and_columns_name_the_path(tmp_path: Path) -> None:
    with pytest.raises(MflabError, match=r"plan\.json does not exist"):
        read_plan(tmp_path)
    pd.DataFrame({name: [] for name in METRIC_COLUMNS[:-1]}).to_parquet(tmp_path / "metrics.parquet")
    with pytest.raises(MflabError, match="misses value"):
        read_metrics(tmp_path)
