"""The table `trials.csv`: what every planned trial varies, its responses, and what all its jobs cost."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mflab.results import (
    TRIAL_COLUMNS_AFTER,
    TRIAL_COLUMNS_BEFORE,
    TRIALS_FILE,
    Plan,
    Status,
    factor_column,
    parameter_column,
)
from mflab.sweep.planning.ledger import latest
from mflab.sweep.running.costs import amortised_seconds
from mflab.train.atomic import write_atomically

_SUMMED = ("steps_run", "seconds", "overhead_seconds")


def write_trials(folder: Path, plan: Plan, ledger: Sequence[Mapping[str, Any]]) -> None:
    """Writes `trials.csv`, one row per planned trial; only finished trials have responses."""
    endings, jobs = latest(ledger), job_costs(ledger)
    planned = [trial.trial_id for trial in plan.trials]
    done = {one: endings[one] for one in planned if one in endings and endings[one]["event"] == Status.done.value}
    # Only who is done shares a cost, so that what all of them cost is the sum of their parts.
    sharers = {stage.key: sum(one in done for one in stage.trials) for stage in plan.stages}
    amortised = amortised_seconds(done, sharers)
    responses = list(dict.fromkeys(name for row in done.values() for name in row["responses"]))
    if plan.response.name not in responses:
        responses.insert(0, plan.response.name)
    columns = cell_columns(plan)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*TRIAL_COLUMNS_BEFORE, *columns, *responses, *TRIAL_COLUMNS_AFTER])
    for trial in plan.trials:
        row = endings[trial.trial_id] if trial.trial_id in endings else {"event": Status.planned.value}
        known = {**row, "seed": trial.seed, "run_order": trial.run_order}
        known |= _costs(row, jobs[trial.trial_id] if trial.trial_id in jobs else {})
        if trial.trial_id in done:
            known["seconds_amortised"] = amortised[trial.trial_id]
        values = known["responses"] if trial.trial_id in done else {}
        writer.writerow(
            [trial.trial_id, row["event"]]
            + [trial.cell[name] if name in trial.cell else "" for name in columns.values()]
            + [values[name] if name in values else "" for name in responses]
            + [_rounded(known[name]) if name in known else "" for name in TRIAL_COLUMNS_AFTER]
        )
    write_atomically(folder / TRIALS_FILE, lambda file: file.write(buffer.getvalue().encode()))


def cell_columns(plan: Plan) -> dict[str, str]:
    """Column -> name in the cells of the plan, of what a sweep varies: factors, or parameters of a search."""
    if plan.search is not None:
        return {parameter_column(name): name for name in plan.search["space"]}
    return {factor_column(factor.name): factor.name for factor in plan.factors}


def job_costs(ledger: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What all jobs of each trial cost together, by trial: one that pauses or is interrupted has several.

    Steps, seconds and overhead add up; where a job's overhead is unknown, so is the sum.

    Example:
        >>> job = {"trial_id": "a", "steps_run": 3, "seconds": 1.5, "overhead_seconds": 0.5, "peak_memory_gb": 1.0}
        >>> rows = [{**job, "event": "paused", "steps": 3}, {**job, "event": "done", "steps": 6}, {"event": "end"}]
        >>> job_costs(rows)["a"]
        {'steps': 6, 'steps_run': 6, 'seconds': 3.0, 'overhead_seconds': 1.0, 'peak_memory_gb': 1.0}
    """
    costs: dict[str, dict[str, Any]] = {}
    for row in ledger:
        if "trial_id" not in row or "steps_run" not in row:
            continue
        own = {name: row[name] for name in ("steps", *_SUMMED, "peak_memory_gb")}
        before = costs[row["trial_id"]] if row["trial_id"] in costs else None
        if before is not None:
            for name in _SUMMED:
                is_known = own[name] is not None and before[name] is not None
                own[name] = own[name] + before[name] if is_known else None
            own["peak_memory_gb"] = max(own["peak_memory_gb"], before["peak_memory_gb"])
        costs[row["trial_id"]] = own
    return costs


def _costs(row: Mapping[str, Any], jobs: Mapping[str, Any]) -> dict[str, Any]:
    """Cost columns of a trial.

    Args:
        row: its ending, if there is one.
        jobs: what all its jobs cost; empty where it had none.
    """
    steps = row["steps"] if "steps" in row else 0
    if jobs and "steps_run" not in row:
        # Between its jobs, where a rule ended it or it waits for the next one: the last job says how far it got.
        steps = max(steps, jobs["steps"])
    known = {"steps_run": 0, **jobs, "steps": steps}
    if row["event"] != Status.done.value:
        # Of one that is not done nobody knows what the whole would have cost.
        known["seconds_alone"] = None
    return known


def _rounded(value: object) -> object:
    if value is None:
        return ""
    return round(value, 4) if isinstance(value, float) else value
