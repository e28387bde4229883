"""What a runner of jobs asks the driver, and tells it."""

from collections.abc import Callable
from dataclasses import dataclass

from mflab.sweep.running.jobs import Job
from mflab.sweep.stages.outcome import TrialOutcome


@dataclass(frozen=True)
class Hooks:
    """The driver's side of a run.

    Attributes:
        num_jobs: so many will be handed out, at least while nothing ends.
        next_job: the next job, None while none may start yet.
        is_finished: no job will be handed out any more.
        on_end: a job ended: its outcome (None where its worker died for good) and wall seconds.
        on_retry: the worker of a job died, for this reason, and the job starts again.
        on_tick: called several times a second.
    """

    num_jobs: int
    next_job: Callable[[], Job | None]
    is_finished: Callable[[], bool]
    on_end: Callable[[Job, TrialOutcome | None, float], None]
    on_retry: Callable[[Job, str], None]
    on_tick: Callable[[], None]


# Does jobs with so many workers of so many threads; `mflab.sweep.running.runner.run_jobs` does it on Ray Tune.
JobRunner = Callable[[int, int, Hooks], None]
