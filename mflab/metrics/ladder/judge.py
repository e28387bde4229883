"""Statistics of a ladder: monotone reaction, separation from clean sets, power at a bounded rate of false alarms.

All functions take plain numbers, oriented so that larger is worse.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

# A reaction with at least this rank correlation with the strength counts as monotone.
MONOTONE_RHO = 0.9
POWER, FALSE_ALARMS = 0.95, 0.05


def spearman(levels: Sequence[float], values: Sequence[float], repeatability: float = 0.0) -> float:
    """Returns Spearman's rank correlation; ties share their mean rank, 0 where one side does not vary.

    A value that is NaN, or fewer than two, makes it NaN.

    Args:
        levels: ascending.
        values: at each level.
        repeatability: a value no further than this from the one before ties with it, or with the first of the ties
            before it, so that small steps do not hide a long way.

    >>> round(spearman([0.0, 1.0, 2.0, 3.0], [0.0, 0.1, 0.4, 0.9]), 12)
    1.0
    >>> spearman([0.0, 1.0, 2.0], [0.5, 0.5, 0.5])
    0.0
    >>> ladder, measured = [0.0, 1.0, 2.0, 3.0], [0.1, 0.5, 0.9, 0.899]
    >>> round(spearman(ladder, measured), 2), round(spearman(ladder, measured, 0.005), 2)
    (0.8, 0.95)
    >>> round(spearman(ladder, [0.1, 0.104, 0.108, 0.112], 0.005), 2)
    0.89
    """
    if len(levels) < 2 or any(math.isnan(value) for value in values):
        return math.nan
    told = list(values)
    for place in range(1, len(told)):
        if abs(told[place] - told[place - 1]) <= repeatability:
            told[place] = told[place - 1]
    a, b = rankdata(levels), rankdata(told)
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread > 0 else 0.0


def area_under_curve(clean: Sequence[float], faulty: Sequence[float]) -> float | None:
    """Returns the share of pairs in which the faulty set is the worse one; ties count half. NaN is left out.

    It is the area under the receiver operating characteristic. None without a pair.

    >>> area_under_curve([0.0, 1.0], [1.0, 2.0])
    0.875
    """
    good, bad = _finite(clean), _finite(faulty)
    if not len(good) or not len(bad):
        return None
    difference = bad[:, None] - good[None, :]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def alarm_limit(null: Sequence[float], false_alarms: float = FALSE_ALARMS) -> float:
    """Returns the smallest observed value that at most that share of the null exceeds; NaN without any.

    >>> alarm_limit([float(value) for value in range(100)], 0.05)
    94.0
    >>> alarm_limit([1.0, 3.0], 0.05)
    3.0
    """
    values = np.sort(_finite(null))
    if not len(values):
        return math.nan
    allowed = math.floor(false_alarms * len(values) + 1e-9)
    return float(values[len(values) - 1 - allowed])


def share_beyond(values: Sequence[float], limit: float) -> float | None:
    """Returns the share of values that exceed the limit; a NaN exceeds nothing. None without any.

    >>> share_beyond([1.0, 2.0, float("nan"), 4.0], 1.5)
    0.5
    """
    return float(np.mean(np.asarray(values) > limit)) if len(values) else None


def smallest_strength(levels: Sequence[float], powers: Sequence[float | None], power: float = POWER) -> float | None:
    """Returns the lowest level from which on every level has at least that power; None if the highest has not.

    >>> smallest_strength([1.0, 2.0, 4.0], [0.2, 0.96, 1.0])
    2.0
    >>> smallest_strength([1.0, 2.0, 4.0], [0.96, 0.2, 1.0])
    4.0
    """
    found = None
    for level, reached in sorted(zip(levels, powers, strict=True), reverse=True):
        if reached is None or reached < power:
            break
        found = level
    return found


def mean(values: Sequence[float]) -> float | None:
    """Returns the mean of the finite values; None without any.

    >>> mean([1.0, float("nan"), 3.0])
    2.0
    """
    finite = _finite(values)
    return float(finite.mean()) if len(finite) else None


def _finite(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(list(values), dtype=np.float64)
    return array[np.isfinite(array)]
