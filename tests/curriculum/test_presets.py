"""The shipped curricula resolve to the boundaries they claim."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from mflab.curriculum import Curriculum, CurriculumCfg

PRESETS = Path(__file__).resolve().parents[2] / "conf" / "curriculum"


def preset(name: str, num_steps: int) -> Curriculum:
    values = OmegaConf.to_container(OmegaConf.load(PRESETS / f"{name}.yaml"))
    assert isinstance(values, dict)
    assert values.pop("defaults") == ["curriculum_schema", "_self_"]
    cfg = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(CurriculumCfg), values))
    assert isinstance(cfg, CurriculumCfg)
    assert cfg.name == name
    return Curriculum(cfg, num_steps, "realistic", "none", "fixed")


@pytest.mark.parametrize(
    ("name", "ends", "prompts"),
    [
        ("single", [20_000], ["realistic"]),
        ("two_stage", [5000, 20_000], ["facelift", "realistic"]),
        ("three_stage", [2000, 5000, 20_000], ["facelift", "facelift_elevated", "realistic"]),
        ("blend", [2000, 10_000, 20_000], ["facelift", "realistic", "realistic"]),
    ],
)
def test_preset_has_the_boundaries_of_the_notes(name: str, ends: list[int], prompts: list[str]) -> None:
    curriculum = preset(name, 20_000)
    assert [stage.end for stage in curriculum.stages] == ends
    assert [stage.prompt for stage in curriculum.stages] == prompts


def test_blend_moves_from_facelift_to_the_target() -> None:
    state = preset("blend", 100).at(29)
    assert (state.prompt_from, state.prompt_to, state.blend) == ("facelift", "realistic", 0.5)


def test_every_preset_is_tested() -> None:
    assert {path.stem for path in PRESETS.glob("*.yaml")} == {"single", "two_stage", "three_stage", "blend"}
