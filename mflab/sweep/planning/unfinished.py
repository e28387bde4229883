"""Which trials are over, and what is left to do of one that is not."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mflab.results import METRICS_FILE, TRAINING_FILE, Status
from mflab.sweep.planning.prepare import PreparedTrial
from mflab.sweep.stages.artifacts import trial_folder
from mflab.sweep.stages.assemble import has_weights
from mflab.sweep.stages.assignment import Task

Ending = Mapping[str, Any]


def is_over(
    folder: Path, trial_id: str, endings: Mapping[str, Ending], responses: Iterable[str], retry_diverged: bool
) -> bool:
    """Whether a trial needs no work: it ended, these responses were measured, and its files are there."""
    if trial_id not in endings:
        return False
    own = trial_folder(folder, trial_id)
    if not all((own / name).is_file() for name in (METRICS_FILE, TRAINING_FILE)):
        # Rows that were removed are made again.
        return False
    status = endings[trial_id]["event"]
    if status == Status.done.value:
        # Where LPIPS weights came later, the store evaluates the last state anew.
        return set(responses) <= set(endings[trial_id]["responses"])
    return status == Status.diverged.value and not retry_diverged


def is_dropped(endings: Mapping[str, Ending], trial_id: str) -> bool:
    """Whether a rule stopped a trial, and no interruption, which gives no reason."""
    ending = endings[trial_id] if trial_id in endings else None
    return ending is not None and ending["event"] == Status.stopped.value and bool(ending["error"])


def task_of(trial: PreparedTrial, folder: Path, order: int) -> Task:
    """A trial to bring to its end."""
    needs_state = trial.route.keeps_weights and bool(trial.route.leaf) and not has_weights(folder, trial.trial_id)
    return Task(trial.trial_id, trial.route, trial.route.chain.num_steps, needs_state, (), order)
