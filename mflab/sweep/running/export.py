"""Tables of a sweep folder, from the plan, the ledger and the trials' own files; each is replaced as a whole."""

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mflab.results import (
    BASELINES_FILE,
    METRICS_FILE,
    TRAINING_FILE,
    TRIALS_FILE,
    Plan,
    Status,
)
from mflab.sweep.planning.ledger import latest
from mflab.sweep.running.trial_table import cell_columns, write_trials
from mflab.sweep.stages.artifacts import trial_folder
from mflab.train.atomic import write_atomically

# Rewriting all tables after each of many short trials would cost more than the trials.
EXPORT_SHARE = 0.02


@dataclass(frozen=True)
class BaselineFile:
    """Rows of a baseline job: the data set's present name, and the baseline's, where the file holds one alone."""

    path: Path
    dataset: str
    name: str = ""


def export(folder: Path, plan: Plan, ledger: Sequence[Mapping[str, Any]], baselines: Sequence[BaselineFile]) -> None:
    """Writes metrics.parquet, training.parquet, baselines.parquet and trials.csv.

    Args:
        folder: sweep folder.
        plan: which trials count; rows of trials of earlier plans stay in the ledger alone.
        ledger: all rows; files of a trial that were removed are left out until the trial is made again.
        baselines: baseline files of this plan; those not yet written are left out.
    """
    endings = latest(ledger)
    recorded = (Status.done.value, Status.diverged.value)
    owners = [t.trial_id for t in plan.trials if t.trial_id in endings and endings[t.trial_id]["event"] in recorded]
    for name in (METRICS_FILE, TRAINING_FILE):
        paths = [trial_folder(folder, owner) / name for owner in owners]
        _write([_read(path) for path in paths if path.is_file()], folder / name)
    tables = [_renamed(file) for file in baselines if file.path.is_file()]
    _write(tables, folder / BASELINES_FILE)
    # Last: a start that finds it up to date takes the others for up to date.
    write_trials(folder, plan, ledger)


def is_exported(
    folder: Path, plan: Plan, endings: Mapping[str, Mapping[str, Any]], baselines: Sequence[BaselineFile]
) -> bool:
    """Whether the tables are there and say of every planned trial what the ledger says."""
    tables = [folder / name for name in (TRIALS_FILE, METRICS_FILE, TRAINING_FILE)]
    if not all(path.is_file() for path in tables):
        return False
    joined = folder / BASELINES_FILE
    written = [file.path.stat().st_mtime for file in baselines if file.path.is_file()]
    if written and (not joined.is_file() or max(written) > joined.stat().st_mtime):
        return False
    with open(folder / TRIALS_FILE, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        shown = [tuple(row[:2]) for row in rows]
    if not {*cell_columns(plan), plan.response.name} <= set(header):
        return False
    planned = Status.planned.value
    wanted = [(t.trial_id, endings[t.trial_id]["event"] if t.trial_id in endings else planned) for t in plan.trials]
    return shown == wanted


def _renamed(file: BaselineFile) -> pa.Table:
    """Baseline rows under their present names; the file may come from a start that named them otherwise."""
    table = _read(file.path)
    for column, name in (("dataset", file.dataset), ("baseline", file.name)):
        if name:
            names = pa.array([name] * table.num_rows, table.schema.field(column).type)
            table = table.set_column(table.schema.get_field_index(column), column, names)
    return table


def _read(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read()


def _write(tables: Sequence[pa.Table], target: Path) -> None:
    """Joins tables to one file; without any there is no file."""
    if not tables:
        target.unlink(missing_ok=True)
        return
    joined = pa.concat_tables(tables, promote_options="permissive")
    write_atomically(target, lambda file: pq.write_table(joined, file))


class Throttle:
    """Says when it is time to export again: so rarely that exports take at most a small share of the time."""

    def __init__(self, share: float = EXPORT_SHARE) -> None:
        self.share = share
        self.due = time.monotonic()
        self.started = 0.0

    def is_due(self) -> bool:
        return time.monotonic() >= self.due

    def __enter__(self) -> None:
        self.started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        now = time.monotonic()
        self.due = now + (now - self.started) / self.share
