"""What the headline says of a factor: a sentence per pair of levels, or their sum where there are many."""

from collections import Counter
from collections.abc import Sequence

from analysis.findings import Findings
from analysis.glossary import counted, number, p_relation, signed_unit, with_unit, words
from analysis.verdicts import DISTINGUISHABLE, EQUIVALENT, NO_SPREAD, UNDECIDED, Effect
from mflab.results import Direction

# More sentences of one factor hide the answer instead of giving it: then they are counted.
MOST_SENTENCES = 6


def factor_sentences(findings: Findings, factor: str) -> list[str]:
    """Verdicts on the pairs of a factor's levels; one sentence of summary where there would be many."""
    effects = [effect for effect in findings.declared if effect.factor == factor]
    sentences = _pair_sentences(findings, factor, effects)
    return sentences if len(sentences) <= MOST_SENTENCES else [_summary(findings, factor, effects)]


def interaction_sentences(findings: Findings) -> list[str]:
    """The distinguishable interactions; one sentence of summary where there are many."""
    strong = [effect for effect in findings.interactions if effect.verdict_kind == DISTINGUISHABLE]
    if len(strong) <= MOST_SENTENCES:
        return [
            f"The factors interact: {effect.contrast} is {signed_unit(effect.estimate, effect.unit)} "
            f"({interval_words(effect)}), so each main effect is an average over the levels of the other factor."
            for effect in strong
        ]
    largest = max(strong, key=lambda effect: abs(effect.estimate or 0.0))
    return [
        f"The factors interact: {len(strong)} of {counted(len(findings.interactions), 'contrast')} are distinguishable "
        f"(card Effects), most {largest.contrast} with {signed_unit(largest.estimate, largest.unit)}, so each main "
        "effect is an average over the levels of the other factor."
    ]


def _summary(findings: Findings, factor: str, effects: Sequence[Effect]) -> str:
    """The best level of a factor and how many of its pairs, and of all, have which verdict."""
    best = _best_level(findings, factor, effects)
    whole = (
        f"of all {counted(len(effects), 'pair')} of levels {_counts(effects)}{_small(findings, effects)} (card Effects)"
    )
    if best is None:
        return f"{factor}: {whole}."
    own = [effect for effect in effects if best in (effect.level, effect.reference)]
    reference = effects[0].reference
    size = next((e.estimate for e in own if (e.level, e.reference) == (best, reference)), None)
    against = "" if size is None else f" ({signed_unit(size, effects[0].unit)} against {reference}, the reference)"
    is_alone = len(findings.sweep.factor_names) == 1
    mean = "has the best mean" if is_alone else "is estimated best"
    gone = sorted({arm for effect in own for arm in effect.dropped})
    left = (
        f" {words(gone)} left the race, so sizes against {'it' if len(gone) == 1 else 'them'} are overstated."
        if gone
        else ""
    )
    return f"{factor}: {best} {mean}{against}; of its {counted(len(own), 'pair')} {_counts(own)}, {whole}.{left}"


def _small(findings: Findings, effects: Sequence[Effect]) -> str:
    """How many distinguishable effects are smaller than what is of interest; empty for none."""
    smallest, unit = findings.sweep.plan.response.smallest_effect, findings.sweep.plan.response.unit
    found = [abs(effect.estimate or 0.0) for effect in effects if effect.verdict_kind == DISTINGUISHABLE]
    if smallest is None or not any(size < smallest for size in found):
        return ""
    number_small = sum(size < smallest for size in found)
    which = "all" if number_small == len(found) else f"{number_small}"
    return f", {which} of the distinguishable by less than {with_unit(number(smallest, unit), unit)}"


def _counts(effects: Sequence[Effect]) -> str:
    counts = Counter(effect.verdict_kind for effect in effects)
    kinds = [kind for kind in (DISTINGUISHABLE, EQUIVALENT, UNDECIDED) if counts[kind]]
    return words([f"{counts[kind]} {'is' if counts[kind] == 1 else 'are'} {kind}" for kind in kinds])


