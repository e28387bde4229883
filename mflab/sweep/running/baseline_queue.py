"""Baselines that a start must still make; they go before the trials."""

from mflab.results import Status
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.running.endings import baseline_fields
from mflab.sweep.running.jobs import Job
from mflab.sweep.running.journal import Journal
from mflab.sweep.running.pending import pending_baselines
from mflab.sweep.running.stop_switch import StopSwitch
from mflab.sweep.stages.outcome import TrialOutcome


class BaselineQueue:
    """Jobs of baselines, each handed out once.

    Args:
        plan: whose baselines.
        stop: seen by the jobs.
        journal: told of their ends.

    Attributes:
        jobs: not handed out yet.
        failed: what went wrong, one line per baseline.
    """

    def __init__(self, plan: SweepPlan, stop: StopSwitch, journal: Journal) -> None:
        self.stop, self.journal = stop, journal
        self.jobs: list[Job] = []
        self.failed: list[str] = []
        self._seen: set[str] = set()
        self.add(plan)

    def add(self, plan: SweepPlan) -> None:
        """A plan that grew may need baselines that it did not need before."""
        new = [job for job in pending_baselines(plan, self.stop.file) if job.job_id not in self._seen]
        self._seen |= {job.job_id for job in new}
        self.jobs += new

    def ended(self, job: Job, outcome: TrialOutcome, wall: float) -> None:
        """Notes the end of one."""
        self.journal.append(f"baseline_{outcome.status.value}", **baseline_fields(job, outcome, wall))
        self.journal.has_new_baselines = True
        if outcome.status is Status.failed:
            self.failed.append(f"{job.name} on {job.dataset}: {outcome.error}")
