"""Learning curves per arm with bands over seeds, and the step at which a curve reaches a level."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.intervals import Interval, t_interval
from analysis.load import Sweep, last_steps
from mflab.errors import MflabError
from mflab.results import Direction


@dataclass(frozen=True)
class CurvePoint:
    """Mean over seeds of a validated quantity at one step."""

    step: int
    interval: Interval


@dataclass(frozen=True)
class Reach:
    """Steps that the trials of an arm needed to reach a level; `interval` covers those that did (None if none)."""

    arm: str
    interval: Interval | None
    num_reached: int
    num_trials: int


def trial_curves(rows: pd.DataFrame) -> dict[tuple[str, int], list[tuple[int, float]]]:
    """(arm, seed) -> (step, mean over scenes and views), steps ascending; from `Sweep.validation` rows."""
    means = rows.groupby(["arm", "seed", "step"], sort=True, as_index=False)["value"].mean()
    curves: dict[tuple[str, int], list[tuple[int, float]]] = {}
    for arm, seed, step, value in zip(*(means[name] for name in ("arm", "seed", "step", "value")), strict=True):
        curves.setdefault((str(arm), int(seed)), []).append((int(step), float(value)))
    return curves


def arm_curves(sweep: Sweep, response: str) -> dict[str, list[CurvePoint]]:
    """Arm -> learning curve over its done trials; arms without a done trial are absent."""
    by_step: dict[str, dict[int, list[float]]] = {}
    for (arm, _), curve in trial_curves(sweep.validation(response)).items():
        for step, value in curve:
            by_step.setdefault(arm, {}).setdefault(step, []).append(value)
    return {
        arm.label: [CurvePoint(step, t_interval(values)) for step, values in sorted(by_step[arm.label].items())]
        for arm in sweep.arms
        if arm.label in by_step
    }


def first_crossing(curve: Sequence[tuple[int, float]], level: float, direction: Direction) -> float | None:
    """First step at which a curve is at or beyond `level`, interpolated linearly; None if it never is.

    Example:
        >>> first_crossing([(0, 1.0), (10, 3.0)], 2.5, Direction.higher)
        7.5
        >>> first_crossing([(0, 3.0), (10, 1.0)], 2.5, Direction.lower)
        2.5
    """
    sign = 1.0 if direction is Direction.higher else -1.0
    for place, (step, value) in enumerate(curve):
        if sign * value >= sign * level:
            if place == 0:
                return float(step)
            before, low = curve[place - 1]
            return before + (step - before) * (level - low) / (value - low)
    return None


def value_at(curve: Sequence[tuple[int, float]], step: float) -> float:
    """A curve's value between its validations, linearly; before the first one that one's value.

    Example:
        >>> value_at(((0, 1.0), (10, 3.0)), 7.5)
        2.5
    """
    before = max((point for point in curve if point[0] <= step), default=curve[0])
    after = min((point for point in curve if point[0] >= step), default=curve[-1])
    if after[0] <= before[0]:
        return before[1]
    return before[1] + (after[1] - before[1]) * (step - before[0]) / (after[0] - before[0])


def reach_level(sweep: Sweep) -> tuple[float, str]:
    """The level of the steps-to-reach table and how it was chosen: half way from the base to the best arm.

    Raises:
        MflabError: no done trial with validations.
    """
    rows = sweep.validation(sweep.response)
    if rows.empty:
        raise MflabError("No done trial has validations of the declared response, so there is no curve to draw.")
    final = last_steps(rows).groupby("arm")["value"].mean()
    best = float(final.max() if sweep.plan.response.direction is Direction.higher else final.min())
    baselines = sweep.baseline_levels(sweep.response)
    if "pretrained" in baselines:
        return (baselines["pretrained"] + best) / 2, "half way from the pretrained base to the best arm"
    start = float(rows[rows["step"] == rows["step"].min()]["value"].mean())
    return (start + best) / 2, "half way from the first validation to the best arm"


def steps_to_reach(sweep: Sweep, level: float) -> list[Reach]:
    """Per arm the steps its trials needed to reach `level` of the declared response."""
    curves = trial_curves(sweep.validation(sweep.response))
    table = []
    for arm in sweep.arms:
        own = [curve for (label, _), curve in curves.items() if label == arm.label]
        steps = [first_crossing(curve, level, sweep.plan.response.direction) for curve in own]
        reached = [step for step in steps if step is not None]
        if own:
            table.append(Reach(arm.label, t_interval(reached) if reached else None, len(reached), len(own)))
    return table
