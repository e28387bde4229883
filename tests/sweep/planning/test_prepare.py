"""What a plan tells of the stages of its trials, and what is checked of their models."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mflab.model import ModelCfg, MVDiffusion, make_model
from mflab.results import read_plan
from mflab.sweep.planning import prepare
from mflab.sweep.planning.findings import kept_finding
from tests.sweep.conftest import TINY

# The last stage of every arm: what its level sets, other than its prompt.
LAST = {
    "as_before": {},
    "realistic": {},
    "facelift": {},
    "mild_augmentation": {"augmentation": "mild"},
    "lr_cool_down": {"lr_multiplier_end": 0.0},
    "lr_tenth": {"lr_multiplier": 0.1},
    "attention_only": {"trainable": "attention"},
    "decoder_only": {"trainable": "decoder"},
}


def test_a_plan_tells_what_every_stage_sets(data_folder: Path, tmp_path: Path, sweep: Callable[..., int]) -> None:
    paths = [f"paths.data={data_folder}", f"paths.outputs={tmp_path}"]
    assert sweep([*TINY, *paths, "+sweep=late_stage", "train.steps=8", "sweep.dry_run=true"]) == 0
    trials = read_plan(tmp_path / "late_stage").trials
    assert {trial.cell["last_quarter"]: trial.stages[-1].settings for trial in trials} == LAST
    assert all(trial.stages[0].settings == {} for trial in trials)


def test_group_choices_and_settings_of_the_whole_run_are_told(
    data_folder: Path, tmp_path: Path, sweep: Callable[..., int]
) -> None:
    paths = [f"paths.data={data_folder}", f"paths.outputs={tmp_path}", "sweep.name=blend"]
    chosen = ["curriculum=blend", "train.steps=20", "train.augmentation=mild", "train.reference=random"]
    assert sweep([*TINY, *paths, *chosen, "sweep.dry_run=true"]) == 0
    (trial,) = read_plan(tmp_path / "blend").trials
    whole = {"augmentation": "mild", "reference": "random"}
    assert [span.settings for span in trial.stages] == [whole, {"transition": "linear", **whole}, whole]


def test_a_model_is_built_for_the_first_plan_alone(
    data_folder: Path, tmp_path: Path, sweep: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[ModelCfg] = []

    def make(cfg: ModelCfg, *rest: Any) -> MVDiffusion:
        built.append(cfg)
        return make_model(cfg, *rest)

    monkeypatch.setattr(prepare, "make_model", make)
    paths = [f"paths.data={data_folder}", f"paths.outputs={tmp_path}", "sweep.dry_run=true"]
    assert sweep([*TINY, *paths, "sweep.name=first"]) == 0
    first = read_plan(tmp_path / "first").disk_bytes
    assert len(built) == 1 and first
    assert sweep([*TINY, *paths, "sweep.name=second", "train.steps=7"]) == 0
    assert len(built) == 1 and read_plan(tmp_path / "second").disk_bytes == first
    assert sweep([*TINY, *paths, "sweep.name=third", "model.unet.widths=[16]"]) == 0
    assert len(built) == 2 and read_plan(tmp_path / "third").disk_bytes > first


def test_a_model_that_cannot_be_built_is_refused_every_time(
    data_folder: Path, tmp_path: Path, sweep: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [f"paths.data={data_folder}", f"paths.outputs={tmp_path}", "sweep.name=odd", "model.unet.widths=[9]"]
    for _ in range(2):
        assert sweep([*TINY, *paths, "sweep.dry_run=true"]) == 2
        assert "Each width must be divisible by norm_groups=4" in capsys.readouterr().err


def test_a_damaged_finding_is_made_again(tmp_path: Path) -> None:
    assert kept_finding(tmp_path, "check", 1, lambda: {"found": 1}) == {"found": 1}
    assert kept_finding(tmp_path, "check", 1, lambda: {"found": 2}) == {"found": 1}
    assert kept_finding(tmp_path, "check", 2, lambda: {"found": 2}) == {"found": 2}
    (one, _) = sorted((tmp_path / "preflight").iterdir(), key=lambda path: path.read_text())
    one.write_text("")
    assert kept_finding(tmp_path, "check", 1, lambda: {"found": 3}) == {"found": 3}


def test_planning_again_loads_no_diffusers(data_folder: Path, tmp_path: Path, sweep: Callable[..., int]) -> None:
    paths = [f"paths.data={data_folder}", f"paths.outputs={tmp_path}", "sweep.name=light", "sweep.dry_run=true"]
    assert sweep([*TINY, *paths]) == 0
    code = f"""
import sys
from mflab.sweep.command import main
assert main({[*TINY, *paths]!r}) == 0
print(sorted(name for name in ("diffusers", "transformers", "torchvision", "torch._dynamo") if name in sys.modules))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
