"""How trials end: what the ledger says of it, and what the driver makes of a dead worker or a full store."""

from dataclasses import asdict
from typing import Any

from mflab.errors import MflabError
from mflab.results import Status
from mflab.sweep.planning.overrides import repeat_command, split_override
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.running.jobs import Job, read_progress
from mflab.sweep.stages.artifacts import TRACEBACK_FILE, trial_folder
from mflab.sweep.stages.outcome import Full, TrialOutcome

_BAD = (Status.failed, Status.diverged)
# Fields of an outcome that tell the driver what to do, and that it records elsewhere.
_NOT_RECORDED = ("status", "failed_step", "full", "damages")
WORKER_DIED = "the worker process died, and died again when the trial went on: out of memory, or killed"


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
        fields["traceback"] = str(traceback) if outcome.pid and traceback.is_file() else ""
    return fields


def baseline_fields(job: Job, outcome: TrialOutcome, wall: float) -> dict[str, Any]:
    """Fields of the row of a baseline's end."""
    result = {"error": outcome.error} if outcome.status is Status.failed else {"responses": outcome.responses}
    return {"baseline": job.name, "dataset": job.dataset, "wall_seconds": wall, **result}


def dead_worker(job: Job, reason: str) -> TrialOutcome:
    """The outcome of a job whose worker died for good, `reason` being what is known of its first death."""
    step = read_progress(job.folder).step
    error = f"{WORKER_DIED} ({reason})" if reason else WORKER_DIED
    return TrialOutcome(Status.failed, steps=step, error=error, failed_step=step)


def full_store(plan: SweepPlan, outcome: TrialOutcome) -> MflabError:
    """The error that stops a sweep whose store has no room, with the command that goes on once there is some."""
    overrides = list(plan.overrides)
    if outcome.full is Full.budget:
        # With the same budget the command would stop at the same place: room for all that the plan keeps, and for the
        # interim states of its workers.
        sizes = [trial.cell.state_bytes for trial in plan.trials.values()]
        needed = plan.store.used_bytes() + plan.record.disk_bytes + 2 * plan.workers * max(sizes)
        budget = max(2 * plan.config.store.budget_gb, 1.1 * needed / 1e9)
        overrides = [text for text in overrides if split_override(text)[0] != "store.budget_gb"]
        overrides.append(f"store.budget_gb={budget:.3g}")
    return MflabError(f"{outcome.error} To go on: {repeat_command(overrides)}")


def failures(plan: SweepPlan, endings: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Endings of the plan's trials that failed or diverged, in plan order."""
    only = plan.config.sweep.only
    own = [endings[t.trial_id] for t in plan.record.trials if t.trial_id in endings and only in ("", t.trial_id)]
    return [row for row in own if row["event"] in [status.value for status in _BAD]]
