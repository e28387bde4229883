"""The agenda of a race: seeds in blocks, and after each look no more seeds for an arm that is beaten."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mflab.design.racing import Drop, race_decision
from mflab.results import Status, TrialRecord
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.planning.unfinished import task_of
from mflab.sweep.running.agenda import Verdict
from mflab.sweep.stages.assignment import Assignment
from mflab.sweep.stages.outcome import TrialOutcome
from mflab.sweep.stages.schedule import Schedule


class RaceAgenda:
    """The trials of a race; the rule is fixed by the plan: looks, error rate, arms.

    Args:
        plan: the plan.
        pending: trials that are not over.
        schedule: hands them out.
        endings: how trials ended before, by id.
    """

    def __init__(
        self,
        plan: SweepPlan,
        pending: Sequence[TrialRecord],
        schedule: Schedule,
        endings: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.plan, self.schedule = plan, schedule
        self.race = plan.config.sweep.race
        self.values: dict[str, dict[int, float]] = {}
        self.drops: dict[str, tuple[int, Drop]] = {}
        self._arms = {trial.trial_id: arm_of(trial) for trial in plan.record.trials}
        self._records = {trial.trial_id: trial for trial in plan.record.trials}
        self._pending = {trial.trial_id for trial in pending}
        self._blocks = [*self.race.looks, len(plan.record.design.seeds)]
        self._block = -1
        for trial_id, row in endings.items():
            if trial_id in self._records and row["event"] == Status.done.value and trial_id not in self._pending:
                self._note(trial_id, row["responses"])
        stopped = {one for one, row in endings.items() if row["event"] == Status.stopped.value and not row["steps"]}
        # What an earlier start has said already is not said again.
        self.verdicts: list[Verdict] = [one for one in self._go_on() if one.trial_id not in stopped]
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._num_trials = len(self._pending)

    @property
    def num_trials(self) -> int:
        return self._num_trials

    @property
    def is_finished(self) -> bool:
        return not self.schedule.tasks

    def next(self) -> Assignment | None:
        return self.schedule.next()

    def ended(self, trial_id: str, outcome: TrialOutcome) -> list[Verdict]:
        if outcome.status is Status.stopped:
            return []
        self._pending.discard(trial_id)
        if outcome.status is Status.done:
            self._note(trial_id, outcome.responses)
        return self._go_on()

    def _note(self, trial_id: str, responses: Mapping[str, float]) -> None:
        value = responses[self.plan.record.response.name]
        if math.isfinite(value):
            self.values.setdefault(self._arms[trial_id], {})[self._records[trial_id].seed] = value

    def _in_block(self, block: int) -> set[str]:
        """Trials of a block of seeds, of arms still in the race."""
        seeds = set(self.plan.record.design.seeds[: self._blocks[block]])
        return {
            one for one, trial in self._records.items() if trial.seed in seeds and self._arms[one] not in self.drops
        }

    def _go_on(self) -> list[Verdict]:
        """Looks wherever a block is complete, and adds the trials of the next one."""
        verdicts: list[Verdict] = []
        while self._block < len(self._blocks) - 1:
            if self._block >= 0:
                if self._in_block(self._block) & self._pending:
                    return verdicts
                verdicts += self._look(self._blocks[self._block])
            self._block += 1
            known = set(self.schedule.tasks)
            new = [self._records[one] for one in sorted(self._in_block(self._block) & self._pending - known)]
            tasks = [task_of(self.plan.trials[one.trial_id], self.plan.folder, one.run_order) for one in new]
            self.schedule.add(tasks, self.plan.forest)
        return verdicts

    def _look(self, look: int) -> list[Verdict]:
        """Compares the arms on the first `look` seeds."""
        seeds = self.plan.record.design.seeds[:look]
        values = {
            arm: {seed: own[seed] for seed in seeds}
            for arm, own in self.values.items()
            if arm not in self.drops and all(seed in own for seed in seeds)
        }
        num_arms = len(set(self._arms.values()))
        direction = self.plan.record.response.direction.name
        verdicts = []
        for drop in race_decision(values, direction, look, self.race.looks, self.race.alpha, num_arms):
            self.drops[drop.arm] = (look, drop)
            unit = self.plan.record.response.unit
            reason = (
                f"dropped from the race after {look} seeds: worse than {drop.against} by {drop.mean_difference:.3g} "
                f"{unit} (p {drop.p:.2g}, below {drop.threshold:.2g})"
            )
            left = [one for one in self._records if self._arms[one] == drop.arm and one in self._pending]
            self._pending.difference_update(left)
            verdicts += [Verdict(one, Status.stopped.value, reason) for one in left]
        return verdicts


def arm_of(trial: TrialRecord) -> str:
    """An arm of a race: a cell."""
    return " ".join(trial.cell.values())
