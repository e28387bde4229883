"""Everything computed for one report, each part once and when first asked for."""

from functools import cached_property

import pandas as pd

from analysis.curves import CurvePoint, arm_curves
from analysis.effects import all_effects
from analysis.intervals import Interval, t_interval
from analysis.load import Sweep
from analysis.palette import ArmStyle, arm_styles
from analysis.race import Race, replay_race
from analysis.run_advice import Advice, next_experiment
from analysis.run_numbers import run_numbers
from analysis.run_verdict import ArmVerdict, RunVerdict, judge_arms, judge_run
from analysis.search import Suggestion, objectives, pareto_front, ranked, read_suggestions
from analysis.verdict_limits import read_limits
from analysis.verdicts import EQUIVALENT, Effect
from mflab.results import Direction


class Findings:
    """The numbers behind the cards of one sweep."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep

    @cached_property
    def effects(self) -> tuple[Effect, ...]:
        return all_effects(self.sweep)

    @property
    def declared(self) -> tuple[Effect, ...]:
        """Main effects on the declared response: the confirmatory family."""
        return tuple(effect for effect in self.effects if effect.family == "confirmatory")

    @property
    def interactions(self) -> tuple[Effect, ...]:
        """Interactions on the declared response."""
        return tuple(e for e in self.effects if e.kind == "interaction" and e.response == self.sweep.response)

    @cached_property
    def race(self) -> Race | None:
        """The course of a race; None without one."""
        return replay_race(self.sweep)

    @cached_property
    def suggestions(self) -> list[Suggestion]:
        """What a search tried, by number."""
        return read_suggestions(self.sweep)

    @cached_property
    def best_suggestions(self) -> list[Suggestion]:
        """Finished suggestions by the declared response, best first."""
        return ranked(self.suggestions, self.sweep.response, self.sweep.plan.response.direction)

    @cached_property
    def front(self) -> list[Suggestion]:
        """Suggestions that no other one beats in every objective of a search."""
        return pareto_front(self.suggestions, objectives(self.sweep))

    @cached_property
    def cells(self) -> dict[str, dict[str, Interval]]:
        """Response -> arm -> mean over seeds with its interval; arms without a done trial are absent."""
        done = self.sweep.done
        cells: dict[str, dict[str, Interval]] = {}
        for response in self.sweep.responses:
            cells[response] = {}
            for arm in self.sweep.arms:
                values = [float(v) for v in done[(done["arm"] == arm.label)][response] if abs(float(v)) < float("inf")]
                if values:
                    cells[response][arm.label] = t_interval(values)
        return cells

    @cached_property
    def baselines(self) -> dict[str, float]:
        return self.sweep.baseline_levels(self.sweep.response)

    @cached_property
    def curves(self) -> dict[str, list[CurvePoint]]:
        return arm_curves(self.sweep, self.sweep.response)

    @cached_property
    def run_verdicts(self) -> list[RunVerdict]:
        """The case of every run that ended by itself, in the order of the plan."""
        limits = read_limits()
        return [judge_run(run, limits) for run in run_numbers(self.sweep, limits)]

    @cached_property
    def arm_verdicts(self) -> list[ArmVerdict]:
        """The cases by arm, in the arms' order; of a search by suggestion."""
        places = {arm.label: place for place, arm in enumerate(self.sweep.arms)}
        found = judge_arms(self.run_verdicts)
        return found if self.sweep.is_search else sorted(found, key=lambda arm: places[arm.group])

    @property
    def settled(self) -> tuple[str, ...]:
        """Factors of which all pairs of levels are equivalent on the declared response."""
        kinds = {name: {e.verdict_kind for e in self.declared if e.factor == name} for name in self.sweep.factor_names}
        return tuple(name for name, found in kinds.items() if found == {EQUIVALENT})

    @cached_property
    def advice(self) -> dict[str, Advice]:
        """The next experiment that each verdict suggests, by trial."""
        records = self.sweep.records
        own = [(one, records[one.run.trial_id]) for one in self.run_verdicts]
        return {trial.trial_id: next_experiment(one, trial, self.sweep.plan, self.settled) for one, trial in own}

    @cached_property
    def styles(self) -> dict[str, ArmStyle]:
        return arm_styles(self.sweep)

    @property
    def best_arm(self) -> tuple[str, Interval] | None:
        """The arm with the best mean of the declared response; of a race, among the arms still in it."""
        cells = self.cells[self.sweep.response]
        if self.race is not None:
            cells = {arm: interval for arm, interval in cells.items() if arm not in self.race.drops}
        if not cells:
            return None
        pick = max if self.sweep.plan.response.direction is Direction.higher else min
        arm = pick(cells, key=lambda label: cells[label].mean)
        return arm, cells[arm]

    @cached_property
    def left_out(self) -> pd.DataFrame:
        """Trials that should be done and are not; those that a search or race stopped by its rule are no such."""
        trials = self.sweep.trials
        return trials[(trials["status"] != "done") & ~trials["trial_id"].isin(list(self.sweep.stopped_by_rule))]
