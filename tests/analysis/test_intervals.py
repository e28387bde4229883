import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from analysis.intervals import benjamini_hochberg, holm, p_value, t_interval
from mflab.errors import MflabError


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_t_interval_equals_scipy(confidence: float) -> None:
    values = np.random.default_rng(3).normal(1.0, 2.0, 7).tolist()
    expected = stats.ttest_1samp(values, 0.0)
    bounds = expected.confidence_interval(confidence)
    interval = t_interval(values, confidence)
    assert (interval.low, interval.high) == pytest.approx((bounds.low, bounds.high))
    assert p_value(values) == pytest.approx(expected.pvalue)


def test_one_value_has_no_interval_and_none_is_refused() -> None:
    interval = t_interval([2.0])
    assert (interval.mean, interval.low, interval.sd, p_value([2.0])) == (2.0, None, None, None)
    with pytest.raises(MflabError, match="at least one value"):
        t_interval([])


@pytest.mark.parametrize("value", [0.0, 0.1, 19.197267683347068])
def test_equal_values_are_no_replicates(value: float) -> None:
    interval = t_interval([value] * 3)
    assert (interval.mean, interval.low, interval.high, interval.n, interval.sd) == (value, None, None, 3, 0.0)
    assert interval.is_identical
    assert p_value([value] * 3) is None
    assert not t_interval([value]).is_identical


def test_adjustments_equal_statsmodels() -> None:
    p = np.random.default_rng(0).uniform(0, 0.2, 9).tolist()
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])
    assert holm([]) == benjamini_hochberg([]) == []


@pytest.mark.parametrize("n", [3, 5])
def test_interval_of_paired_differences_covers_at_its_nominal_rate(n: int) -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        seed_effect = rng.normal(0.0, 0.6, n)
        difference = (0.4 + seed_effect + rng.normal(0, 0.15, n)) - (seed_effect + rng.normal(0, 0.15, n))
        interval = t_interval(difference.tolist())
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 0.4 <= interval.high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)
