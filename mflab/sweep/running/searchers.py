"""The searcher between Ray Tune and the driver: Tune asks it for the next job and tells it how the job ended."""

import time
from typing import Any

from ray.tune.search import Searcher

from mflab.sweep.running.hooks import Hooks
from mflab.sweep.running.jobs import Job
from mflab.sweep.running.meeting import Meeting

OUTCOME = "outcome"
JOB = "job"
MEET = "meet"


class JobSearcher(Searcher):
    """Hands out the driver's jobs, never more than `limit` at a time.

    The wall seconds of a job count from the moment its slot fell free, so that nothing between two jobs is lost; time
    in which the driver had no job to give does not count.

    Before the first job every worker is asked to meet the others. Tune takes back a worker that still starts as soon as
    another falls free: with trials shorter than a start, all of them would run on one worker.

    Args:
        hooks: the driver.
        limit: jobs at a time.
        meeting: where the workers meet.
    """

    def __init__(self, hooks: Hooks, limit: int, meeting: Meeting) -> None:
        super().__init__()
        self._hooks = hooks
        self._meeting = meeting
        self._num_asked = 0
        self._coming: set[str] = set()
        self._running: dict[str, tuple[Job, float]] = {}
        self._free_since = [time.monotonic()] * limit

    def suggest(self, trial_id: str) -> Any:
        """The next job, None while all slots are taken or no job may start, or FINISHED."""
        if self._hooks.is_finished():
            return Searcher.FINISHED
        if self._num_asked < self._meeting.size:
            self._num_asked += 1
            self._coming.add(trial_id)
            return {MEET: self._meeting}
        # A worker that has met the others waits for the last one, whose slot is not free before.
        if not self._free_since or self._coming:
            return None
        job = self._hooks.next_job()
        if job is None:
            # With no trial at work, Tune asks again and again here, and never comes to its own heartbeat.
            self._hooks.on_tick()
            self._free_since = [time.monotonic()] * len(self._free_since)
            return None
        self._running[trial_id] = (job, self._free_since.pop(0))
        return {JOB: job}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if trial_id in self._coming:
            self._coming.remove(trial_id)
            self._free_since = [time.monotonic()] * len(self._free_since)
            return
        job, since = self._running.pop(trial_id)
        now = time.monotonic()
        self._free_since.append(now)
        self._hooks.on_end(job, result[OUTCOME] if result is not None and not error else None, now - since)

    def job(self, trial_id: str) -> Job | None:
        """The job that runs as this Tune trial; None for one that meets the others."""
        return self._running[trial_id][0] if trial_id in self._running else None

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles the searcher for a restore that never happens; the driver behind it holds open files.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is the only state of a sweep."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a sweep goes on from its ledger."""
