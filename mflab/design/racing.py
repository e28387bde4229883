"""Racing: dropping arms that paired seeds have shown to be worse, by a rule fixed before the start."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from mflab.errors import MflabError


@dataclass
class RaceCfg:
    """When arms are compared and how often that may go wrong.

    Attributes:
        looks: numbers of completed seeds at which the arms are compared; empty means no race.
        alpha: largest probability that the best arm is ever dropped.
    """

    looks: list[int] = field(default_factory=list)
    alpha: float = 0.05


@dataclass(frozen=True)
class Drop:
    """An arm that leaves the race and why.

    Attributes:
        arm: who leaves.
        against: the leader that beat it.
        p: of the one-sided paired test.
        threshold: what p stayed below.
        mean_difference: how much better the leader is, on average over the common seeds.
        n: number of common seeds.
    """

    arm: str
    against: str
    p: float
    threshold: float
    mean_difference: float
    n: int


def check_race(race: RaceCfg, num_seeds: int) -> None:
    """Refuses a race that cannot be run with so many seeds.

    Raises:
        MflabError: looks that do not rise, that compare fewer than two seeds, or after which no seed is left to save.
    """
    if not 0 < race.alpha < 1:
        raise MflabError(f"The error rate of a race must lie between 0 and 1, but got alpha={race.alpha}.")
    if any(later <= earlier for earlier, later in zip(race.looks, race.looks[1:], strict=False)):
        raise MflabError(f"The looks of a race must rise, but got looks={race.looks}; sort them and drop repeats.")
    if race.looks and num_seeds < 3:
        raise MflabError(
            f"A race must have at least 3 seeds, two to look at and one to save, but got {num_seeds}; set sweep.seeds."
        )
    if race.looks and (race.looks[0] < 2 or race.looks[-1] >= num_seeds):
        raise MflabError(
            f"The looks of a race must lie from 2 to {num_seeds - 1}, since there are {num_seeds} seeds, but got "
            f"looks={race.looks}; a look at the last seed saves nothing."
        )


def race_threshold(num_looks: int, num_arms: int, alpha: float) -> float:
    """What a p-value must stay below for an arm to be dropped.

    Example:
        >>> race_threshold(num_looks=2, num_arms=6, alpha=0.05)
        0.005
    """
    return alpha / (num_looks * (num_arms - 1))


def race_decision(
    values: Mapping[str, Mapping[int, float]],
    direction: str,
    look: int,
    looks: Sequence[int],
    alpha: float,
    num_arms: int,
) -> list[Drop]:
    """The arms to drop at a look, by name.

    Every surviving arm meets the leader, the arm with the best mean over the seeds that all have completed, in a
    one-sided paired t test, and is dropped if

        p < alpha / (num_looks * (num_arms - 1)).

    This bounds by `alpha` the probability that the best arm is ever dropped: to be dropped it must lose one of
    num_looks * (num_arms - 1) tests, against a given rival at a given look, in each of which its true difference is
    zero or in its favour, so that each goes wrong with at most the probability above, and the sum of them is alpha.
    Which rival leads, who was dropped before, and how the tests depend on each other does not matter, because the sum
    runs over all of them. It counts the arms at the start and all looks of the rule, and so must be fixed by then.
    Each test assumes that paired differences are near normal. Differences without any spread give no estimate of it:
    the test is then by signs, p = 2^-n, and p = 1 where they are zero. With fewer than 2 common seeds nothing is known
    and nothing dropped.

    Args:
        values: surviving arm -> seed -> response, of the first `look` seeds; a failed trial is left out.
        direction: higher or lower, the better one.
        look: number of seeds now completed, one of `looks`.
        looks: all looks of the race.
        alpha: largest probability that the best arm is ever dropped.
        num_arms: arms at the start of the race.

    Raises:
        MflabError: a look that was not declared, more seeds than it looks at, more arms than at the start, a value
            that is not finite, or an unknown direction.

    Example:
        >>> good = {0: 20.1, 1: 21.0, 2: 19.4, 3: 20.6}
        >>> alike = {seed: value - 0.1 * seed for seed, value in good.items()}
        >>> values = {"good": good, "alike": alike, "bad": {0: 18.0, 1: 19.1, 2: 17.2, 3: 18.6}}
        >>> [(drop.arm, drop.against, round(drop.mean_difference, 2)) for drop in
        ...  race_decision(values, "higher", look=4, looks=[4, 6], alpha=0.05, num_arms=3)]
        [('bad', 'good', 2.05)]
    """
    _check(values, direction, look, looks, num_arms)
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in values.values()))) if values else []
    if len(seeds) < 2 or len(values) < 2:
        return []
    sign = 1.0 if direction == "higher" else -1.0
    scores = {arm: sign * np.array([values[arm][seed] for seed in seeds]) for arm in sorted(values)}
    leader = max(scores, key=lambda arm: math.fsum(scores[arm]))
    threshold = race_threshold(len(looks), num_arms, alpha)
    drops = []
    for arm, own in scores.items():
        if arm == leader:
            continue
        p = _paired_p(scores[leader], own)
        if p < threshold:
            difference = math.fsum(scores[leader] - own) / len(seeds)
            drops.append(Drop(arm, leader, p, threshold, difference, len(seeds)))
    return drops


def _paired_p(better: np.ndarray, worse: np.ndarray) -> float:
    """p-value of `better` being no better, by a one-sided paired t test."""
    differences = better - worse
    scale = float(np.abs([better, worse]).max())
    # What subtraction rounds off is no spread.
    if float(np.ptp(differences)) <= 1e-12 * scale:
        return 0.5 ** len(differences) if float(differences.mean()) > 1e-12 * scale else 1.0
    statistic = differences.mean() / (differences.std(ddof=1) / math.sqrt(len(differences)))
    return float(special.stdtr(len(differences) - 1, -statistic))


def _check(
    values: Mapping[str, Mapping[int, float]], direction: str, look: int, looks: Sequence[int], num_arms: int
) -> None:
    if direction not in ("higher", "lower"):
        raise MflabError(f"Unknown direction {direction!r} of a race; choose higher or lower.")
    if look not in looks:
        raise MflabError(f"A race may look only where its rule says, at {list(looks)}, but got look={look}.")
    if len(values) > num_arms:
        raise MflabError(f"A race has at most the {num_arms} arms it started with, but got {len(values)}.")
    for arm, by_seed in values.items():
        if len(by_seed) > look:
            raise MflabError(f"A look at {look} seeds must not see more, but {arm} has {len(by_seed)}; pass the first.")
        for seed, value in by_seed.items():
            if not math.isfinite(value):
                raise MflabError(
                    f"A response in a race must be finite, but {arm} has {value} at seed {seed}; leave it out."
                )
