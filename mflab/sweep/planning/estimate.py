"""What is left to do: the steps, and how long they take by what earlier trials took."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from mflab.results import Status
from mflab.sweep.stages.route import Route
from mflab.sweep.stages.schedule import Schedule

Row = Mapping[str, Any]


def count_steps(schedule: Schedule) -> dict[str, int]:
    """Steps that each task of a schedule would train, by running it without training."""
    steps: dict[str, int] = {}
    schedule.is_stored = schedule.known.states.__contains__
    while (assignment := schedule.next()) is not None:
        task = assignment.task
        steps[task.trial_id] = assignment.num_steps
        for name in assignment.makes:
            schedule.known.add_state(name)
        for wanted in [*task.route.evaluations, *(wanted for wanted, _ in assignment.others)]:
            if wanted.step <= task.until:
                schedule.known.add_evaluation(wanted)
        schedule.ended(task.trial_id)
    return steps


def estimate_seconds(
    steps: Mapping[str, int], routes: Sequence[Route], ledger: Sequence[Row], workers: int
) -> float | None:
    """Wall time of what is left, from the median step, evaluation and rest of finished trials; None without any.

    Args:
        steps: steps that each trial left will train.
        routes: of the same trials, for the evaluations at their ends.
        ledger: rows of earlier starts.
        workers: trials at a time; a single trial cannot be split among them.

    Example:
        >>> row = {"event": "done", "steps_run": 10, "train_seconds": 5.0, "evaluations": [["a", 1.0]],
        ...        "overhead_seconds": 0.5}
        >>> estimate_seconds({"b": 20, "c": 10}, [], [row], 2)
        10.5
    """
    # Rows of an earlier version say less.
    done = [row for row in ledger if row["event"] == Status.done.value and "evaluations" in row]
    timed = [row["train_seconds"] / row["steps_run"] for row in done if row["steps_run"]]
    if not timed:
        return 0.0 if not steps else None
    evaluation = median([seconds for row in done for _, seconds in row["evaluations"]] or [0.0])
    rest = median(row["overhead_seconds"] for row in done)
    # Every evaluation counts once, wherever it is shared.
    evaluations = len({wanted.name for route in routes for wanted in route.evaluations})
    total = sum(steps.values()) * median(timed) + evaluations * evaluation + len(steps) * rest
    longest = max(steps.values(), default=0) * median(timed) + rest if steps else 0.0
    return max(total / workers, longest)