def _best_level(findings: Findings, factor: str, effects: Sequence[Effect]) -> str | None:
    """The level of the best arm, or with several factors the one with the best estimate against the reference."""
    if len(findings.sweep.factor_names) == 1:
        arms = {arm.label: arm.cell[factor] for arm in findings.sweep.arms}
        return None if findings.best_arm is None else arms[findings.best_arm[0]]
    gone = findings.race.drops if findings.race is not None else {}
    alive = {arm.cell[factor] for arm in findings.sweep.arms if arm.label not in gone}
    reference = effects[0].reference
    known = {reference: 0.0} | {e.level: e.estimate for e in effects if e.reference == reference}
    sign = 1.0 if findings.sweep.plan.response.direction is Direction.higher else -1.0
    own = {level: sign * size for level, size in known.items() if size is not None and level in alive}
    return max(own, key=lambda level: own[level], default=None)


def _pair_sentences(findings: Findings, factor: str, effects: Sequence[Effect]) -> list[str]:
    by_kind = {
        kind: [e for e in effects if e.verdict_kind == kind] for kind in (DISTINGUISHABLE, EQUIVALENT, UNDECIDED)
    }
    sentences = [_distinguishable(findings, effect) for effect in by_kind[DISTINGUISHABLE]]
    sentences += [
        f"{e.factor}: {e.level} and {e.reference} are {e.verdict} (90 % interval {number(e.low_90, e.unit)} to "
        f"{number(e.high_90, e.unit)}, n = {e.n} seeds)."
        for e in by_kind[EQUIVALENT]
    ]
    undecided = by_kind[UNDECIDED]
    if len(undecided) <= 2:
        return sentences + [_undecided(effect) for effect in undecided]
    if all(effect.sd == 0 for effect in undecided):
        return [*sentences, f"{factor}: {len(undecided)} of {len(effects)} pairs of levels are undecided: {NO_SPREAD}."]
    needed = sorted(effect.seeds_needed for effect in undecided if effect.seeds_needed is not None)
    seeds = ""
    if needed:
        span = f"{needed[0]}" if needed[0] == needed[-1] else f"{needed[0]} to {needed[-1]}"
        seeds = f"; {span} seeds would find the smallest effect of interest"
    return [*sentences, f"{factor}: {len(undecided)} of {len(effects)} pairs of levels are undecided{seeds}."]


def _distinguishable(findings: Findings, effect: Effect) -> str:
    is_up = (effect.estimate or 0.0) > 0
    is_better = is_up == (findings.sweep.plan.response.direction is Direction.higher)
    smallest = findings.sweep.plan.response.smallest_effect
    is_small = smallest is not None and abs(effect.estimate or 0.0) < smallest
    small = " That is less than the smallest effect of interest." if is_small else ""
    size = with_unit(number(abs(effect.estimate or 0.0), effect.unit), effect.unit)
    if effect.dropped:
        small += f" {words(effect.dropped)} left the race for this, so the size is overstated."
    return (
        f"{effect.factor}: {effect.level} is {'better' if is_better else 'worse'} than {effect.reference} by {size} "
        f"({interval_words(effect)}, Holm-adjusted p {p_relation(effect.p_adjusted)}).{small}"
    )


def _undecided(effect: Effect) -> str:
    what = f"{effect.factor}: {effect.level} against {effect.reference} is {effect.verdict}"
    if effect.estimate is None:
        return what + "."
    return f"{what} (estimate {signed_unit(effect.estimate, effect.unit)}, {interval_words(effect)})."


def interval_words(effect: Effect) -> str:
    """The 95 % interval of an effect and its seeds."""
    if effect.low is None:
        return f"n = {effect.n}, no interval"
    return (
        f"95 % interval {number(effect.low, effect.unit)} to {number(effect.high, effect.unit)}, n = {effect.n} seeds"
    )
