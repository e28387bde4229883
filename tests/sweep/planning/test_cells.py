"""Cells: a copy with its levels put in equals what Hydra composes, and where it cannot, Hydra is asked."""

import dataclasses
import itertools
import logging
import shutil
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mflab.config import CONF, RootCfg, compose, composition
from mflab.design import full_factorial, parse_factors
from mflab.errors import MflabError
from mflab.sweep.planning import cells
from mflab.sweep.planning.cells import CellComposer, compose_cells, with_seed
from mflab.sweep.planning.overrides import format_override

BASE = ["train.batch_size=3", "curriculum.name=own", "sweep.only=0123", "sweep.dry_run=true"]
KEPT = ("train.batch_size=3", "curriculum.name=own")
# Keys with values as YAML gives them: numbers for texts, texts for numbers, choices, lists, parts of parts.
SCALARS: dict[str, list[Any]] = {
    "optim.lr": [1e-3, 1, "2e-4", 12345678901234567, 1e22],
    "optim.schedule": ["constant", "cosine"],
    "train.steps": [3, "12", 0],
    "train.keep_weights": [True, "off", 0],
    "prompts.style": ["realistic", 3, True, 1e-5, "a b", "it's", "null", "a\\b", "x/y.z-1", 'say "x"', "a,b: c"],
    "curriculum.unit": ["steps", "fraction"],
    "curriculum.stages.0.until": [0.2, 1],
    "model.unet.multiview_attention": ["none", "front"],
    "data.size": [16, 32],
    "paths.outputs": ["elsewhere", "/tmp/x"],
    "seed": [3],
}
POOL: dict[str, list[Any]] = {
    **SCALARS,
    "prompts": ["clip", "hashed", {"width": 8, "length": 4}],
    "curriculum": ["single", "two_stage", "blend"],
    "curriculum.stages": [[{"until": 0.3, "prompt": "facelift"}, {"until": 1.0}]],
    "model.unet": [{"widths": [8, 8]}],
    "validation.at": [[0, 1], [0.5, 1.0]],
    "validation.at.0": [0, 0.1],
}


@pytest.fixture(scope="module")
def composer() -> CellComposer:
    """One for all examples, which never checks itself, so that every difference comes out."""
    made = CellComposer(BASE)
    made._checked = {(str(number),) for number in range(cells.MAX_CHECKED)}
    return made


def conf_with(folder: Path, choices: dict[str, str]) -> Path:
    shutil.copytree(CONF, folder)
    for path, text in choices.items():
        (folder / path).write_text(text)
    return folder


@st.composite
def chosen_settings(draw: st.DrawFn) -> dict[str, Any]:
    keys = draw(st.lists(st.sampled_from(sorted(POOL)), min_size=1, max_size=5, unique=True))
    return {key: draw(st.sampled_from(POOL[key])) for key in keys}


@settings(max_examples=12, deadline=None, derandomize=True)
@given(chosen=chosen_settings())
def test_any_cell_equals_what_hydra_composes(composer: CellComposer, chosen: dict[str, Any]) -> None:
    config, overrides = composer.compose(chosen)
    assert overrides == (*KEPT, *(format_override(key, value) for key, value in chosen.items()))
    assert repr(config) == repr(compose(overrides))
    assert composer.is_fast


def test_scalars_are_converted_as_hydra_converts_them(composer: CellComposer) -> None:
    for values in itertools.zip_longest(*SCALARS.values()):
        chosen = {key: value for key, value in zip(SCALARS, values, strict=True) if value is not None}
        copied = composer._copy(chosen)
        assert repr(copied) == repr(compose(composer.compose(chosen)[1]))


def test_a_new_number_needs_no_hydra(composer: CellComposer, monkeypatch: pytest.MonkeyPatch) -> None:
    composer.compose({"curriculum": "two_stage"})
    monkeypatch.setattr(cells, "compose", None)
    made, _ = composer.compose({"optim.lr": 0.123, "curriculum.stages.1.until": 0.75, "curriculum": "two_stage"})
    assert (made.optim.lr, [stage.until for stage in made.curriculum.stages]) == (0.123, [0.25, 0.75])


