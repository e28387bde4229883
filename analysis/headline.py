"""The answer in sentences, one per factor, and the chips of the verdict box."""

from analysis.blocks import Tone
from analysis.findings import Findings
from analysis.glossary import counted, number, p_relation, with_unit, words
from analysis.headline_factor import factor_sentences, interaction_sentences
from analysis.headline_search import Chip, search_chips, search_headline
from analysis.intervals import Interval
from analysis.verdicts import DISTINGUISHABLE, EQUIVALENT, UNDECIDED
from mflab.design import mde, pairs_needed
from mflab.errors import MflabError

TONES: dict[str, Tone] = {DISTINGUISHABLE: "good", EQUIVALENT: "neutral", UNDECIDED: "warn"}


def chips(findings: Findings) -> list[Chip]:
    """One chip per factor: distinguishable if any pair of its levels is, equivalent only if all are.

    A search has no verdict, only a count of its suggestions.
    """
    if findings.sweep.is_search:
        return search_chips(findings)
    found = []
    for factor in findings.sweep.factor_names:
        kinds = {effect.verdict_kind for effect in findings.declared if effect.factor == factor}
        verdict = DISTINGUISHABLE if DISTINGUISHABLE in kinds else EQUIVALENT if kinds == {EQUIVALENT} else UNDECIDED
        found.append(Chip(factor, verdict, TONES[verdict]))
    return found


def headline(findings: Findings) -> list[str]:
    """Sentences of the answer: every factor, then the best arm beside the baselines; of a search, the best it found."""
    if findings.sweep.is_search:
        return search_headline(findings)
    sentences = [text for factor in findings.sweep.factor_names for text in factor_sentences(findings, factor)]
    sentences += interaction_sentences(findings)
    is_estimated = any(effect.estimate is not None for effect in findings.declared)
    if is_estimated and not any(effect.verdict_kind == DISTINGUISHABLE for effect in findings.declared):
        sentences[:0] = ["No factor made a distinguishable difference with this many seeds.", *_power(findings)]
    return [*_race_sentence(findings), *sentences, *_best_sentences(findings)]


def _race_sentence(findings: Findings) -> list[str]:
    """How a race stands; nothing for another sweep."""
    race, num_seeds = findings.race, len(findings.sweep.plan.design.seeds)
    if race is None:
        return []
    if not race.drops:
        return [f"Race: {counted(len(race.looks), 'look')} so far dropped no arm."]
    gone = [
        f"{arm} after {seeds} of {num_seeds} seeds (against {drop.against}, p {p_relation(drop.p)})"
        for arm, (seeds, drop) in race.drops.items()
    ]
    left = f"{words(race.survivors)} {'remains' if len(race.survivors) == 1 else 'remain'}"
    return [f"Race: dropped {words(gone)}; {left}."]


def _power(findings: Findings) -> list[str]:
    """What these seeds could have found at the family's largest SD, and how many the smallest effect needs."""
    spread = [(effect.sd, effect.n) for effect in findings.declared if effect.sd and not effect.dropped]
    if not spread:
        return []
    sd, n = max(spread)
    response = findings.sweep.plan.response
    found, smallest = mde(n) * sd, response.smallest_effect
    text = (
        f"With {n} seeds an effect of {with_unit(number(found, response.unit), response.unit)} would have been found "
        f"with 80 % power (before adjustment; largest SD of the paired differences "
        f"{with_unit(number(sd, response.unit), response.unit)})"
    )
    if smallest is None:
        return [f"{text}."]
    asked = with_unit(number(smallest, response.unit), response.unit)
    if found <= smallest:
        return [f"{text}, enough for the smallest effect of interest, {asked}."]
    return [f"{text}; for {asked} about {pairs_needed(smallest / sd)} seeds are needed."]


def _best_sentences(findings: Findings) -> list[str]:
    best = findings.best_arm
    if best is None:
        return [f"{findings.sweep.why_empty}, so there is no answer."]
    arm, interval = best
    plan = findings.sweep.plan
    unit = plan.response.unit
    mean = with_unit(number(interval.mean, unit), unit)
    sentence = f"Best arm: {arm} with {plan.response.name} {mean} ({_spread(interval, unit)})"
    try:
        beside = [f"{name} {number(value, unit)}" for name, value in findings.baselines.items()]
    except MflabError as error:
        return [f"{sentence}.", f"Baselines are missing: {error}"]
    return [f"{sentence}; baselines: {', '.join(beside)}." if beside else f"{sentence}."]


def _spread(interval: Interval, unit: str) -> str:
    if interval.is_identical:
        return f"n = {interval.n} identical, no interval"
    if interval.low is None:
        return f"n = {interval.n}, no interval"
    return f"95 % interval {number(interval.low, unit)} to {number(interval.high, unit)}, n = {interval.n} seeds"
