"""An effect as the report shows it, and its verdict."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from analysis.glossary import number, with_unit
from analysis.load import Sweep
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
        dropped: arms in it that a race dropped: their seeds end where they looked bad, so the estimate is biased.
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
    dropped: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def judged(sweep: Sweep, effect: Effect) -> Effect:
    """The effect with its verdict, and the seeds that would find the smallest effect of interest."""
    smallest = sweep.plan.response.smallest_effect if effect.response == sweep.response else None
    needed = None
    # More seeds for an arm that left the race are no question any more.
    if smallest is not None and effect.sd and not effect.dropped:
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
    if is_small and effect.dropped:
        return UNDECIDED, "a dropped arm's seeds were chosen by how it looked, so its interval shows no equivalence"
    if is_small:
        return EQUIVALENT, f"within {bound}"
    if effect.p_value is not None and effect.p_value < ALPHA:
        method = "Holm" if effect.family == "confirmatory" else "Benjamini-Hochberg"
        return UNDECIDED, f"the interval excludes zero, but not after {method} adjustment"
    if effect.dropped:
        return UNDECIDED, "dropped from the race"
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
