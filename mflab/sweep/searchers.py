"""The searcher that walks the plan: Ray Tune asks it for the next job and tells it how the job ended."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ray.tune.search import Searcher

from mflab.sweep.jobs import Job
from mflab.sweep.trial import TrialOutcome

OUTCOME = "outcome"
JOB = "job"


class PlanSearcher(Searcher):
    """Hands out jobs in order, never more than `limit` at a time.

    Args:
        jobs: what to do.
        limit: jobs at a time.
        on_start: called with each job that is handed out.
        on_end: called with the job, its outcome (None where the worker died) and the wall seconds that it cost, counted
            from the moment its slot fell free, so that nothing between two jobs is lost.
        is_stopping: once true, no job is handed out any more.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        limit: int,
        on_start: Callable[[Job], None],
        on_end: Callable[[Job, TrialOutcome | None, float], None],
        is_stopping: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._waiting = deque(jobs)
        self._running: dict[str, tuple[Job, float]] = {}
        self._free_since = [time.monotonic()] * limit
        self._on_start, self._on_end, self._is_stopping = on_start, on_end, is_stopping

    def suggest(self, trial_id: str) -> Any:
        """The next job, None while all slots are taken, or FINISHED."""
        if not self._waiting or self._is_stopping():
            return Searcher.FINISHED
        if not self._free_since:
            return None
        job = self._waiting.popleft()
        self._running[trial_id] = (job, self._free_since.pop(0))
        self._on_start(job)
        return {JOB: job}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        job, since = self._running.pop(trial_id)
        now = time.monotonic()
        self._free_since.append(now)
        self._on_end(job, result[OUTCOME] if result is not None and not error else None, now - since)

    def job(self, trial_id: str) -> Job:
        """The job that runs as this Tune trial."""
        return self._running[trial_id][0]

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles the searcher for a restore that never happens; the driver behind it holds open files.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is the only state of a sweep."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a sweep goes on from its ledger."""
