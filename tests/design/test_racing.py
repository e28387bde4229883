import math

import numpy as np
import pytest
from scipy import stats

from mflab.design.racing import RaceCfg, check_race, race_decision, race_threshold
from mflab.errors import MflabError

LOOKS = [4, 6, 8]
ALPHA = 0.05
RACES = 2000


def race(responses: np.ndarray, looks: list[int] = LOOKS, direction: str = "higher") -> dict[str, int]:
    """Look at which each arm of [arm, seed] is dropped; arms that finish are absent."""
    dropped: dict[str, int] = {}
    for look in looks:
        values = {
            f"arm{arm}": dict(enumerate(map(float, responses[arm, :look])))
            for arm in range(len(responses))
            if f"arm{arm}" not in dropped
        }
        for drop in race_decision(values, direction, look, looks, ALPHA, len(responses)):
            dropped[drop.arm] = look
    return dropped


def draw(rng: np.random.Generator, effects: list[float], noise: float = 1.0) -> np.ndarray:
    seeds = rng.normal(scale=3.0, size=max(LOOKS))
    return np.array(effects)[:, None] + seeds + rng.normal(scale=noise, size=(len(effects), max(LOOKS)))


@pytest.mark.parametrize(
    "effects",
    [[0.0] * 4, [0.0, -0.05, -2.0, -2.0], [0.0, -0.3, -0.3], [0.0, 0.0]],
    ids=["equal", "close", "few", "two"],
)
def test_the_best_arm_is_dropped_no_more_often_than_declared(effects: list[float]) -> None:
    rng = np.random.default_rng(7)
    wrong = sum("arm0" in race(draw(rng, effects)) for _ in range(RACES))
    assert wrong / RACES <= ALPHA


def test_the_bound_is_used_and_not_only_kept() -> None:
    rng = np.random.default_rng(7)
    wrong = sum("arm0" in race(draw(rng, [0.0, 0.0]), looks=[8]) for _ in range(RACES))
    # With two equal arms and one look, arm0 trails in half the races and the test is exact.
    assert abs(wrong / RACES - ALPHA) < 3 * math.sqrt(ALPHA * (1 - ALPHA) / RACES)


def test_a_clearly_worse_arm_is_dropped_and_a_good_one_stays() -> None:
    rng = np.random.default_rng(1)
    outcomes = [race(draw(rng, [0.0, -6.0, -0.1])) for _ in range(200)]
    assert sum("arm1" in outcome for outcome in outcomes) > 190
    assert sum(outcome.get("arm1", 9) == LOOKS[0] for outcome in outcomes) > 100
    assert sum("arm2" in outcome for outcome in outcomes) < 20


def test_pairing_lets_seed_differences_cancel() -> None:
    rng = np.random.default_rng(3)
    responses = draw(rng, [0.0, -4.0, -0.5])
    offsets = rng.normal(scale=50.0, size=responses.shape[1])
    assert race(responses) == race(responses + offsets)
    assert "arm1" in race(responses)


def test_lower_mirrors_higher() -> None:
    responses = draw(np.random.default_rng(4), [0.0, -4.0, -8.0, 0.2])
    assert race(responses) == race(-responses, direction="lower") != {}


def test_the_order_of_arms_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        responses = draw(rng, [0.0, -3.0, -1.0, 0.0, -5.0])
        values = {f"arm{arm}": dict(enumerate(map(float, own[:6]))) for arm, own in enumerate(responses)}
        shuffled = {name: values[name] for name in rng.permutation(sorted(values)).tolist()}
        assert race_decision(values, "higher", 6, LOOKS, ALPHA, 5) == race_decision(
            shuffled, "higher", 6, LOOKS, ALPHA, 5
        )


def test_a_drop_reports_the_paired_test_of_scipy() -> None:
    good, bad = [20.1, 21.0, 19.4, 20.6, 20.0, 21.3], [18.0, 19.1, 17.2, 18.6, 18.3, 19.0]
    values = {"good": dict(enumerate(good)), "bad": dict(enumerate(bad))}
    (drop,) = race_decision(values, "higher", 6, [6], ALPHA, 2)
    assert (drop.arm, drop.against, drop.n) == ("bad", "good", 6)
    assert drop.p == pytest.approx(stats.ttest_rel(good, bad, alternative="greater").pvalue)
    assert drop.threshold == ALPHA == race_threshold(1, 2, ALPHA)
    assert drop.mean_difference == pytest.approx(np.mean(good) - np.mean(bad))


def test_only_common_seeds_are_compared() -> None:
    good = {seed: 20.0 + seed % 3 for seed in range(6)}
    bad = {seed: value - 2 - 0.1 * (seed % 2) for seed, value in good.items() if seed != 4}
    (drop,) = race_decision({"good": good, "bad": bad}, "higher", 6, [6], ALPHA, 2)
    assert drop.n == 5
    assert race_decision({"good": {0: 1.0, 1: 2.0}, "bad": {1: 0.0, 2: 1.0}}, "higher", 2, [2], ALPHA, 2) == []


@pytest.mark.parametrize(("n", "is_dropped"), [(4, False), (5, True)])
def test_differences_without_spread_are_tested_by_their_signs(n: int, is_dropped: bool) -> None:
    # Rounded so that subtraction leaves noise in the last bit, which is no spread.
    good = {seed: 20.1 + 0.7 * seed for seed in range(n)}
    values = {"good": good, "bad": {seed: value - 0.3 for seed, value in good.items()}}
    drops = race_decision(values, "higher", n, [n], ALPHA, 2)
    assert bool(drops) == is_dropped
    assert all(drop.p == 0.5**n for drop in drops)


def test_equal_arms_are_never_dropped() -> None:
    own = {seed: 0.1 * seed for seed in range(20)}
    assert race_decision({"a": own, "b": dict(own), "c": dict(own)}, "higher", 20, [20], 0.9, 3) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"direction": "up"}, "choose higher or lower"),
        ({"look": 5}, "only where its rule says"),
        ({"num_arms": 1}, "at most the 1 arms"),
        ({"values": {"a": {0: 1.0, 1: math.nan}, "b": {0: 1.0}}}, "must be finite"),
        ({"values": {"a": dict.fromkeys(range(5), 1.0), "b": {0: 1.0}}}, "must not see more"),
    ],
)
def test_a_race_off_its_rule_is_refused(change: dict, message: str) -> None:
    arguments = {
        "values": {"a": {0: 1.0, 1: 2.0}, "b": {0: 1.0, 1: 1.5}},
        "direction": "higher",
        "look": 4,
        "looks": LOOKS,
        "alpha": ALPHA,
        "num_arms": 2,
    }
    with pytest.raises(MflabError, match=message):
        race_decision(**(arguments | change))


@pytest.mark.parametrize(
    ("race_cfg", "message"),
    [
        (RaceCfg([4, 4]), "must rise"),
        (RaceCfg([1, 4]), "from 2 to 7"),
        (RaceCfg([4, 8]), "from 2 to 7"),
        (RaceCfg([4], alpha=0.0), "between 0 and 1"),
    ],
)
def test_a_race_that_cannot_be_run_is_refused(race_cfg: RaceCfg, message: str) -> None:
    with pytest.raises(MflabError, match=message):
        check_race(race_cfg, num_seeds=8)
    check_race(RaceCfg(), num_seeds=1)
    for num_seeds in (1, 2):
        with pytest.raises(MflabError, match=f"at least 3 seeds, .*, but got {num_seeds}; set sweep.seeds"):
            check_race(RaceCfg([2]), num_seeds=num_seeds)
    check_race(RaceCfg([2, 7]), num_seeds=8)
