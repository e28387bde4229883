"""The ladder's statistics against independent ones and made-up numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, spearmanr

from mflab.metrics.ladder.judge import (
    alarm_limit,
    area_under_curve,
    mean,
    share_beyond,
    smallest_strength,
    spearman,
)

NUMBERS = st.lists(st.integers(-5, 5).map(float), min_size=3, max_size=12)


@given(NUMBERS, st.randoms(use_true_random=False))
def test_spearman_equals_scipy_with_ties(values: list[float], random) -> None:
    others = [value + random.randint(-2, 2) for value in values]
    if len(set(values)) > 1 and len(set(others)) > 1:
        assert spearman(values, others) == pytest.approx(spearmanr(values, others).statistic, abs=1e-12)
    else:
        assert spearman(values, others) == 0.0


@pytest.mark.parametrize(
    "values, rho",
    [([0.0, 0.1, 0.2, 0.3], 1.0), ([3.0, 2.0, 1.0, 0.0], -1.0), ([0.0, 0.2, 0.1, 0.3], 0.8), ([0.0] * 4, 0.0)],
)
def test_known_rank_correlations(values: list[float], rho: float) -> None:
    assert spearman([0.0, 1.0, 2.0, 3.0], values) == pytest.approx(rho)


def test_a_reaction_with_an_unknown_value_has_no_rank() -> None:
    assert math.isnan(spearman([0.0, 1.0, 2.0], [0.0, math.nan, 1.0])) and math.isnan(spearman([0.0], [1.0]))


@given(NUMBERS, NUMBERS)
def test_area_under_curve_equals_mann_whitney(clean: list[float], faulty: list[float]) -> None:
    expected = mannwhitneyu(faulty, clean).statistic / (len(clean) * len(faulty))
    assert area_under_curve(clean, faulty) == pytest.approx(expected)
    assert area_under_curve(faulty, clean) == pytest.approx(1.0 - expected)


def test_area_under_curve_leaves_unknown_values_out() -> None:
    assert area_under_curve([0.0, math.nan], [1.0, math.nan]) == 1.0
    assert area_under_curve([0.0], [math.nan]) is None and area_under_curve([], [1.0]) is None


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=60), st.floats(0.0, 0.5))
def test_no_more_than_the_allowed_share_is_beyond_the_limit(null: list[float], share: float) -> None:
    beyond = share_beyond(null, alarm_limit(null, share))
    assert beyond is not None and beyond <= share + 1e-9


def test_power_of_a_known_shift() -> None:
    # A normal value must move by 1.645 + 1.645 standard deviations for 95 % power at 5 % false alarms.
    rng = np.random.default_rng(0)
    limit = alarm_limit(rng.standard_normal(20_000).tolist())
    assert limit == pytest.approx(1.645, abs=0.03)
    for shift, power in ((0.0, 0.05), (1.645, 0.5), (3.29, 0.95)):
        assert share_beyond((shift + rng.standard_normal(20_000)).tolist(), limit) == pytest.approx(power, abs=0.015)


@pytest.mark.parametrize(
    "powers, strength",
    [((0.1, 0.95, 1.0), 2.0), ((1.0, 0.9, 1.0), 4.0), ((1.0, 1.0, 0.9), None), ((None, 1.0, 1.0), 2.0)],
)
def test_smallest_strength_holds_for_all_above_it(powers: tuple[float | None, ...], strength: float | None) -> None:
    assert smallest_strength((1.0, 2.0, 4.0), powers) == strength


def test_mean_of_nothing_is_unknown() -> None:
    assert mean([]) is None and mean([math.nan]) is None and mean([1.0, math.nan, 3.0]) == 2.0
