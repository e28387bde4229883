"""Real posed images and real embeddings go through the same trainer and report as the miniature."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.command import main as make_report


@pytest.mark.slow
def test_the_real_sample_is_trained_on_and_reported(shared: Path, tmp_path: Path, sweep: Callable[..., int]) -> None:
    data = shared / "data"
    overrides = [
        "+sweep=facelift_sample",
        f"data.root={data / 'facelift_sample' / 'gslrm'}",
        f"prompts.path={data / 'prompt_embeds' / 'facelift' / 'clr_embeds.pt'}",
        "train.steps=3",
        "validation.sampling_steps=2",
        "sweep.seeds=[0]",
    ]
    assert sweep(overrides) == 0
    assert make_report(["facelift_sample", "--out", "report"]) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [effect["n"] for effect in report["effects"] if effect["response"] == "val/psnr_fg"] == [1]
    plan = json.loads((tmp_path / "outputs" / "facelift_sample" / "plan.json").read_text())
    assert len(plan["provenance"]["overlap"]) == 1
    assert any("also trained on" in alert for alert in report["alerts"])
    assert len(list((tmp_path / "outputs" / "facelift_sample" / "images").rglob("*.png"))) >= 3
