"""Power of the paired t test: what a number of seed blocks can detect, and how many an effect needs."""

import math
from bisect import bisect_left

from scipy import special

from mflab.errors import MflabError

POWER = 0.8
ALPHA = 0.05
# Step of the search for the smallest effect, in standard deviations.
RESOLUTION = 1e-9


def paired_power(effect: float, num_pairs: int, alpha: float = ALPHA) -> float:
    """Probability that a two-sided paired t test finds a true difference.

    Args:
        effect: true mean difference in standard deviations of the paired difference.
        num_pairs: number of pairs, at least 2.
        alpha: two-sided error rate.

    Example:
        >>> round(paired_power(1.0, 10), 3)
        0.803
    """
    if num_pairs < 2:
        raise MflabError(f"A paired test needs at least 2 pairs, but got num_pairs={num_pairs}; add seeds.")
    freedom = num_pairs - 1
    critical = float(special.stdtrit(freedom, 1 - alpha / 2))
    shift = abs(effect) * math.sqrt(num_pairs)
    wrong_tail = float(special.nctdtr(freedom, shift, -critical)) if shift < 10 else 0.0
    # From a shift of about 5 on the wrong tail holds next to nothing, and its value may be no number.
    return 1.0 - float(special.nctdtr(freedom, shift, critical)) + (0.0 if math.isnan(wrong_tail) else wrong_tail)


def mde(num_pairs: int, power: float = POWER, alpha: float = ALPHA) -> float:
    """Minimal detectable effect of `num_pairs` pairs, in standard deviations of the paired difference.

    Example:
        >>> [round(mde(n), 2) for n in (5, 8, 16)]
        [1.68, 1.16, 0.75]
    """
    if num_pairs < 2:
        raise MflabError(f"A paired test needs at least 2 pairs, but got num_pairs={num_pairs}; add seeds.")
    if not alpha < power < 1.0:
        raise MflabError(f"power must lie between alpha and 1, but got power={power:g}, alpha={alpha:g}; raise power.")
    upper = 1.0
    while paired_power(upper, num_pairs, alpha) < power:
        upper *= 1.5
    places = range(math.ceil(upper / RESOLUTION) + 1)
    return RESOLUTION * bisect_left(places, power, key=lambda place: paired_power(place * RESOLUTION, num_pairs, alpha))


def pairs_needed(effect: float, power: float = POWER, alpha: float = ALPHA) -> int:
    """Smallest number of pairs whose minimal detectable effect is at most `effect`.

    Args:
        effect: mean difference in standard deviations of the paired difference, not zero.
        power: probability of finding it.
        alpha: two-sided error rate.

    Example:
        >>> pairs_needed(1.69), pairs_needed(0.75), pairs_needed(0.1)
        (5, 16, 787)
    """
    if not effect or not math.isfinite(effect):
        raise MflabError(f"effect must be finite and not zero, but got effect={effect}; declare a smallest effect.")
    # The normal approximation is always too small, by about z^2 / 2 = 2 pairs, so the exact answer is a few steps up.
    z = float(special.ndtri(1 - alpha / 2) + special.ndtri(power))
    num_pairs = max(2, math.ceil((z / effect) ** 2))
    while paired_power(effect, num_pairs, alpha) < power:
        num_pairs += 1
    return num_pairs
