from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from analysis.effects import all_effects
from analysis.load import Sweep
from analysis.verdicts import DISTINGUISHABLE, EQUIVALENT, UNDECIDED, Effect
from mflab.design import pairs_needed


def effect(effects: tuple[Effect, ...], factor: str, response: str = "val/psnr_fg") -> Effect:
    (found,) = [e for e in effects if e.factor == factor and e.response == response]
    return found


def recorded(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "trials.csv")
    return table[table.status == "done"]


def test_main_effects_equal_a_pandas_computation(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    found = effect(all_effects(Sweep(folder)), "schedule")
    wide = recorded(folder).pivot_table(index=["seed", "style"], columns="schedule", values="val/psnr_fg")
    blocks = (wide.two_stage - wide.single).groupby("seed").mean()
    reference = stats.ttest_1samp(blocks, 0.0)
    interval = reference.confidence_interval(0.95)
    assert found.estimate == pytest.approx(blocks.mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p_value == pytest.approx(reference.pvalue)
    assert found.n == 3
    assert found.seeds == (0, 1, 2)
    assert found.unit == "dB"
    assert found.contrast == "two_stage − single"


def test_interactions_equal_a_pandas_computation(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    found = effect(all_effects(Sweep(folder)), "schedule × style")
    wide = recorded(folder).pivot_table(index="seed", columns=["schedule", "style"], values="val/psnr_fg")
    blocks = (wide["two_stage", "mouse_elevated"] - wide["single", "mouse_elevated"]) - (
        wide["two_stage", "facelift"] - wide["single", "facelift"]
    )
    assert found.estimate == pytest.approx(blocks.mean())
    assert found.sd == pytest.approx(blocks.std())


def test_injected_effects_are_recovered_and_judged(make_sweep: Callable[..., Path]) -> None:
    effects = all_effects(Sweep(make_sweep(interaction=0.0, noise_sd=0.02)))
    schedule, style = effect(effects, "schedule"), effect(effects, "style")
    assert schedule.low is not None
    assert schedule.high is not None
    assert schedule.low < 1.5 < schedule.high
    assert schedule.verdict_kind == DISTINGUISHABLE
    assert schedule.verdict == f"distinguishable: two_stage higher by {schedule.estimate:.2f} dB"
    assert style.verdict_kind == EQUIVALENT
    assert style.verdict == "equivalent: within ±0.50 dB"


def test_an_undecided_effect_says_how_many_seeds_it_needs(make_sweep: Callable[..., Path]) -> None:
    effects = all_effects(Sweep(make_sweep(schedule=0.3, interaction=0.0, noise_sd=0.8)))
    undecided = [e for e in effects if e.verdict_kind == UNDECIDED and e.family == "confirmatory"]
    assert undecided
    for e in undecided:
        assert e.sd is not None
        assert e.seeds_needed == pairs_needed(0.5 / e.sd)
    assert any(f"about n={e.seeds_needed} seeds needed" in e.verdict for e in undecided)


def test_a_missing_trial_keeps_only_combinations_complete_in_every_block(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep(status={"two_stage-facelift-1": "failed"})
    found = effect(all_effects(Sweep(folder)), "schedule")
    wide = recorded(folder).pivot_table(index="seed", columns=["schedule", "style"], values="val/psnr_fg")
    blocks = wide["two_stage", "mouse_elevated"] - wide["single", "mouse_elevated"]
    assert found.estimate == pytest.approx(blocks.mean())
    assert (found.n, found.pairs_used, found.pairs_planned) == (3, 3, 6)


def test_a_block_without_any_pair_is_left_out(make_sweep: Callable[..., Path]) -> None:
    status = {"two_stage-facelift-2": "diverged", "two_stage-mouse_elevated-2": "failed"}
    found = effect(all_effects(Sweep(make_sweep(status=status))), "schedule")
    assert found.seeds == (0, 1)
    assert found.pairs_used == 4


def test_blocks_without_a_common_combination_are_never_mixed(make_sweep: Callable[..., Path]) -> None:
    status = {"two_stage-facelift-0": "failed", "two_stage-mouse_elevated-1": "failed"}
    found = effect(all_effects(Sweep(make_sweep(seeds=(0, 1), status=status))), "schedule")
    assert found.n == 1
    assert found.pairs_used == 1


def test_one_seed_has_an_estimate_but_no_interval(make_sweep: Callable[..., Path]) -> None:
    for found in all_effects(Sweep(make_sweep(seeds=(0,)))):
        assert found.estimate is not None
        assert (found.low, found.p_value, found.n) == (None, None, 1)
        assert found.verdict == "undecided: one seed"


def test_nothing_done_gives_no_estimate(make_sweep: Callable[..., Path]) -> None:
    status = {f"two_stage-{style}-{seed}": "planned" for style in ("facelift", "mouse_elevated") for seed in (0, 1, 2)}
    found = effect(all_effects(Sweep(make_sweep(status=status))), "schedule")
    assert (found.estimate, found.n, found.verdict) == (None, 0, "undecided: no complete pair is done")


def test_families_are_adjusted_apart(make_sweep: Callable[..., Path]) -> None:
    effects = all_effects(Sweep(make_sweep()))
    confirmatory = [e for e in effects if e.family == "confirmatory"]
    assert {e.response for e in confirmatory} == {"val/psnr_fg"}
    assert {e.kind for e in confirmatory} == {"main"}
    smallest = min(confirmatory, key=lambda e: e.p_value or 1.0)
    assert smallest.p_value is not None
    assert smallest.p_adjusted == pytest.approx(2 * smallest.p_value)


def test_seeds_that_change_nothing_decide_nothing(make_sweep: Callable[..., Path]) -> None:
    for found in all_effects(Sweep(make_sweep(seed_sd=0.0, noise_sd=0.0))):
        assert (found.n, found.sd, found.low, found.p_value, found.p_adjusted) == (3, 0.0, None, None, None)
        assert found.seeds_needed is None
        assert found.verdict_kind == UNDECIDED
        assert found.verdict == "undecided: seeds change nothing here: no interval"
