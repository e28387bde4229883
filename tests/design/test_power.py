import numpy as np
import pytest
from scipy import stats

from mflab.design import mde, paired_power, pairs_needed
from mflab.errors import MflabError


@pytest.mark.parametrize(("pairs", "effect"), [(5, 1.68), (8, 1.16), (16, 0.75)])
def test_mde_equals_the_published_values(pairs: int, effect: float) -> None:
    assert mde(pairs) == pytest.approx(effect, abs=0.005)


def test_power_equals_simulation() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(1.2, 1.0, (20_000, 6))
    rejected = stats.ttest_1samp(samples, 0.0, axis=1).pvalue < 0.05
    assert paired_power(1.2, 6) == pytest.approx(rejected.mean(), abs=0.01)


def test_pairs_needed_inverts_mde() -> None:
    for pairs in (2, 3, 5, 10, 50, 400):
        assert pairs_needed(mde(pairs) * 1.0001) == pairs
        assert pairs_needed(mde(pairs) * 0.9999) == pairs + 1


def test_more_pairs_find_smaller_effects_whatever_their_number() -> None:
    effects = [mde(pairs) for pairs in [*range(2, 310, 4), 500, 1000, 5000]]
    assert effects == sorted(effects, reverse=True)
    assert effects[-1] == pytest.approx((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) / 5000**0.5, rel=1e-3)


def test_power_needs_two_pairs_and_an_effect() -> None:
    with pytest.raises(MflabError, match="at least 2 pairs"):
        mde(1)
    with pytest.raises(MflabError, match="not zero"):
        pairs_needed(0.0)
