"""The card of the perturbation ladder: shown where a record lies beside the sweep, and what it says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.ladder_record import LADDER_FORMAT, ladder_path, read_ladder
from analysis.report import write_report
from mflab.errors import MflabError

METRICS = (("sc", False), ("pc", False), ("adjacent_psnr", True), ("sift_inliers", True))


def perturbation(name: str, kind: str, levels: list[float], alarms: list[float], unit: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "unit": unit,
        "levels": levels,
        "meaning": f"what {name} does",
        "alarms": alarms,
    }


def record(passed: bool | None = True, quick: bool = False) -> dict[str, Any]:
    """A small record in the format of the ladder."""
    perturbations = [
        perturbation("shift", "fault", [2.0, 4.0], [0.5, 1.0], "% of width"),
        perturbation("cameras_lower", "camera", [20.0], [1.0], "deg"),
        perturbation("same_image", "control", [1.0], [0.9]),
        perturbation("gain_all", "invariance", [0.6], [0.04], "factor"),
    ]
    cells = [
        {
            "perturbation": one["name"],
            "metric": metric,
            "levels": one["levels"],
            "drop": [0.01] * len(one["levels"]),
            "auc": [None if is_control else 0.99] * len(one["levels"]),
            "rho": 1.0 if len(one["levels"]) > 1 else None,
            "smallest": None if is_control else one["levels"][-1],
            "smallest_paired": one["levels"][0],
        }
        for one in perturbations
        for metric, is_control in METRICS
    ]
    criterion = {"value": 0.9, "limit": 0.95, "is_minimum": True, "scenes": 20, "by_kind": {"mouse": 1.0, "real": 0.8}}
    return {
        "format": LADDER_FORMAT,
        "summary": {
            "passed": passed is not False, "monotone_fraction": 0.875, "monotone_pairs": 0.98, "scenes": 2, "sets": 40,
            "false_alarm_rate": 0.02, "width": 128, "quick": quick, "seed": 0,
        },
        "rules": {"power": 0.95, "false_alarms": 0.05, "monotone_rho": 0.9, "left_out": ["symmetric"]},
        "scenes": [
            {"name": "a", "kind": "mouse", "is_grey": True},
            {"name": "b", "kind": "thin_legged", "is_grey": False},
        ],
        "metrics": [{"name": name, "negative_control": is_control} for name, is_control in METRICS],
        "perturbations": perturbations,
        "criteria": [{"key": "one", "claim": "SC follows shift", "failing": ["b"], "passed": passed, **criterion}],
        "cells": cells,
        "sift": [
            {"separation_deg": 56.25, "pairs": 32, "matches": 9.3, "inliers": 0.28, "chance": 0.09, "passed": 0.06}
        ],
        "blind_spots": ["a turn of all views against their cameras"],
    }  # fmt: skip


def write(folder: Path, content: object) -> Path:
    path = ladder_path(folder)
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    return path


def test_a_report_without_a_ladder_has_no_such_card(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    report = write_report(make_sweep(), tmp_path / "report")
    assert report.failed_cards == {}
    assert 'id="ladder"' not in report.page.read_text()


def test_the_card_says_what_the_ladder_found(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    write(folder, record())
    report = write_report(folder, tmp_path / "report")
    assert report.failed_cards == {}
    page, text = report.page.read_text(), (tmp_path / "report" / "report.md").read_text()
    assert 'id="ladder"' in page and (tmp_path / "report" / "figures" / "ladder.png").is_file()
    for words in (
        "All 1 criteria that can be judged here hold.",
        "40 sets from 2 scenes (1 mouse, 1 thin legged; 1 grey) at 128 px, seed 0.",
        "87.5 % of scenes",
        "False alarms: 2.0 %",
        "Scenes left out: symmetric.",
        "Negative control: SIFT matches",
        "Gross errors that must be refused",
        "a turn of all views against their cameras",
        "mouse 1, real 0.8",
    ):
        assert words in text.replace("\\", ""), words
    assert "adjacent_psnr (negative control)" in page and "56.25°" in page
    assert "quick ladder" not in text


@pytest.mark.parametrize(
    "passed, words", [(False, "1 of 1 criteria fail"), (None, "All 0 criteria that can be judged")]
)
def test_failed_and_open_criteria_are_told(
    make_sweep: Callable[..., Path], tmp_path: Path, passed: bool | None, words: str
) -> None:
    folder = make_sweep()
    write(folder, record(passed, quick=True))
    text = write_report(folder, tmp_path / "report").page.read_text()
    assert words in text and "This is the quick ladder" in text
    assert ("failed" if passed is False else "not judged") in text


@pytest.mark.parametrize(
    "content, words",
    [
        ({"format": 99}, "format 1, but .* has 99"),
        ([], "has None"),
        ({"format": LADDER_FORMAT}, "lacks them"),
    ],
)
def test_a_record_of_another_format_fails_its_card_alone(
    make_sweep: Callable[..., Path], tmp_path: Path, content: object, words: str
) -> None:
    folder = make_sweep()
    path = write(folder, content)
    with pytest.raises(MflabError, match=words):
        read_ladder(path)
    assert set(write_report(folder, tmp_path / "report").failed_cards) == {"ladder"}


def test_a_record_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ladder.json").write_text("{")
    with pytest.raises(MflabError, match="readable JSON"):
        read_ladder(tmp_path / "ladder.json")


def test_the_record_lies_beside_the_sweep_folder(tmp_path: Path) -> None:
    assert ladder_path(tmp_path / "outputs" / "sweep") == tmp_path.resolve() / "outputs" / "ladder" / "ladder.json"
