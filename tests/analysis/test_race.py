import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from analysis.effects import all_effects
from analysis.findings import Findings
from analysis.headline import headline
from analysis.load import Sweep
from analysis.omnibus import omnibus_test
from analysis.race import Race, replay_race, standings, unselected_seeds
from analysis.report import write_report
from mflab.design.racing import race_threshold
from mflab.results import read_plan

SEEDS, LOOKS, ALPHA = (0, 1, 2, 3, 4, 5), [3, 4], 0.05
BAD = ("single · facelift", "single · mouse_elevated")


@pytest.fixture
def make_race(make_sweep: Callable[..., Path]) -> Callable[..., Path]:
    """Two schedules and styles; `single` is worse by 1.5 dB and was stopped after three seeds."""

    def write(first_stopped: int = 3, **changes: object) -> Path:
        status = {
            f"single-{style}-{seed}": "stopped"
            for style in ("facelift", "mouse_elevated")
            for seed in SEEDS[first_stopped:]
        }
        folder = make_sweep(seeds=SEEDS, interaction=0.0, noise_sd=0.02, status=status, **changes)
        rule = {"looks": LOOKS, "alpha": ALPHA, "arms": 4, "threshold": race_threshold(2, 4, ALPHA)}
        (folder / "plan.json").write_text(replace(read_plan(folder), race=rule).to_json())
        return folder

    return write


def raced(folder: Path) -> Race:
    race = replay_race(Sweep(folder))
    assert race is not None
    return race


def test_the_replay_drops_who_was_stopped(make_race: Callable[..., Path]) -> None:
    folder = make_race()
    race = raced(folder)
    assert set(race.drops) == set(BAD)
    assert {seeds for seeds, _ in race.drops.values()} == {3}
    assert race.survivors == ("two_stage · facelift", "two_stage · mouse_elevated")
    assert race.unexplained == ()
    assert [look.num_seeds for look in race.looks] == [3, 4]


def test_every_comparison_is_a_one_sided_paired_test(make_race: Callable[..., Path]) -> None:
    folder = make_race()
    table = pd.read_csv(folder / "trials.csv")
    arms = {
        f"{schedule} · {style}": own.sort_values("seed")["val/psnr_fg"].to_numpy()[:3]
        for (schedule, style), own in table.groupby(["schedule", "style"])
    }
    first = raced(folder).looks[0]
    assert len(first.comparisons) == 3
    for one in first.comparisons:
        expected = stats.ttest_rel(arms[one.against], arms[one.arm], alternative="greater")
        assert one.p == pytest.approx(expected.pvalue)
        assert one.mean_difference == pytest.approx((arms[one.against] - arms[one.arm]).mean())
        assert one.threshold == race_threshold(2, 4, ALPHA)


def test_a_stop_that_the_rule_does_not_explain_is_said(make_race: Callable[..., Path], tmp_path: Path) -> None:
    # No arm is worse, so nobody should have been stopped.
    folder = make_race(schedule=0.0)
    assert raced(folder).unexplained == BAD
    assert "this rule does not" in write_report(folder, tmp_path / "report").page.read_text()


def test_a_look_waits_for_all_its_seeds(make_race: Callable[..., Path]) -> None:
    folder = make_race()
    table = pd.read_csv(folder / "trials.csv", dtype=str, keep_default_na=False)
    table.loc[table.trial_id == "two_stage-facelift-2", ["status", "error"]] = ["planned", ""]
    table.to_csv(folder / "trials.csv", index=False)
    race = raced(folder)
    assert race.looks == ()
    assert race.drops == {}


def test_survivors_are_compared_on_the_seeds_that_all_of_them_have(make_race: Callable[..., Path]) -> None:
    folder = make_race()
    table = pd.read_csv(folder / "trials.csv", dtype=str, keep_default_na=False)
    table.loc[table.trial_id == "two_stage-facelift-5", ["status", "error"]] = ["failed", "lost"]
    table.to_csv(folder / "trials.csv", index=False)
    sweep = Sweep(folder)
    race = raced(folder)
    best, other = standings(sweep, race)
    assert race.common_seeds == (0, 1, 2, 3, 4)
    assert best.difference is None
    assert other.difference is not None
    assert other.difference.mean < 0
    own, top = (race.values[one.arm] for one in (other, best))
    differences = [own[seed] - top[seed] for seed in race.common_seeds]
    assert other.difference.mean == pytest.approx(sum(differences) / 5)
    assert (other.difference.n, other.mean.n) == (5, 5)


def test_effects_pay_for_the_looks_and_name_dropped_arms(make_race: Callable[..., Path]) -> None:
    folder = make_race()
    found = {e.contrast: e for e in all_effects(Sweep(folder)) if e.family == "confirmatory"}
    schedule, style = found["two_stage − single"], found["mouse_elevated − facelift"]
    assert schedule.dropped == BAD
    assert schedule.seeds == (0, 1, 2)
    assert (schedule.pairs_used, schedule.pairs_planned) == (6, 12)
    assert schedule.seeds_needed is None
    # With two looks and the end, every p value counts three times.
    assert style.seeds == SEEDS
    assert style.p_value == pytest.approx(min(1.0, 3 * stats.ttest_1samp(_differences(folder), 0.0).pvalue))


def _differences(folder: Path) -> list[float]:
    table = pd.read_csv(folder / "trials.csv")
    wide = table[table.schedule == "two_stage"].pivot_table(index="seed", columns="style", values="val/psnr_fg")
    return (wide.mouse_elevated - wide.facelift).tolist()


def test_a_contrast_with_a_dropped_arm_is_never_equivalent(make_race: Callable[..., Path]) -> None:
    effects = [
        e for e in all_effects(Sweep(make_race(smallest_effect=9.0))) if e.dropped and e.family == "confirmatory"
    ]
    assert effects
    assert all(e.verdict_kind != "equivalent" for e in effects)


def test_the_omnibus_test_keeps_to_seeds_that_no_drop_selected(make_race: Callable[..., Path]) -> None:
    sweep = Sweep(make_race())
    assert unselected_seeds(sweep, replay_race(sweep)) == (0, 1, 2)
    assert omnibus_test(sweep).n == 12


def test_the_head_tells_the_race_and_takes_the_best_of_the_survivors(make_race: Callable[..., Path]) -> None:
    findings = Findings(Sweep(make_race()))
    first = headline(findings)[0]
    assert first.startswith("Race: dropped single · facelift after 3 of 6 seeds (against two_stage · ")
    assert first.endswith("; two_stage · facelift and two_stage · mouse_elevated remain.")
    assert findings.best_arm is not None
    assert findings.best_arm[0] in findings.race.survivors  # pyright: ignore


def test_the_report_shows_rule_dropped_arms_and_no_alarm(make_race: Callable[..., Path], tmp_path: Path) -> None:
    report = write_report(make_race(), tmp_path / "report")
    assert report.failed_cards == {}
    page, text = report.page.read_text(), (tmp_path / "report" / "report.md").read_text()
    assert "trials not done" not in page
    assert "6 trials were stopped by the rule of the race" in page
    assert "if p &lt; 0.008333, which is 0.05 / (2 looks × 3 rivals)" in page
    assert text.replace("\\", "").count("Dropped from the race: single · facelift (3 of 6 seeds)") == 5
    record = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [drop["arm"] for drop in record["race"]["dropped"]] == sorted(BAD)
    assert record["excluded"] == []
