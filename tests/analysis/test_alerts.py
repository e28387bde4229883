import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.alerts import alerts
from analysis.findings import Findings
from analysis.load import Sweep
from analysis.report import write_report
from mflab.results import read_plan

OVERLAP = "Validation images of mice-64, rats were also trained on: numbers show fitting, not generalisation."


def set_overlap(folder: Path, names: list[str]) -> None:
    plan = read_plan(folder)
    plan = replace(plan, provenance={**plan.provenance, "overlap": names})
    (folder / "plan.json").write_text(plan.to_json(), encoding="utf-8")


def test_overlap_is_said_on_the_page_in_markdown_and_in_json(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    set_overlap(folder, ["mice-64", "rats"])
    write_report(folder, tmp_path / "report")
    assert json.loads((tmp_path / "report" / "report.json").read_text())["alerts"] == [OVERLAP]
    assert f'<p class="note problem alert">{OVERLAP}</p>' in (tmp_path / "report" / "index.html").read_text()
    assert f"**{OVERLAP}**" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.parametrize("recorded", [True, False])
def test_no_overlap_gives_no_alert(make_sweep: Callable[..., Path], recorded: bool) -> None:
    folder = make_sweep()
    if recorded:
        set_overlap(folder, [])
    assert alerts(Findings(Sweep(folder))) == []


def test_statistical_exactness_of_the_device_is_said_at_the_head(
    make_sweep: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_sweep()
    plan = replace(read_plan(folder), exactness="statistical")
    (folder / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    page = write_report(folder, tmp_path / "report").page.read_text()
    assert "on this device shared and repeated stages are only statistically equal" in page
    assert json.loads((tmp_path / "report" / "report.json").read_text())["exactness"] == "statistical"


def test_statistical_trials_in_the_ledger_are_counted_once_each(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    rows = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    ended = [row for row in rows if row["event"] == "done"][:2]
    with (folder / "ledger.jsonl").open("a") as ledger:
        ledger.writelines(json.dumps({**row, "exactness": "statistical"}) + "\n" for row in [*ended, ended[0]])
    (alert,) = alerts(Findings(Sweep(folder)))
    assert alert.startswith("Exactness is statistical for 2 trials")


def test_missing_trials_are_counted(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep(status={"two_stage-facelift-1": "failed"})
    assert alerts(Findings(Sweep(folder))) == ["1 of 12 trials not done."]
