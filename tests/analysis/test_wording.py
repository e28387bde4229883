"""Texts of whole reports: no plural of one, no negative zero, no name of a class."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.report import write_report
from mflab.results import read_plan
from tests.analysis.kinds import KINDS

NOUNS = "arms|contrasts|incidents|jobs|kinds|looks|pairs|rivals|seeds|stages|steps|suggestions|trees|trials"


def report_text(folder: Path, target: Path) -> str:
    write_report(folder, target)
    return (target / "report.md").read_text().replace("\\", "")


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_a_kind_is_singular_everywhere(make_sweep: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    seeds = (0,) if kind != "race" else (0, 1, 2, 3)
    status = {"single-facelift-0": "failed", "single-mouse_elevated-0": "stopped", "two_stage-facelift-0": "planned"}
    folder = KINDS[kind](make_sweep(seeds=seeds, status=status))
    text = report_text(folder, tmp_path / "report")
    assert re.findall(rf"(?<![\d.,–] )(?<![\d.,])\b1 (?:{NOUNS})\b", text) == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_negative_zero_and_no_class(make_sweep: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    folder = KINDS[kind](make_sweep(seeds=(0, 1, 2, 3), schedule=-1e-9, interaction=0.0, noise_sd=0.0))
    text = report_text(folder, tmp_path / "report")
    assert re.findall(r"[−-]0\.0+\b", text) == []
    assert re.findall(r"\b[A-Z]\w+\((?:\w+=|<)", text) == []


def test_a_single_trial_reports_in_the_singular(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    plan = read_plan(folder)
    plan = replace(plan, trials=plan.trials[:1], stages=plan.stages[:1], steps_asked=1, steps_distinct=1)
    (folder / "plan.json").write_text(plan.to_json())
    lines = (folder / "trials.csv").read_text().splitlines()
    (folder / "trials.csv").write_text("\n".join(lines[:2]) + "\n")
    text = report_text(folder, tmp_path / "report")
    assert "1 trial planned: 1 done." in text
    assert "1 trial: 1 stage in 1 tree, 1 step asked, 1 distinct." in text
