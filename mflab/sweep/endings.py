"""What the ledger says of a trial that ended."""

from dataclasses import asdict
from typing import Any

from mflab.results import Status
from mflab.sweep.artifacts import TRACEBACK_FILE, trial_folder
from mflab.sweep.jobs import Job
from mflab.sweep.overrides import repeat_command
from mflab.sweep.planned import SweepPlan
from mflab.sweep.trial import TrialOutcome

_BAD = (Status.failed, Status.diverged)
# Fields of an outcome that tell the driver what to do, and that it records elsewhere.
_NOT_RECORDED = ("status", "failed_step", "is_full", "damages")


def ending_fields(plan: SweepPlan, trial_id: str, outcome: TrialOutcome, wall: float, *, found: bool) -> dict[str, Any]:
    """Fields of the row of an ending.

    Args:
        plan: the plan.
        trial_id: who ended.
        outcome: how.
        wall: seconds that it cost.
        found: whether the store had it in full.
    """
    # What a failed trial spent on training is lost with it, so what it spent on the rest is unknown.
    is_failed = outcome.status is Status.failed
    overhead = None if is_failed else wall - outcome.train_seconds - outcome.validate_seconds
    fields = {name: value for name, value in asdict(outcome).items() if name not in _NOT_RECORDED}
    fields |= {"trial_id": trial_id, "wall_seconds": wall, "overhead_seconds": overhead, "found": found}
    fields |= {"threads": plan.trials[trial_id].config.train.threads}
    if outcome.status in _BAD:
        traceback = trial_folder(plan.folder, trial_id) / TRACEBACK_FILE
        fields["repeat"] = repeat_command(plan.overrides, trial_id)
        fields["traceback"] = str(traceback) if traceback.is_file() else ""
    return fields


def baseline_fields(job: Job, outcome: TrialOutcome, wall: float) -> dict[str, Any]:
    """Fields of the row of a baseline's end."""
    result = {"error": outcome.error} if outcome.status is Status.failed else {"responses": outcome.responses}
    return {"baseline": job.name, "dataset": job.dataset, "wall_seconds": wall, **result}


def failures(plan: SweepPlan, endings: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Endings of the plan's trials that failed or diverged, in plan order."""
    only = plan.config.sweep.only
    own = [endings[t.trial_id] for t in plan.record.trials if t.trial_id in endings and only in ("", t.trial_id)]
    return [row for row in own if row["event"] in [status.value for status in _BAD]]
