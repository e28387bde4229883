import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analysis.alerts import alerts
from analysis.findings import Findings
from analysis.load import Sweep
from analysis.report import write_report
from tests.analysis.kinds import KINDS, SEEDS


def forget_response(folder: Path, num_trials: int | None) -> list[str]:
    """Takes the declared response from the first trials; None takes the column."""
    table = pd.read_csv(folder / "trials.csv")
    chosen = table["trial_id"].tolist()[:num_trials]
    table.loc[table["trial_id"].isin(chosen), "val/psnr_fg"] = float("nan")
    if num_trials is None:
        table = table.drop(columns=["val/psnr_fg"])
    table.to_csv(folder / "trials.csv", index=False)
    return chosen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_trials", [2, None])
def test_done_trials_without_the_declared_response_are_told_and_left_out(
    make_sweep: Callable[..., Path], tmp_path: Path, kind: str, num_trials: int | None
) -> None:
    folder = KINDS[kind](make_sweep(seeds=SEEDS))
    forgotten = forget_response(folder, num_trials)
    report = write_report(folder, tmp_path / "report")
    record = json.loads((tmp_path / "report" / "report.json").read_text())
    (alert,) = [text for text in record["alerts"] if text.startswith("Declared response not recorded")]
    assert f"{len(forgotten)} of 16 done trials without val/psnr_fg enter no mean" in alert
    # No card fell over: whatever cannot be made says why.
    assert not any(re.match(r"\w+(Error|Exception): ", reason) for reason in report.failed_cards.values())
    text = (tmp_path / "report" / "report.md").read_text().replace("\\", "")
    named = ", ".join(forgotten[:6])
    assert f"Done, but val/psnr_fg was not recorded, so excluded too: {named}" in text
    if num_trials is None:
        assert "declare one of them in sweep.response.name" in alert
        assert report.sentences[-1].startswith("16 trials done, but none with a finite val/psnr_fg, so there is no")
        assert not any("No trial is done" in sentence for sentence in report.sentences)
    else:
        assert report.failed_cards.keys() <= {"omnibus"}


def test_every_response_recorded_gives_no_alert(make_sweep: Callable[..., Path]) -> None:
    sweep = Sweep(make_sweep(status={"two_stage-facelift-1": "failed"}))
    assert sweep.without_response == ()
    assert not any("not recorded" in text for text in alerts(Findings(sweep)))


def test_an_infinite_response_was_recorded(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    table = pd.read_csv(folder / "trials.csv")
    table["val/psnr_fg"] = float("inf")
    table.to_csv(folder / "trials.csv", index=False)
    sweep = Sweep(folder)
    assert sweep.without_response == ()
    assert sweep.why_empty == "12 trials done, but none with a finite val/psnr_fg"
