"""The searcher between Ray Tune and the driver: Tune asks it for the next job and tells it how the job ended."""

import time
from typing import Any

from ray.tune.search import Searcher

from mflab.sweep.hooks import Hooks
from mflab.sweep.jobs import Job

OUTCOME = "outcome"
JOB = "job"


class JobSearcher(Searcher):
    """Hands out the driver's jobs, never more than `limit` at a time.

    The wall seconds of a job count from the moment its slot fell free, so that nothing between two jobs is lost; time
    in which the driver had no job to give does not count.

    Args:
        hooks: the driver.
        limit: jobs at a time.
    """

    def __init__(self, hooks: Hooks, limit: int) -> None:
        super().__init__()
        self._hooks = hooks
        self._running: dict[str, tuple[Job, float]] = {}
        self._free_since = [time.monotonic()] * limit

    def suggest(self, trial_id: str) -> Any:
        """The next job, None while all slots are taken or no job may start, or FINISHED."""
        if self._hooks.is_finished():
            return Searcher.FINISHED
        if not self._free_since:
            return None
        job = self._hooks.next_job()
        if job is None:
            self._free_since = [time.monotonic()] * len(self._free_since)
            return None
        self._running[trial_id] = (job, self._free_since.pop(0))
        return {JOB: job}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        job, since = self._running.pop(trial_id)
        now = time.monotonic()
        self._free_since.append(now)
        self._hooks.on_end(job, result[OUTCOME] if result is not None and not error else None, now - since)

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
