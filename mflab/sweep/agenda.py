"""What a sweep still has to do, and what follows when a trial ends."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from mflab.results import TrialRecord
from mflab.sweep.pending import task_of
from mflab.sweep.planned import SweepPlan
from mflab.sweep.schedule import Assignment, Schedule
from mflab.sweep.trial import TrialOutcome


class Verdict(NamedTuple):
    """An ending that a trial gets without running on: which, and why."""

    trial_id: str
    event: str
    reason: str


@runtime_checkable
class Agenda(Protocol):
    """Where a driver's trials come from."""

    @property
    def plan(self) -> SweepPlan:
        """The plan; a search's grows."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to hand out, and nothing running can add to it."""
        ...

    def next(self) -> Assignment | None:
        """The next piece of work, None while there is none or all of it is held back."""
        ...

    def ended(self, assignment: Assignment, outcome: TrialOutcome) -> list[Verdict]:
        """Takes the end of a piece of work; returns what it decides for trials that do not run on."""
        ...


class DesignAgenda:
    """The trials of a design: each runs to its end.

    Args:
        plan: the plan.
        pending: trials that are not over.
        schedule: hands them out.
    """

    def __init__(self, plan: SweepPlan, pending: Sequence[TrialRecord], schedule: Schedule) -> None:
        self.plan = plan
        self.schedule = schedule
        tasks = [task_of(plan.trials[record.trial_id], plan.folder, record.run_order) for record in pending]
        schedule.add(tasks, {one: trial.route for one, trial in plan.trials.items()})

    @property
    def is_finished(self) -> bool:
        return not self.schedule.tasks

    def next(self) -> Assignment | None:
        return self.schedule.next()

    def ended(self, assignment: Assignment, outcome: TrialOutcome) -> list[Verdict]:
        return []
