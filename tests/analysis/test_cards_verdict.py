"""Verdicts and retention on the page and in report.json, with and without what they need."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analysis.blocks import Picture, Table, Text
from analysis.cards_retention import retention_card
from analysis.cards_verdict import verdict_card
from analysis.findings import Findings
from analysis.glossary import GLOSSARY
from analysis.load import Sweep
from analysis.report_json import render_json
from analysis.verdict_limits import NUMBERS
from mflab.metrics.consistency.definitions import CONSISTENCY_METRICS
from tests.analysis.kinds import KINDS, SEEDS
from tests.analysis.watched import watch

ARMS = ["single · facelift", "single · mouse_elevated", "two_stage · facelift", "two_stage · mouse_elevated"]


def tables(blocks: list) -> list[Table]:
    return [block for block in blocks if isinstance(block, Table)]


def test_a_sweep_without_these_measurements_says_so(make_sweep: Callable[..., Path]) -> None:
    findings = Findings(Sweep(make_sweep()))
    assert {one.case for one in findings.run_verdicts} == {"undecided"}
    absent = [block.text for block in retention_card(findings) if isinstance(block, Text)]
    assert [text.split(":")[0] for text in absent] == ["Forgetting", "Overfitting", "Collapse", "Consistency"]
    assert all("not measured in this sweep; validation." in text for text in absent)


def test_arms_and_runs_have_their_cases(make_sweep: Callable[..., Path]) -> None:
    findings = Findings(Sweep(watch(make_sweep(seed_sd=0.05), bad_arm="single-facelift")))
    arms, runs, numbers, definitions = tables(verdict_card(findings))
    assert [row[0] for row in arms.rows] == ARMS
    assert [row[1] for row in arms.rows] == ["B", "A", "A", "A"]
    assert [row[2:7] for row in arms.rows] == [("0", "3", "0", "0", "0")] + [("3", "0", "0", "0", "0")] * 3
    assert (
        arms.rows[0][-1].endswith("(as a level of style): prompts.style=facelift") or "prompt_style" in arms.rows[0][-1]
    )
    assert len(runs.rows) == len(numbers.rows) == 12
    bad = next(row for row in runs.rows if row[0] == "single-facelift-0")
    assert bad[3:5] == ("300", "B")
    assert "inconsistent sets 1.000 n = 3 (limit ≤ 0.250)" in bad[5]
    marked = {row[0] for row in numbers.rows if any("✗" in cell for cell in row)}
    assert marked == {f"single-facelift-{seed}" for seed in (0, 1, 2)}
    assert all(row[-1].startswith("12 of 12") for row in definitions.rows)


def test_disagreement_within_an_arm_is_shown(make_sweep: Callable[..., Path]) -> None:
    findings = Findings(Sweep(watch(make_sweep(seed_sd=0.05), bad_arm="two_stage-facelift-1")))
    arms = tables(verdict_card(findings))[0]
    row = next(row for row in arms.rows if row[0] == "two_stage · facelift")
    assert row[1:7] == ("A", "2", "1", "0", "0", "0")
    assert "(2)" in row[-1] and "(1)" in row[-1]


def test_retention_shows_curve_gap_collapse_and_the_true_views(make_sweep: Callable[..., Path]) -> None:
    findings = Findings(Sweep(watch(make_sweep(seed_sd=0.05), forgotten=0.4, bad_arm="single-facelift")))
    blocks = retention_card(findings)
    assert [block.name for block in blocks if isinstance(block, Picture)] == ["retention"]
    forgetting, overfitting, collapse, consistency = tables(blocks)
    assert [row[0] for row in forgetting.rows] == ARMS
    assert forgetting.rows[0][1:] == (
        "3",
        "14.00 (n = 3 identical)",
        "13.60 (n = 3 identical)",
        "0.40 (n = 3 identical)",
    )
    assert overfitting.rows[0][4:] == ("0.50 ± 0.00", "0.50 ± 0.00")
    assert collapse.rows[-1][0] == "baseline: ground_truth"
    assert collapse.rows[-1][2:] == ("1.0000", "1.0000")
    truth = next(row for row in consistency.rows if row[0] == "baseline: ground_truth")
    assert truth[consistency.headers.index("pc")] == "0.7500"
    assert consistency.rows[0][-1] == "back (9 of 9)"
    assert consistency.rows[1][-1] == "–"


@pytest.mark.parametrize("kind", KINDS)
def test_report_json_has_every_verdict_with_its_numbers(make_sweep: Callable[..., Path], kind: str) -> None:
    folder = KINDS[kind](watch(make_sweep(seeds=SEEDS, status={"single-facelift-0": "diverged"})))
    findings = Findings(Sweep(folder))
    assert len(tables(verdict_card(findings))) == 4
    report = json.loads(render_json(findings, [], []))
    rows = {row["trial_id"]: row for row in report["run_verdicts"]}
    assert len(rows) == 16
    assert (rows["single-facelift-0"]["case"], rows["single-facelift-0"]["reason"]) == ("C", "training diverged")
    numbers = rows["single-facelift-1"]["numbers"]
    assert [number["name"] for number in numbers] == list(NUMBERS)
    assert all({"name", "value", "limit", "side", "passed", "note"} == number.keys() for number in numbers)
    assert all(row["next"]["text"] for row in rows.values())
    assert sum(sum(arm["counts"].values()) for arm in report["arm_verdicts"]) == 16


def test_a_diverged_run_has_a_verdict_but_enters_no_mean(make_sweep: Callable[..., Path]) -> None:
    folder = watch(make_sweep(seed_sd=0.05))
    trials = pd.read_csv(folder / "trials.csv")
    trials.loc[trials["trial_id"] == "single-facelift-0", "status"] = "diverged"
    trials.to_csv(folder / "trials.csv", index=False)
    findings = Findings(Sweep(folder))
    assert findings.arm_verdicts[0].counts["C"] == 1
    assert [row[1] for row in tables(retention_card(findings))[1].rows] == ["2", "3", "3", "3"]


def test_failed_and_planned_trials_have_no_verdict(make_sweep: Callable[..., Path]) -> None:
    status = {"single-facelift-0": "failed", "single-facelift-1": "planned", "two_stage-facelift-0": "stopped"}
    findings = Findings(Sweep(make_sweep(status=status)))
    assert {one.run.trial_id for one in findings.run_verdicts}.isdisjoint(status)
    (note,) = [block.text for block in verdict_card(findings) if isinstance(block, Text)]
    assert note == "No verdict for 3 planned trials: not ended by training."


def test_infinite_values_count_as_not_measured(make_sweep: Callable[..., Path]) -> None:
    folder = watch(make_sweep())
    metrics = pd.read_parquet(folder / "metrics.parquet")
    is_back = (
        (metrics["view"] == "back") & (metrics["metric"] == "psnr_fg") & (metrics["trial_id"] == "single-facelift-0")
    )
    metrics.loc[is_back, "value"] = float("inf")
    metrics.to_parquet(folder / "metrics.parquet")
    runs = {one.run.trial_id: one.run for one in Findings(Sweep(folder)).run_verdicts}
    assert set(runs["single-facelift-1"].views["psnr_fg"]) - set(runs["single-facelift-0"].views["psnr_fg"]) == {"back"}


def test_words_of_consistency_are_those_of_the_suite() -> None:
    for name, info in CONSISTENCY_METRICS.items():
        if name in GLOSSARY:
            meaning = GLOSSARY[name]
            assert (meaning.direction.name, meaning.unit, meaning.definition) == info
    assert sum(name in GLOSSARY for name in CONSISTENCY_METRICS) >= 7
