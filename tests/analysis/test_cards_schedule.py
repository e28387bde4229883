import dataclasses
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.blocks import Table, Text
from analysis.cards_schedule import schedule_blocks, stages_text
from analysis.findings import Findings
from analysis.load import Sweep
from analysis.report import write_report
from mflab.curriculum import Stage
from mflab.results import FactorRecord, LevelRecord, StageSpan, read_plan

SETTINGS: dict[str, tuple[Any, str]] = {
    "transition": ("linear", "facelift blended into realistic (75–100)"),
    "augmentation": ("mild", "realistic, augmentation mild (75–100)"),
    "lr_multiplier": (0.1, "realistic, lr × 0.1 (75–100)"),
    "lr_multiplier_end": (0.0, "realistic, lr from × 1 to × 0 (75–100)"),
    "trainable": ("decoder", "realistic, trains decoder only (75–100)"),
    "reference": ("random", "realistic, random reference view (75–100)"),
    "base_fraction": (0.25, "realistic, 25 % base data (75–100)"),
}


def last_quarter(settings: dict[str, Any] | None) -> tuple[StageSpan, StageSpan]:
    return StageSpan(0, 75, "facelift", {}), StageSpan(75, 100, "realistic", settings)


def rewrite(folder: Path, **changes: Any) -> Findings:
    (folder / "plan.json").write_text(replace(read_plan(folder), **changes).to_json(), encoding="utf-8")
    return Findings(Sweep(folder))


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_of_a_stage_is_said_in_words(name: str) -> None:
    value, expected = SETTINGS[name]
    assert stages_text(last_quarter({name: value})) == f"facelift (0–75) → {expected}"


def test_a_curriculum_has_no_setting_without_words() -> None:
    fields = {field.name for field in dataclasses.fields(Stage)}
    assert fields - {"start", "end", "prompt"} == set(SETTINGS)


def test_settings_stand_together_and_unknown_ones_by_their_name() -> None:
    settings = {"lr_multiplier": 0.5, "lr_multiplier_end": 0.1, "trainable": "attention", "weather": ["rain", None]}
    text = stages_text(last_quarter(settings))
    assert text.endswith("realistic, lr from × 0.5 to × 0.1, trains attention only, weather [rain, null] (75–100)")


def test_a_blend_between_equal_prompts_is_that_prompt() -> None:
    spans = StageSpan(0, 5, "facelift", {}), StageSpan(5, 10, "facelift", {"transition": "linear"})
    assert stages_text(spans) == "facelift (0–5) → facelift (5–10)"


def test_arms_that_differ_in_their_last_stage_do_not_look_alike(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    treatments = [{}, {"trainable": "decoder"}, {"augmentation": "mild"}, {"lr_multiplier_end": 0.0}]
    plan = read_plan(folder)
    own = {tuple(trial.cell.values()): None for trial in plan.trials}
    by_cell = dict(zip(own, treatments, strict=True))
    trials = tuple(replace(t, stages=last_quarter(by_cell[tuple(t.cell.values())])) for t in plan.trials)
    (table,) = schedule_blocks(rewrite(folder, trials=trials))
    assert isinstance(table, Table)
    assert table.headers == ("arm", "stages (steps)")
    assert len({row[-1] for row in table.rows}) == 4


def test_settings_that_no_stage_shows_stand_beside_them(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    plan = read_plan(folder)
    levels = tuple(
        LevelRecord(name, {"optim.lr": lr, "curriculum.stages": [{"until": 1.0}], "train.augmentation": "mild"})
        for name, lr in (("single", 2.5e-4), ("two_stage", 1e-3))
    )
    findings = rewrite(folder, factors=(FactorRecord("schedule", levels), plan.factors[1]))
    (table,) = schedule_blocks(findings)
    assert isinstance(table, Table)
    assert table.headers == ("arm", "settings", "stages (steps)")
    assert [row[1] for row in table.rows] == ["optim.lr 0.00025"] * 2 + ["optim.lr 0.001"] * 2


def test_a_plan_that_tells_no_settings_says_so_and_shows_what_the_levels_set(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    plan = read_plan(folder)
    levels = tuple(
        LevelRecord(name, {"curriculum.stages": [{"until": 1.0, "lr_multiplier": factor}]})
        for name, factor in (("single", 1.0), ("two_stage", 0.1))
    )
    trials = tuple(replace(t, stages=tuple(replace(span, settings=None) for span in t.stages)) for t in plan.trials)
    note, table = schedule_blocks(
        rewrite(folder, factors=(FactorRecord("schedule", levels), plan.factors[1]), trials=trials)
    )
    assert isinstance(note, Text)
    assert note.text.startswith("The plan does not tell what stages set beside their prompt style")
    assert isinstance(table, Table)
    assert table.rows[0][1] == "curriculum.stages [{until: 1.0, lr_multiplier: 1.0}]"
    assert table.rows[2][1] == "curriculum.stages [{until: 1.0, lr_multiplier: 0.1}]"


def test_an_arm_without_steps_says_so_on_the_page(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    trials = tuple(
        replace(t, stages=() if t.cell["schedule"] == "single" else t.stages) for t in read_plan(folder).trials
    )
    rewrite(folder, trials=trials)
    write_report(folder, tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text().replace("\\", "")
    assert "| single · facelift | no training |" in text
