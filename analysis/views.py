"""Responses per view: means over scenes, then over seeds, seen (input) views apart from unseen ones."""

from dataclasses import dataclass

import pandas as pd

from analysis.intervals import Interval, t_interval
from analysis.load import Sweep, last_steps
from mflab.errors import MflabError
from mflab.results import split_response


@dataclass(frozen=True)
class ViewColumn:
    """A view of the rig in one role: input of the trial (seen) or to be predicted (unseen)."""

    view: str
    azimuth_deg: float
    seen: bool


def view_columns(sweep: Sweep) -> list[ViewColumn]:
    """Views of all done trials, unseen before seen, by azimuth.

    Raises:
        MflabError: no done trial has validations of the declared response.
    """
    rows = _last_rows(sweep)
    azimuths = {view.name: view.azimuth_deg for trial in sweep.plan.trials for view in trial.views}
    found = {(str(view), bool(seen)) for view, seen in zip(rows["view"], rows["seen"], strict=True)}
    columns = [ViewColumn(view, azimuths[view], seen) for view, seen in found]
    return sorted(columns, key=lambda column: (column.seen, column.azimuth_deg, column.view))


def view_means(sweep: Sweep) -> dict[str, dict[ViewColumn, Interval]]:
    """Arm -> view -> mean over seeds of the mean over scenes at the last step."""
    means = _last_rows(sweep).groupby(["arm", "view", "seen", "seed"], sort=True, as_index=False)["value"].mean()
    values: dict[tuple[str, str, bool], list[float]] = {}
    for arm, view, seen, value in zip(*(means[name] for name in ("arm", "view", "seen", "value")), strict=True):
        values.setdefault((str(arm), str(view), bool(seen)), []).append(float(value))
    columns = view_columns(sweep)
    return {
        arm.label: {
            c: t_interval(values[arm.label, c.view, c.seen]) for c in columns if (arm.label, c.view, c.seen) in values
        }
        for arm in sweep.arms
        if any(label == arm.label for label, _, _ in values)
    }


def view_baselines(sweep: Sweep) -> dict[str, dict[ViewColumn, float]]:
    """Baseline -> view -> mean over scenes; baselines have no seed, hence no interval."""
    metric, _ = split_response(sweep.response)
    rows = sweep.baselines
    rows = rows[rows["metric"] == metric]
    means = rows.groupby(["baseline", "view", "seen"], sort=False)["value"].mean().to_dict()
    names = list(dict.fromkeys(str(name) for name in rows["baseline"]))
    columns = view_columns(sweep)
    return {
        name: {c: float(means[name, c.view, c.seen]) for c in columns if (name, c.view, c.seen) in means}
        for name in names
    }


def _last_rows(sweep: Sweep) -> pd.DataFrame:
    metric, _ = split_response(sweep.response)
    rows = sweep.metrics
    rows = rows[rows["metric"] == metric].merge(sweep.done[["trial_id", "arm", "seed"]], on="trial_id", how="inner")
    if rows.empty:
        raise MflabError(
            "No done trial has validations of the declared response, so there is nothing to show per view."
        )
    return last_steps(rows)
