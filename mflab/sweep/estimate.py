"""What is left to run, and how long it takes by what earlier trials took."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from mflab.results import Status, TrialRecord
from mflab.sweep.ledger import latest

Row = Mapping[str, Any]


def remaining_steps(trials: Sequence[TrialRecord], ledger: Sequence[Row]) -> dict[str, int]:
    """Steps left per trial: a stopped trial goes on where it stopped, a done or diverged one is over."""
    endings = latest(ledger)
    left = {}
    for trial in trials:
        row = endings[trial.trial_id] if trial.trial_id in endings else {"event": Status.planned.value}
        left[trial.trial_id] = trial.steps
        if row["event"] in (Status.done.value, Status.diverged.value):
            left[trial.trial_id] = 0
        elif row["event"] == Status.stopped.value:
            left[trial.trial_id] = trial.steps - int(row["steps"])
    return left


def estimate_seconds(trials: Sequence[TrialRecord], ledger: Sequence[Row], workers: int) -> float | None:
    """Wall time of what is left, from the median step and the median rest of finished trials; None without any.

    Example:
        >>> row = {"event": "done", "trial_id": "a", "steps": 10, "train_seconds": 5.0, "validate_seconds": 1.0,
        ...        "overhead_seconds": 0.5}
        >>> trial = TrialRecord("b", {}, 0, 0, 20, (), "", (), ())
        >>> estimate_seconds([trial], [row], 1)
        11.5
    """
    done = [row for row in ledger if row["event"] == Status.done.value]
    timed = [row["train_seconds"] / row["steps"] for row in done if row["steps"]]
    if not timed:
        return None
    rest = median(row["validate_seconds"] + row["overhead_seconds"] for row in done)
    endings = latest(ledger)
    over = (Status.done.value, Status.diverged.value)
    waiting = [
        trial for trial in trials if trial.trial_id not in endings or endings[trial.trial_id]["event"] not in over
    ]
    steps = sum(remaining_steps(waiting, ledger).values())
    return (steps * median(timed) + len(waiting) * rest) / workers
