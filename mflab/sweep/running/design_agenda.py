"""The agenda of a design, and which agenda a plan without a search has."""

from collections.abc import Mapping, Sequence
from typing import Any

from mflab.results import TrialRecord
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.planning.unfinished import task_of
from mflab.sweep.running.agenda import Agenda, Verdict
from mflab.sweep.running.race_agenda import RaceAgenda
from mflab.sweep.stages.assignment import Assignment
from mflab.sweep.stages.outcome import TrialOutcome
from mflab.sweep.stages.schedule import Schedule


class DesignAgenda:
    """The trials of a design: each runs to its end.

    Args:
        plan: the plan.
        pending: trials that are not over.
        schedule: hands them out.
    """

    def __init__(self, plan: SweepPlan, pending: Sequence[TrialRecord], schedule: Schedule) -> None:
        self.plan = plan
        self.verdicts: list[Verdict] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.schedule = schedule
        self._num_trials = len(pending)
        tasks = [task_of(plan.trials[record.trial_id], plan.folder, record.run_order) for record in pending]
        schedule.add(tasks, plan.forest)

    @property
    def num_trials(self) -> int:
        return self._num_trials

    @property
    def is_finished(self) -> bool:
        return not self.schedule.tasks

    def next(self) -> Assignment | None:
        return self.schedule.next()

    def ended(self, trial_id: str, outcome: TrialOutcome) -> list[Verdict]:
        return []


def design_agenda(
    plan: SweepPlan,
    pending: Sequence[TrialRecord],
    schedule: Schedule,
    endings: Mapping[str, Mapping[str, Any]],
) -> Agenda:
    """The agenda of a design, or of a race where the sweep declares looks."""
    if plan.config.sweep.race.looks and not plan.config.sweep.only:
        return RaceAgenda(plan, pending, schedule, endings)
    return DesignAgenda(plan, pending, schedule)
