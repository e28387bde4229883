"""Everything computed for one report, each part once and when first asked for."""

from functools import cached_property

import pandas as pd

from analysis.curves import CurvePoint, arm_curves
from analysis.effects import Effect, all_effects
from analysis.intervals import Interval, t_interval
from analysis.load import Sweep
from analysis.palette import ArmStyle, arm_styles
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
    def styles(self) -> dict[str, ArmStyle]:
        return arm_styles(self.sweep)

    @property
    def best_arm(self) -> tuple[str, Interval] | None:
        """The arm with the best mean of the declared response."""
        cells = self.cells[self.sweep.response]
        if not cells:
            return None
        pick = max if self.sweep.plan.response.direction is Direction.higher else min
        arm = pick(cells, key=lambda label: cells[label].mean)
        return arm, cells[arm]

    @cached_property
    def left_out(self) -> pd.DataFrame:
        """Trials that enter no effect: everything that is not done."""
        return self.sweep.trials[self.sweep.trials["status"] != "done"]
