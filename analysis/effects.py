"""Effects of the factors on the responses: paired differences with t intervals, adjusted p values and a verdict."""

import itertools
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from analysis.glossary import number, response_unit, with_unit
from analysis.intervals import Interval, benjamini_hochberg, holm, p_value, t_interval
from analysis.load import Sweep
from analysis.pairing import BlockDifferences, Contrast, block_differences, interaction_contrasts, main_contrasts
from mflab.design import pairs_needed

ALPHA = 0.05
DISTINGUISHABLE, EQUIVALENT, UNDECIDED = "distinguishable", "equivalent", "undecided"
NO_SPREAD = "seeds change nothing here: no interval"


@dataclass(frozen=True)
class Effect:
    """One contrast on one response.

    Attributes:
        factor: factor name, or two joined by " × ".
        kind: main or interaction.
        contrast: the levels compared, "b − a".
        level, reference: b and a; None for interactions.
        estimate, low, high: mean difference over seed blocks and its 95 % t interval, in `unit`.
        low_90, high_90: 90 % t interval; inside plus-minus the smallest effect it shows equivalence (TOST at 5 %).
        n: number of seed blocks.
        sd: standard deviation of the block differences; 0 when all are the same number: then no interval, no p value.
        family: confirmatory (Holm) for main effects on the declared response, else exploratory (Benjamini-Hochberg).
        verdict: sentence that opens with verdict_kind: distinguishable, equivalent or undecided.
        seeds_needed: seed blocks that would find the smallest effect at the observed SD (80 % power); None unknown.
        pairs_used, pairs_planned: complete pairs behind the estimate.
    """

    factor: str
    kind: str
    contrast: str
    level: str | None
    reference: str | None
    response: str
    estimate: float | None
    low: float | None
    high: float | None
    low_90: float | None
    high_90: float | None
    n: int
    unit: str
    sd: float | None
    p_value: float | None
    p_adjusted: float | None
    family: str
    verdict_kind: str
    verdict: str
    seeds_needed: int | None
    pairs_used: int
    pairs_planned: int
    seeds: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def all_effects(sweep: Sweep) -> tuple[Effect, ...]:
    """Main effects and two-way interactions on every response, the declared response first."""
    done, planned = sweep.done.copy(), planned_table(sweep)
    done.attrs["factors"] = planned.attrs["factors"] = list(sweep.factor_names)
    effects = []
    for response in sweep.responses:
        for kind, contrast in sweep_contrasts(sweep):
            differences = block_differences(done, planned, response, contrast)
            # A contrast that was never planned (interactions of a one-factor design) is no question of this sweep.
            if differences.num_planned:
                effects.append(_estimate(sweep, response, kind, contrast, differences))
    return tuple(_verdict(sweep, effect) for effect in _adjust(effects))


def planned_table(sweep: Sweep) -> pd.DataFrame:
    """All planned trials with columns trial_id, seed and the factors."""
    return pd.DataFrame(
        {
            "trial_id": [trial.trial_id for trial in sweep.plan.trials],
            "seed": [trial.seed for trial in sweep.plan.trials],
            **{name: [trial.cell[name] for trial in sweep.plan.trials] for name in sweep.factor_names},
        }
    )


def sweep_contrasts(sweep: Sweep) -> list[tuple[str, Contrast]]:
    """All contrasts of a sweep with their kind, main effects before interactions."""
    factors = sweep.plan.factors
    contrasts = [("main", c) for factor in factors for c in main_contrasts(factor.name, factor.level_names)]
    for a, b in itertools.combinations(factors, 2):
        pairs = interaction_contrasts(a.name, a.level_names, b.name, b.level_names)
        contrasts += [("interaction", contrast) for contrast in pairs]
    return contrasts


def _estimate(sweep: Sweep, response: str, kind: str, contrast: Contrast, differences: BlockDifferences) -> Effect:
    values = differences.values
    interval = t_interval(values) if values else Interval(float("nan"), None, None, 0, None)
    narrow = t_interval(values, 0.90) if values else interval
    sides = [levels[0] for levels in contrast.weights] if kind == "main" else [None, None]
    is_confirmatory = kind == "main" and response == sweep.response
    return Effect(
        factor=" × ".join(contrast.factors),
        kind=kind,
        contrast=contrast.name,
        level=sides[0],
        reference=sides[1],
        response=response,
        estimate=interval.mean if values else None,
        low=interval.low,
        high=interval.high,
        low_90=narrow.low,
        high_90=narrow.high,
        n=interval.n,
        unit=response_unit(response, sweep.plan),
        sd=interval.sd,
        p_value=p_value(values) if values else None,
        p_adjusted=None,
        family="confirmatory" if is_confirmatory else "exploratory",
        verdict_kind=UNDECIDED,
        verdict="",
        seeds_needed=None,
        pairs_used=differences.num_used,
        pairs_planned=differences.num_planned,
        seeds=differences.seeds,
    )


def _adjust(effects: list[Effect]) -> list[Effect]:
    """The effects with p values adjusted within their family; effects without p value stay outside it."""
    adjusted = list(effects)
    for family, method in (("confirmatory", holm), ("exploratory", benjamini_hochberg)):
        members = [(index, p) for index, e in enumerate(effects) if e.family == family and (p := e.p_value) is not None]
        for (index, _), p in zip(members, method([p for _, p in members]), strict=True):
            adjusted[index] = replace(effects[index], p_adjusted=p)
    return adjusted


def _verdict(sweep: Sweep, effect: Effect) -> Effect:
    smallest = sweep.plan.response.smallest_effect if effect.response == sweep.response else None
    needed = None
    if smallest is not None and effect.sd:
        needed = pairs_needed(smallest / effect.sd)
    kind, text = _judge(effect, smallest, needed)
    return replace(effect, verdict_kind=kind, verdict=f"{kind}: {text}", seeds_needed=needed)


def _judge(effect: Effect, smallest: float | None, needed: int | None) -> tuple[str, str]:
    unit = effect.unit
    if effect.estimate is None:
        return UNDECIDED, "no complete pair is done"
    if effect.sd == 0:
        return UNDECIDED, NO_SPREAD
    if effect.low_90 is None or effect.high_90 is None or effect.p_adjusted is None:
        return UNDECIDED, "one seed"
    is_small = smallest is not None and -smallest < effect.low_90 and effect.high_90 < smallest
    bound = with_unit(f"±{number(smallest, unit)}", unit)
    if effect.p_adjusted < ALPHA:
        size = with_unit(number(abs(effect.estimate), unit), unit)
        text = f"{_higher_side(effect)} by {size}"
        return DISTINGUISHABLE, f"{text}, though within {bound}" if is_small else text
    if is_small:
        return EQUIVALENT, f"within {bound}"
    if effect.p_value is not None and effect.p_value < ALPHA:
        method = "Holm" if effect.family == "confirmatory" else "Benjamini-Hochberg"
        return UNDECIDED, f"the interval excludes zero, but not after {method} adjustment"
    if needed is None:
        return UNDECIDED, "no smallest effect declared"
    if needed <= effect.n:
        return UNDECIDED, f"{effect.n} seeds would usually suffice, but the interval still crosses both answers"
    return UNDECIDED, f"about n={needed} seeds needed to find {with_unit(number(smallest, unit), unit)}"


def _higher_side(effect: Effect) -> str:
    is_positive = effect.estimate is not None and effect.estimate > 0
    if effect.kind == "interaction":
        return f"difference of differences {'positive' if is_positive else 'negative'}"
    return f"{effect.level if is_positive else effect.reference} higher"
