"""The agenda of a search: asks for suggestions, tells how they did, and stops those that fall behind at a rung."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from mflab.results import IMPORTANCES_FILE, Status
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.planning.unfinished import is_over, task_of
from mflab.sweep.running.agenda import Verdict
from mflab.sweep.search.search_plan import Search, Suggester, grown
from mflab.sweep.search.study import Study, Suggestion
from mflab.sweep.stages.assignment import Assignment, Task
from mflab.sweep.stages.forest import make_forest
from mflab.sweep.stages.outcome import TrialOutcome
from mflab.sweep.stages.schedule import Schedule
from mflab.train.atomic import write_atomically


@dataclass
class _Group:
    """A suggestion at work: its trials, one per seed.

    Attributes:
        number: in the study.
        trials: their ids.
        rung: index of the next rung; the number of rungs once all are passed.
        reached: responses at the next step to report, by trial.
        reported: what was told to the pruner, by step.
        followers: later suggestions of the very same trials, which end as this one does.
    """

    number: int
    trials: tuple[str, ...]
    rung: int = 0
    reached: dict[str, Sequence[float]] = field(default_factory=dict)
    reported: dict[int, float] = field(default_factory=dict)
    followers: list[int] = field(default_factory=list)


class SearchAgenda:
    """The trials of a search.

    Args:
        plan: what is known so far.
        search: the search.
        study: asks and tells.
        suggester: makes trials of suggestions.
        schedule: hands them out.
        endings: how trials ended before, by id.
    """

    def __init__(
        self,
        plan: SweepPlan,
        search: Search,
        study: Study,
        suggester: Suggester,
        schedule: Schedule,
        endings: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.plan = plan
        self.verdicts: list[Verdict] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.search, self.study, self.suggester, self.schedule = search, study, suggester, schedule
        self.endings = dict(endings)
        self._asked_before = study.num_asked
        self.groups: dict[int, _Group] = {}
        schedule.add([], plan.forest)

    @property
    def num_trials(self) -> int:
        cfg = self.search.config.sweep
        return (cfg.search.trials - self._asked_before) * len(cfg.seeds)

    @property
    def is_finished(self) -> bool:
        return not self.groups and self._num_left <= 0

    def next(self) -> Assignment | None:
        while True:
            assignment = self.schedule.next()
            # What is held back comes soon: to ask now would be to ask blindly.
            if assignment is not None or self._num_left <= 0 or self.schedule.num_waiting:
                return assignment
            self._begin(self.study.ask())

    def ended(self, trial_id: str, outcome: TrialOutcome) -> list[Verdict]:
        if outcome.status in (Status.done, Status.diverged):
            self.endings[trial_id] = {"event": outcome.status.value, "responses": outcome.responses}
        group = next((group for group in self.groups.values() if trial_id in group.trials), None)
        if group is None:
            # Another seed of its suggestion gave no number meanwhile.
            is_paused = outcome.status is Status.stopped and bool(outcome.responses)
            reason = "another seed of its suggestion gave no number"
            return [Verdict(trial_id, Status.stopped.value, reason, outcome.steps)] if is_paused else []
        if outcome.status is Status.stopped and not outcome.responses:
            # Interrupted: the next start asks for this suggestion again.
            return []
        if outcome.status in (Status.failed, Status.diverged):
            return self._give_up(group, f"another seed of suggestion {group.number} ended as {outcome.status.value}")
        group.reached[trial_id] = [outcome.responses[name] for name in self.search.responses]
        if len(group.reached) < len(group.trials):
            return []
        return self._reach(group)

    @property
    def _num_left(self) -> int:
        """Suggestions still to be asked for."""
        return self.search.config.sweep.search.trials - self.study.num_asked

    def _begin(self, suggestion: Suggestion) -> None:
        """Takes a suggestion; one whose trials are over, or run already, needs no work."""
        made = self.suggester.trials(suggestion.number, suggestion.values)
        self.plan = grown(self.plan, made, self.study.num_asked)
        group = _Group(suggestion.number, tuple(trial.trial_id for trial, _ in made))
        leader = next((one for one in self.groups.values() if one.trials == group.trials), None)
        if leader is not None:
            leader.followers.append(group.number)
            return
        needed = self.search.responses
        over = {one for one in group.trials if is_over(self.plan.folder, one, self.endings, needed, False)}
        self.groups[group.number] = group
        if any(self.endings[one]["event"] == Status.diverged.value for one in over):
            self._give_up(group, "")
        elif over == set(group.trials):
            for trial_id in group.trials:
                responses = self.endings[trial_id]["responses"]
                group.reached[trial_id] = [responses[name] for name in self.search.responses]
            group.rung = len(self.search.rungs)
            self._reach(group)
        else:
            self._add_tasks(group)

    @property
    def _done(self) -> set[str]:
        return {one for one, row in self.endings.items() if row["event"] == Status.done.value}

    def _add_tasks(self, group: _Group) -> None:
        """Sends the trials of a suggestion to its next rung, or to their end."""
        last = group.rung >= len(self.search.rungs)
        tasks: list[Task] = []
        for trial_id in group.trials:
            task = task_of(self.plan.trials[trial_id], self.plan.folder, group.number)
            if not last:
                task = replace(task, until=self.search.rungs[group.rung], needs_state=False)
            # Ends of stages are kept too: another suggestion may begin alike.
            ends = {span.end for span in self.plan.trials[trial_id].cell.stages}
            tasks.append(replace(task, rungs=tuple(sorted({*self.search.rungs, *ends}))))
        chains = {one: trial.route.chain for one, trial in self.plan.trials.items()}
        self.schedule.add(tasks, make_forest(chains))

    def _reach(self, group: _Group) -> list[Verdict]:
        """All trials of a suggestion have reached its next rung, or their end."""
        means = [fmean(values) for values in zip(*group.reached.values(), strict=True)]
        group.reached.clear()
        if group.rung >= len(self.search.rungs):
            del self.groups[group.number]
            for number in (group.number, *group.followers):
                self.study.tell_done(number, means)
            return []
        step = self.search.rungs[group.rung]
        group.reported[step] = means[0]
        group.rung += 1
        if not self.study.report(group.number, step, means[0]):
            self._add_tasks(group)
            return []
        del self.groups[group.number]
        self.study.tell_pruned(group.number)
        for number in group.followers:
            for rung, value in group.reported.items():
                self.study.report(number, rung, value)
            self.study.tell_pruned(number)
        pruner = self.search.config.sweep.search.pruner.name
        reason = f"suggestion {group.number} was stopped by {pruner} at step {step} ({means[0]:.4g})"
        # A trial that another sweep or suggestion brought to its end keeps that end.
        stopped = [one for one in group.trials if one not in self._done]
        return [Verdict(one, Status.stopped.value, reason, step, means[0]) for one in stopped]

    def _give_up(self, group: _Group, reason: str) -> list[Verdict]:
        """A suggestion of which a trial gave no number."""
        del self.groups[group.number]
        for number in (group.number, *group.followers):
            self.study.tell_failed(number)
        left = [one for one in group.trials if one in self.schedule.tasks and one not in self.schedule.running]
        for trial_id in left:
            self.schedule.remove(trial_id)
        waiting = [one for one in group.reached if one not in self._done]
        step = self.search.rungs[group.rung] if waiting else 0
        verdicts = [Verdict(trial_id, Status.stopped.value, reason, step) for trial_id in waiting]
        return verdicts + [Verdict(trial_id, Status.stopped.value, reason) for trial_id in left]


def write_importances(study: Study, folder: Path) -> None:
    """Leaves what the parameters contribute beside the tables: a search aid for the report, no evidence."""
    content = json.dumps(asdict(study.importances())).encode()
    write_atomically(folder / IMPORTANCES_FILE, lambda file: file.write(content))
