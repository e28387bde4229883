import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from analysis.command import main
from analysis.load import Sweep
from analysis.palette import HUES, arm_styles
from analysis.report import write_report
from mflab.design import Run, audit_design
from mflab.results import read_plan

ROOT = Path(__file__).parents[2]
EFFECT_FIELDS = {
    "factor", "contrast", "response", "estimate", "low", "high", "n", "unit", "p_value", "p_adjusted", "verdict",
}  # fmt: skip


class Links(HTMLParser):
    """Collects everything that a browser would fetch, and the text outside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "data", "poster", "action") and value is not None:
                self.fetched.append(value)
            if name == "id" and value is not None:
                self.ids.append(value)

    def handle_data(self, data: str) -> None:
        self.text += data


def parse(page: Path) -> Links:
    links = Links()
    links.feed(page.read_text(encoding="utf-8"))
    return links


def test_report_json_holds_audit_effects_and_the_rest(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    write_report(make_sweep(), tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert {"audit", "effects", "status", "cells", "baselines", "cost", "curves", "cards_failed"} <= report.keys()
    assert report["cards_failed"] == {}
    assert report["status"] == {"planned": 0, "done": 12, "failed": 0, "diverged": 0, "stopped": 0}
    assert report["audit"]["estimable"]
    assert all(row.keys() >= EFFECT_FIELDS for row in report["effects"])
    assert {row["baseline"] for row in report["baselines"]} == {"white", "copy_input", "pretrained"}
    assert all(row["n"] == 3 and row["low"] < row["mean"] < row["high"] for row in report["cells"])


def test_same_input_gives_the_same_bytes(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    for name in ("first", "second"):
        write_report(folder, tmp_path / name)
    for name in ("report.json", "report.md", "index.html"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_the_page_fetches_nothing_and_its_ids_are_unique(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    page = write_report(make_sweep(), tmp_path / "report").page
    links = parse(page)
    assert all(value.startswith(("#", "data:")) for value in links.fetched)
    assert not re.search(r"@import|url\((?!#)", page.read_text())
    assert len(links.ids) == len(set(links.ids))
    assert {value[1:] for value in links.fetched if value.startswith("#")} <= set(links.ids)


def test_markdown_figures_exist(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    write_report(make_sweep(), tmp_path / "report")
    names = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", (tmp_path / "report" / "report.md").read_text())
    assert len(names) >= 5
    assert all((tmp_path / "report" / name).is_file() for name in names)


def test_failed_trials_are_listed_with_their_command_and_excluded(
    make_sweep: Callable[..., Path], tmp_path: Path
) -> None:
    page = write_report(make_sweep(status={"two_stage-facelift-1": "failed"}), tmp_path / "report").page
    text = parse(page).text
    assert "1 of 12 trials not done" in text
    assert "RuntimeError: <disk> full & lost" in text
    assert "python -m mflab.sweep +sweep=known sweep.only=two_stage-facelift-1" in text
    assert "<disk>" not in page.read_text()
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [row["trial_id"] for row in report["excluded"]] == ["two_stage-facelift-1"]
    assert {row["n"] for row in report["cells"] if row["arm"] == "two_stage · facelift"} == {2}


def test_one_seed_shows_no_interval_and_decides_nothing(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    report = write_report(make_sweep(seeds=(0,)), tmp_path / "report")
    assert report.failed_cards == {}
    assert report.sentences[0] == "No factor made a distinguishable difference with this many seeds."


def test_absent_metrics_and_truncated_ledgers_are_shown(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    with (folder / "ledger.jsonl").open("a") as ledger:
        ledger.write('{"event": "do')
    text = parse(write_report(folder, tmp_path / "report").page).text
    assert "Absent: lpips. Reason: no backbone weights" in text
    assert "1 × unreadable (a line of the ledger was cut short by a crash and does not count)" in text


@pytest.mark.parametrize(
    ("missing", "cards"),
    [
        ("metrics.parquet", {"verdict", "curves", "views", "retention", "images"}),
        ("baselines.parquet", {"cells", "verdict", "curves", "views", "retention", "definitions"}),
        ("images", {"images"}),
    ],
)
def test_a_card_without_its_table_says_why(
    make_sweep: Callable[..., Path], tmp_path: Path, missing: str, cards: set[str]
) -> None:
    folder = make_sweep()
    (folder / missing).rename(folder / "away")
    report = write_report(folder, tmp_path / "report")
    assert set(report.failed_cards) == cards
    assert all(missing in reason for reason in report.failed_cards.values())
    assert parse(report.page).text.count("This card could not be made.") == len(cards)


def test_a_sweep_that_has_not_run_yet_still_reports(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    ids = [f"{a}-{b}-{s}" for a in ("single", "two_stage") for b in ("facelift", "mouse_elevated") for s in (0, 1, 2)]
    report = write_report(make_sweep(status=dict.fromkeys(ids, "planned")), tmp_path / "report")
    assert "No trial is done yet, so there is no answer." in report.sentences


def test_a_one_factor_design_reports_main_effects_only(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    report = write_report(make_sweep(design="one_factor"), tmp_path / "report")
    assert report.failed_cards == {}
    effects = json.loads((tmp_path / "report" / "report.json").read_text())["effects"]
    assert {row["kind"] for row in effects} == {"main"}
    assert all(row["n"] == 3 and row["pairs_used"] == row["pairs_planned"] == 3 for row in effects)


def test_many_arms_share_colours_by_factor(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    schedules, styles = ("single", "two_stage", "three_stage"), ("facelift", "mouse_elevated", "realistic")
    folder = make_sweep(schedules=schedules, styles=styles, style=0.1, interaction=0.0)
    drawn = arm_styles(Sweep(folder))
    assert len(set(drawn.values())) == 9
    for arm in Sweep(folder).arms:
        assert drawn[arm.label].colour == HUES[styles.index(arm.cell["style"])]
    assert write_report(folder, tmp_path / "report").failed_cards == {}


def test_a_sweep_without_factors_reports_its_means(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    plan = read_plan(folder)
    trials = tuple(replace(t, cell={}) for t in plan.trials if t.cell == {"schedule": "single", "style": "facelift"})
    runs = [Run({}, trial.seed) for trial in trials]
    plan = replace(plan, factors=(), trials=trials, stages=(), audit=audit_design((), runs).to_dict())
    (folder / "plan.json").write_text(plan.to_json())
    table = pd.read_csv(folder / "trials.csv")
    table = table[table.trial_id.isin([trial.trial_id for trial in trials])].drop(columns=["schedule", "style"])
    table.to_csv(folder / "trials.csv", index=False)
    report = write_report(folder, tmp_path / "report")
    assert set(report.failed_cards) == {"answer", "omnibus", "effects"}
    assert all("has no factors" in reason for reason in report.failed_cards.values())
    assert report.sentences[0].startswith("Best arm: all trials with val/psnr_fg")


def test_infinite_responses_count_as_missing(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    trials = pd.read_csv(folder / "trials.csv")
    trials.loc[0, "val/psnr_fg"] = float("inf")
    trials.to_csv(folder / "trials.csv", index=False)
    page = write_report(folder, tmp_path / "report").page
    assert "is not a finite number, so excluded too: single-facelift-0" in parse(page).text
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["effects"][0]["pairs_used"] < report["effects"][0]["pairs_planned"]


def test_seeds_that_change_nothing_show_no_interval(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    report = write_report(make_sweep(seed_sd=0.0, noise_sd=0.0), tmp_path / "report")
    assert set(report.failed_cards) == {"omnibus"}
    text = parse(report.page).text
    assert "(n = 3 identical)" in text
    assert "± 0.00" not in text
    assert "schedule: two_stage against single is undecided: seeds change nothing here: no interval" in text


def test_other_responses_are_folded_on_the_page_only(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    page = write_report(make_sweep(), tmp_path / "report").page.read_text()
    assert page.count("<details>") == page.count("</details>") == 2
    assert "<details><summary>Every trial that ran, in run order: 12</summary>" in page
    assert "<details><summary>2 contrasts on 1 other response</summary>" in page
    markdown = (tmp_path / "report" / "report.md").read_text()
    assert "<details" not in markdown
    assert "| response | effect |" in markdown


@pytest.mark.parametrize("recorded", [99.0, None])
def test_overhead_of_failed_trials_is_ignored(
    make_sweep: Callable[..., Path], tmp_path: Path, recorded: float | None
) -> None:
    folder = make_sweep(status={"two_stage-facelift-1": "failed"})
    trials = pd.read_csv(folder / "trials.csv")
    trials.loc[trials["status"] == "failed", "overhead_seconds"] = recorded
    trials.to_csv(folder / "trials.csv", index=False)
    page = write_report(folder, tmp_path / "report").page
    assert json.loads((tmp_path / "report" / "report.json").read_text())["cost"]["max_overhead_seconds"] == 0.12
    assert "Largest overhead of a done trial: 0.12 s; largest memory: 0.90 GB." in parse(page).text


def test_command_names_where_reports_went(
    make_sweep: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_sweep("one_sweep")
    make_sweep("two_sweep")
    outputs, out = tmp_path / "outputs", tmp_path / "reports"
    assert main(["--outputs", str(outputs), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    for name in ("one_sweep", "two_sweep"):
        assert f"{out / name / 'index.html'}" in printed
        assert (out / name / "index.html").is_file()
    assert "schedule: two_stage is better than single" in printed


@pytest.mark.parametrize("arguments", [["nonsense"], []])
def test_a_missing_sweep_is_one_clear_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main([*arguments, "--outputs", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_script_runs_from_the_root_without_torch(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    code = (
        "import runpy, sys; sys.argv = ['analysis/make_report.py', *sys.argv[1:]]; sys.path[0] = 'analysis'\n"
        "try: runpy.run_path('analysis/make_report.py', run_name='__main__')\n"
        "except SystemExit as stop: assert stop.code == 0, stop.code\n"
        "assert 'torch' not in sys.modules and 'ray' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(folder), "--out", str(tmp_path / "report")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "report" / "index.html").is_file()
