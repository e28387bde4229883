"""What a plan tells of the stages of its trials."""

from collections.abc import Callable
from pathlib import Path

from mflab.results import read_plan
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
