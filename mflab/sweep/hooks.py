"""What a runner of jobs tells the driver, and asks it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mflab.sweep.jobs import Job
from mflab.sweep.trial import TrialOutcome


@dataclass(frozen=True)
class Hooks:
    """What the driver wants to know.

    Attributes:
        on_start: a job was handed out.
        on_end: a job ended: its outcome (None where its worker died for good) and wall seconds.
        on_retry: the worker of a job died, for this reason, and the job starts again.
        on_tick: called several times a second.
        is_stopping: no further job is handed out once this is true.
    """

    on_start: Callable[[Job], None]
    on_end: Callable[[Job, TrialOutcome | None, float], None]
    on_retry: Callable[[Job, str], None]
    on_tick: Callable[[], None]
    is_stopping: Callable[[], bool]


# Does jobs in order with so many workers of so many threads; `mflab.sweep.runner.run_jobs` does it on Ray Tune.
JobRunner = Callable[[Sequence[Job], int, int, Hooks], None]
