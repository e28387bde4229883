"""Readers of a sweep folder; each returns a plain table or record and says which file is missing or malformed."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from mflab.errors import MflabError
from mflab.results.formats import (
    BASELINE_COLUMNS,
    BASELINES_FILE,
    LEDGER_FILE,
    METRIC_COLUMNS,
    METRICS_FILE,
    PLAN_FILE,
    TRAINING_COLUMNS,
    TRAINING_FILE,
    TRIAL_COLUMNS_AFTER,
    TRIAL_COLUMNS_BEFORE,
    TRIALS_FILE,
    Status,
    factor_column,
    parameter_column,
)
from mflab.results.plan import Plan


def read_plan(folder: Path) -> Plan:
    """The plan of a sweep folder.

    Raises:
        MflabError: no or malformed plan.
    """
    path = _existing(folder / PLAN_FILE)
    return Plan.from_json(path.read_text(encoding="utf-8"), str(path))


def read_ledger(folder: Path) -> list[dict[str, Any]]:
    """All ledger records in file order; empty when the sweep has not started.

    A crash can cut a line short. Such a line did not happen: it appears as an event `unreadable` with its line number,
    so that a reader of events skips it and a report can show it.
    """
    path = folder / LEDGER_FILE
    if not path.exists():
        return []
    records: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), start=1):
        if line.strip():
            records.append(_ledger_record(line, number))
    return records


def _ledger_record(line: str, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        record = None
    return record if isinstance(record, dict) and "event" in record else {"event": "unreadable", "line": number}


def read_trials(folder: Path) -> pd.DataFrame:
    """`trials.csv`, one row per planned trial in file order.

    Columns of factors and of a search's parameters are text, exactly as in the cells of the plan.

    Raises:
        MflabError: missing file or column, or an unknown status.
    """
    path = _existing(folder / TRIALS_FILE)
    plan = read_plan(folder)
    factors = [factor_column(factor.name) for factor in plan.factors]
    parameters = [parameter_column(name) for name in plan.search["space"]] if plan.search is not None else []
    text = dict.fromkeys(("trial_id", "status", "error", *factors, *parameters), str)
    table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    _require_columns(path, table, (*TRIAL_COLUMNS_BEFORE, *factors, *TRIAL_COLUMNS_AFTER))
    table["error"] = table["error"].fillna("")
    unknown = sorted(set(table["status"]) - set(Status.__members__))
    if unknown:
        raise MflabError(f"{path}: unknown status {unknown[0]!r}; choose one of {', '.join(Status.__members__)}.")
    return table


def read_metrics(folder: Path) -> pd.DataFrame:
    """`metrics.parquet` with METRIC_COLUMNS."""
    return _read_parquet(folder / METRICS_FILE, METRIC_COLUMNS)


def read_baselines(folder: Path) -> pd.DataFrame:
    """`baselines.parquet` with BASELINE_COLUMNS."""
    return _read_parquet(folder / BASELINES_FILE, BASELINE_COLUMNS)


def read_training(folder: Path) -> pd.DataFrame:
    """`training.parquet` with TRAINING_COLUMNS."""
    return _read_parquet(folder / TRAINING_FILE, TRAINING_COLUMNS)


# An empty table has no types of its own, so every column gets the one it must have.
_TYPES: dict[str, str] = {
    **dict.fromkeys(("trial_id", "scene", "view", "metric", "baseline", "dataset"), "str"),
    **dict.fromkeys(("step", "stage"), "int64"),
    **dict.fromkeys(("value", "loss", "lr", "grad_norm", "seconds"), "float64"),
    "seen": "bool",
}


def _read_parquet(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    table = pd.read_parquet(_existing(path))
    _require_columns(path, table, columns)
    types = {name: _TYPES[name] for name in columns}
    return table[list(columns)].astype(types)  # pyright: ignore[reportCallIssue, reportArgumentType]


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise MflabError(f"A sweep folder must hold {path.name}, but {path} does not exist; run the sweep first.")
    return path


def _require_columns(path: Path, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise MflabError(
            f"{path} must have columns {', '.join(columns)}, but misses {', '.join(missing)}; start the "
            "sweep again to rewrite it."
        )
