"""Intervals and error rates: t interval of a mean, Holm and Benjamini-Hochberg adjustment."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from mflab.errors import MflabError

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its t interval; with one value, or several equal ones (`sd` 0), there is a mean but no interval."""

    mean: float
    low: float | None
    high: float | None
    n: int
    sd: float | None

    @property
    def half_width(self) -> float | None:
        return None if self.high is None else self.high - self.mean

    @property
    def is_identical(self) -> bool:
        """Whether several values are all the same number, so that they are no replicates."""
        return self.sd == 0


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Mean of independent values with its two-sided t interval; equal values carry no spread, hence no interval.

    Args:
        values: one value per seed (block), finite, at least one.
        confidence: coverage, in ]0, 1[.

    Example:
        >>> interval = t_interval([1.0, 2.0, 3.0])
        >>> round(interval.low, 3), interval.mean, round(interval.high, 3), interval.n
        (-0.484, 2.0, 4.484, 3)
    """
    if not values:
        raise MflabError("A mean needs at least one value, but got none; finish at least one trial.")
    if len(values) == 1:
        return Interval(float(values[0]), None, None, 1, None)
    # Compared as they are: the mean of equal numbers may be off by a rounding, and so would their spread.
    if min(values) == max(values):
        return Interval(float(values[0]), None, None, len(values), 0.0)
    mean = float(np.mean(values))
    sd = float(np.std(values, ddof=1))
    half = float(stats.t.ppf(0.5 + confidence / 2, len(values) - 1)) * sd / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half, len(values), sd)


def p_value(values: Sequence[float]) -> float | None:
    """Two-sided p value of the one-sample t test against zero; None with one value or with equal values.

    Example:
        >>> round(p_value([1.0, 2.0, 3.0]), 4)
        0.0742
        >>> p_value([0.5, 0.5, 0.5])
    """
    interval = t_interval(values)
    if interval.sd is None or interval.is_identical:
        return None
    t = interval.mean / (interval.sd / math.sqrt(interval.n))
    return float(2 * stats.t.sf(abs(t), interval.n - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm-adjusted p values: family-wise error under any dependence.

    Example:
        >>> [round(p, 6) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = running
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg-adjusted p values: false discovery rate.

    Example:
        >>> [round(p, 6) for p in benjamini_hochberg([0.01, 0.04, 0.03])]
        [0.03, 0.04, 0.04]
    """
    return [float(p) for p in stats.false_discovery_control(p_values)] if p_values else []
