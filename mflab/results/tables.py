"""Readers of the tables of a sweep folder; each says which file is missing or malformed.

Not exported by the package: pandas costs .4 s and 70 MB, which a plan need not pay.
"""

from pathlib import Path

import pandas as pd

from mflab.errors import MflabError
from mflab.results.formats import (
    BASELINE_COLUMNS,
    BASELINES_FILE,
    METRIC_COLUMNS,
    METRICS_FILE,
    TRAINING_COLUMNS,
    TRAINING_FILE,
    TRIAL_COLUMNS_AFTER,
    TRIAL_COLUMNS_BEFORE,
    TRIALS_FILE,
    Status,
    factor_column,
    parameter_column,
)
from mflab.results.read import existing_file, read_plan


def read_trials(folder: Path) -> pd.DataFrame:
    """`trials.csv`, one row per planned trial in file order.

    Columns of factors and of a search's parameters are text, exactly as in the cells of the plan.

    Raises:
        MflabError: missing file or column, or an unknown status.
    """
    path = existing_file(folder / TRIALS_FILE)
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
    table = pd.read_parquet(existing_file(path))
    _require_columns(path, table, columns)
    types = {name: _TYPES[name] for name in columns}
    return table[list(columns)].astype(types)  # pyright: ignore[reportCallIssue, reportArgumentType]


def _require_columns(path: Path, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise MflabError(
            f"{path} must have columns {', '.join(columns)}, but misses {', '.join(missing)}; start the "
            "sweep again to rewrite it."
        )
