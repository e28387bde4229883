"""Effects of the factors on the responses: paired differences with t intervals, adjusted p values and a verdict."""

import itertools
from dataclasses import replace

import pandas as pd

from analysis.glossary import response_unit
from analysis.intervals import Interval, benjamini_hochberg, holm, p_value, t_interval
from analysis.load import Sweep
from analysis.pairing import BlockDifferences, Contrast, block_differences, interaction_contrasts, main_contrasts
from analysis.race import Race, replay_race
from analysis.verdicts import UNDECIDED, Effect, judged


def all_effects(sweep: Sweep) -> tuple[Effect, ...]:
    """Main effects and two-way interactions on every response, the declared response first.

    In a race every p value is multiplied by the number of looks, the end included, before it is adjusted: which seeds
    an arm has depends on what was seen, and a Bonferroni factor holds for any of these stopping points.
    """
    race = replay_race(sweep)
    done, planned = sweep.done.copy(), planned_table(sweep)
    done.attrs["factors"] = planned.attrs["factors"] = list(sweep.factor_names)
    effects = []
    for response in sweep.responses:
        for kind, contrast in sweep_contrasts(sweep):
            differences = block_differences(done, planned, response, contrast)
            # A contrast that was never planned (interactions of a one-factor design) is no question of this sweep.
            if differences.num_planned:
                effects.append(_estimate(sweep, response, kind, contrast, differences, race))
    return tuple(judged(sweep, effect) for effect in _adjust(effects))


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


def _dropped(sweep: Sweep, contrast: Contrast, race: Race | None) -> tuple[str, ...]:
    """Dropped arms that a contrast compares."""
    if race is None:
        return ()
    return tuple(
        arm.label
        for arm in sweep.arms
        if arm.label in race.drops and tuple(arm.cell[name] for name in contrast.factors) in contrast.weights
    )


def _estimate(
    sweep: Sweep, response: str, kind: str, contrast: Contrast, differences: BlockDifferences, race: Race | None
) -> Effect:
    values = differences.values
    interval = t_interval(values) if values else Interval(float("nan"), None, None, 0, None)
    narrow = t_interval(values, 0.90) if values else interval
    sides = [levels[0] for levels in contrast.weights] if kind == "main" else [None, None]
    is_confirmatory = kind == "main" and response == sweep.response
    p = p_value(values) if values else None
    num_looks = 1 if sweep.plan.race is None else len(sweep.plan.race["looks"]) + 1
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
        p_value=p if p is None else min(1.0, num_looks * p),
        p_adjusted=None,
        family="confirmatory" if is_confirmatory else "exploratory",
        verdict_kind=UNDECIDED,
        verdict="",
        seeds_needed=None,
        pairs_used=differences.num_used,
        pairs_planned=differences.num_planned,
        seeds=differences.seeds,
        dropped=_dropped(sweep, contrast, race),
    )


def _adjust(effects: list[Effect]) -> list[Effect]:
    """The effects with p values adjusted within their family; effects without p value stay outside it."""
    adjusted = list(effects)
    for family, method in (("confirmatory", holm), ("exploratory", benjamini_hochberg)):
        members = [(index, p) for index, e in enumerate(effects) if e.family == family and (p := e.p_value) is not None]
        for (index, _), p in zip(members, method([p for _, p in members]), strict=True):
            adjusted[index] = replace(effects[index], p_adjusted=p)
    return adjusted
