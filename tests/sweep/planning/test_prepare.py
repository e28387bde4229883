"""What a plan tells of the stages of its trials, and what is checked and shared of their cells."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from mflab.config import compose
from mflab.design import parse_factors
from mflab.errors import MflabError
from mflab.results import read_plan
from mflab.sweep.planning.cells import compose_cells
from mflab.sweep.planning.prepare import Preparer
from mflab.sweep.stages.opening import InputCache
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


def test_what_cells_have_in_common_is_what_each_would_find(data_folder: Path, tmp_path: Path) -> None:
    """Cells that differ in anything but the optimiser share nothing that depends on it."""
    overrides = [*TINY, f"paths.data={data_folder}", f"paths.outputs={tmp_path}", "train.steps=20"]
    changes = {
        "lr": ("optim.lr", (1e-3, 2e-3)),
        "style": ("prompts.style", ("mouse_elevated", "facelift")),
        "curriculum": ("curriculum", ("single", "two_stage")),
        "batch": ("train.batch_size", (2, 3)),
        "size": ("data.num_val", (2, 3)),
        "scenes": ("validation.num_scenes", (1, 2)),
        "width": ("model.unet.widths", ([8], [16])),
    }
    factors = parse_factors({name: {"key": key, "levels": list(levels)} for name, (key, levels) in changes.items()})
    first = {factor.name: factor.level_names[0] for factor in factors}
    cells = [first, *({**first, factor.name: factor.level_names[1]} for factor in factors)]
    cells += [{**cell, "lr": factors[0].level_names[1]} for cell in cells]
    preparer = Preparer(InputCache())
    prepared = [preparer.cell(*one) for one in compose_cells(factors, cells, overrides)]
    for cell in prepared:
        alone = Preparer(InputCache()).cell(copy.deepcopy(cell.config), cell.overrides)
        for name in ("identity", "keys", "records", "state_bytes", "stages", "views"):
            assert getattr(cell, name) == getattr(alone, name), name
        assert cell.inputs.validation_steps == alone.inputs.validation_steps
        assert cell.inputs.loader.batch_size == alone.inputs.loader.batch_size
    assert len({cell.identity for cell in prepared}) == len(cells) - 2
    half = len(cells) // 2
    assert all(one.inputs is other.inputs for one, other in zip(prepared[:half], prepared[half:], strict=True))
    assert len({id(cell.inputs) for cell in prepared}) == half - 1


def test_a_cell_with_an_impossible_optimiser_is_refused_beside_others(data_folder: Path, tmp_path: Path) -> None:
    config = compose([*TINY, f"paths.data={data_folder}", f"paths.outputs={tmp_path}"])
    preparer = Preparer(InputCache())
    preparer.cell(config, ())
    with pytest.raises(MflabError, match="lr must be positive"):
        preparer.cell(dataclasses.replace(config, optim=dataclasses.replace(config.optim, lr=0.0)), ())