@pytest.mark.parametrize(
    "chosen",
    [
        {"curriculum.stages": [{"until": 0.3}, {"until": 1.0}], "curriculum.stages.1.base_fraction": 0.5},
        {"optim.lr": 0.5, "optim": {"weight_decay": 3}},
        {"optim.warmup_steps": "${train.steps}", "train.steps": 7},
        {"train.steps": 7, "+sweep.baseline.style": "a"},
    ],
)
def test_settings_that_meet_go_through_hydra_with_a_warning(
    composer: CellComposer, chosen: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    composer._has_warned = False
    config, overrides = composer.compose(chosen)
    assert config == compose(overrides)
    assert "composed through Hydra" in caplog.text
    assert composer.is_fast


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.steps", "abc"),
        ("train.steps", 1.5),
        ("optim.lr", None),
        ("optim.schedule", "nope"),
        ("optim.nope", 1),
        ("curriculum", "nope"),
        ("curriculum.stages.7.until", 0.5),
        ("curriculum.stages", [{"until": "x"}]),
        ("model.weights", "???"),
    ],
)
def test_a_wrong_setting_fails_as_it_does_in_hydra(composer: CellComposer, key: str, value: object) -> None:
    chosen = {"prompts.style": "simple", key: value}
    with pytest.raises(MflabError) as expected:
        compose([*KEPT, *(format_override(one, chosen[one]) for one in chosen)])
    with pytest.raises(MflabError) as found:
        composer.compose(chosen)
    assert str(found.value) == str(expected.value)


def test_cells_equal_hydra_and_share_what_they_have_in_common(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = parse_factors(
        {
            "schedule": {"key": "curriculum", "levels": ["single", "two_stage"]},
            "lr": {"levels": {"low": {"optim.lr": 1e-4, "train.steps": 9}, "high": {"optim.lr": 1, "train.steps": 8}}},
        }
    )
    table = full_factorial(factors)
    through_hydra = compose_cells(factors, [*table, table[0]], BASE)
    assert through_hydra == [(compose(texts), texts) for _, texts in through_hydra]
    assert [texts[-3:] for _, texts in through_hydra][1] == ("curriculum=single", "optim.lr=1", "train.steps=8")
    monkeypatch.setattr(cells, "FEW_CELLS", 4)
    copied = compose_cells(factors, [*table, table[0]], BASE)
    assert copied == through_hydra
    assert copied[-1] is copied[0]
    assert copied[2][0].curriculum is copied[3][0].curriculum


def test_a_copy_that_hydra_contradicts_ends_all_copying(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    factors = parse_factors({"steps": {"key": "train.steps", "levels": [1, 2, 3]}})
    monkeypatch.setattr(cells, "FEW_CELLS", 2)
    monkeypatch.setattr(cells, "convert_scalar", lambda kind, value: value + (value > 1))
    made = compose_cells(factors, full_factorial(factors), [])
    assert [config.train.steps for config, _ in made] == [1, 2, 3]
    assert "train.steps=3 do together what none does alone" in caplog.text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "# @package _global_\ncurriculum: {name: odd}\ntrain: {steps: 77}\n",
            "odd sets more than curriculum",
        ),
        ("defaults: [curriculum_schema, _self_]\nname: s${train.steps}\n", "odd holds a value that is computed"),
    ],
)
def test_a_choice_that_reaches_beyond_its_group_ends_all_copying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    monkeypatch.setattr(composition, "CONF", conf_with(tmp_path / "conf", {"curriculum/odd.yaml": text}))
    composer = CellComposer([])
    for chosen in ({"train.steps": 5, "curriculum": "odd"}, {"curriculum": "odd"}, {"train.steps": 6}):
        config, overrides = composer.compose(chosen)
        assert config == compose(overrides)
    assert not composer.is_fast
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert reason in caplog.text


def test_a_base_with_computed_values_is_never_copied() -> None:
    composer = CellComposer(["optim.warmup_steps=${train.steps}"])
    assert not composer.is_fast
    assert composer.compose({"train.steps": 7})[0].optim.warmup_steps == 7


def test_no_part_of_a_config_does_more_than_hold_values() -> None:
    """Copies are made without the constructor: what it would check or derive would be missed."""
    seen: set[type] = set()
    waiting: list[Any] = [RootCfg]
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if dataclasses.is_dataclass(kind) and kind not in seen:
            assert isinstance(kind, type) and not hasattr(kind, "__post_init__") and not hasattr(kind, "__slots__")
            seen.add(kind)
            waiting += get_type_hints(kind).values()
    assert len(seen) > 15


def test_another_seed_shares_all_other_parts() -> None:
    config = compose(["seed=1"])
    other = with_seed(config, 2)
    assert (config.seed, other.seed) == (1, 2)
    assert other.optim is config.optim
