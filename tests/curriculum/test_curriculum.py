"""Stages cover all steps once, boundaries fall where they are declared, wrong curricula are refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mflab.curriculum import Curriculum, CurriculumCfg, StageCfg, Trainable, Transition, Unit
from mflab.errors import MflabError


def resolve(stages: list[StageCfg], num_steps: int = 100, unit: Unit = Unit.fraction) -> Curriculum:
    return Curriculum(CurriculumCfg("test", unit, stages), num_steps, "mouse_elevated", "flip", "rotated")


Drawn = tuple[int, Unit, list[tuple[float, str, Transition]]]


@st.composite
def drawn_curricula(draw: st.DrawFn) -> Drawn:
    """Draws plain values: built in the test, since type checks of containers use the random module."""
    num_steps = draw(st.integers(1, 300))
    ends = sorted(draw(st.sets(st.integers(1, num_steps), max_size=min(6, num_steps))) | {num_steps})
    unit = draw(st.sampled_from(Unit))
    prompts = st.sampled_from(["target", "facelift", "realistic"])
    stages = [
        (
            float(end) if unit is Unit.steps else end / num_steps,
            draw(prompts),
            draw(st.sampled_from(Transition)) if index else Transition.switch,
        )
        for index, end in enumerate(ends)
    ]
    return num_steps, unit, stages


def build(drawn: Drawn) -> Curriculum:
    num_steps, unit, stages = drawn
    return resolve([StageCfg(*stage) for stage in stages], num_steps, unit)


@given(drawn_curricula())
def test_ranges_partition_all_steps(drawn: Drawn) -> None:
    curriculum = build(drawn)
    covered = [step for stage in curriculum.stages for step in range(stage.start, stage.end)]
    assert covered == list(range(curriculum.num_steps))


@given(drawn_curricula())
def test_stage_index_never_falls_and_blend_lies_in_unit_interval(drawn: Drawn) -> None:
    curriculum = build(drawn)
    states = [curriculum.at(step) for step in range(curriculum.num_steps)]
    assert all(b.index - a.index in (0, 1) for a, b in pairwise(states))
    assert all(0 < state.blend <= 1 for state in states)
    assert all(state.blend == 1 for state in states if state.stage.transition is Transition.switch)
    assert all(b.blend > a.blend or b.blend == 1 for a, b in pairwise(states) if a.index == b.index)


@given(drawn_curricula())
def test_last_step_of_each_stage_shows_its_own_prompt_alone(drawn: Drawn) -> None:
    curriculum = build(drawn)
    for stage in curriculum.stages:
        state = curriculum.at(stage.end - 1)
        assert (state.stage, state.prompt_to, state.blend) == (stage, stage.prompt, 1.0)


def test_both_sides_of_each_boundary() -> None:
    stages = [StageCfg(0.1, "facelift"), StageCfg(0.25, "facelift_elevated"), StageCfg(1.0)]
    curriculum = resolve(stages, 20_000)
    prompts = [curriculum.at(step).prompt_to for step in (0, 1999, 2000, 4999, 5000, 19_999)]
    assert prompts == ["facelift"] * 2 + ["facelift_elevated"] * 2 + ["mouse_elevated"] * 2
    assert curriculum.prompt_styles == ("facelift", "facelift_elevated", "mouse_elevated")


def test_linear_blend_rises_evenly_from_the_previous_prompt() -> None:
    curriculum = resolve([StageCfg(4.0, "facelift"), StageCfg(8.0, transition=Transition.linear)], 8, Unit.steps)
    states = [curriculum.at(step) for step in range(3, 8)]
    assert [state.blend for state in states] == [1.0, 0.25, 0.5, 0.75, 1.0]
    assert [state.prompt_from for state in states] == ["facelift"] * 5
    assert [state.prompt_to for state in states] == ["facelift"] + ["mouse_elevated"] * 4


def test_blend_between_equal_prompts_is_that_prompt() -> None:
    curriculum = resolve([StageCfg(0.5, "mouse_elevated"), StageCfg(1.0, transition=Transition.linear)])
    state = curriculum.at(50)
    assert (state.prompt_from, state.prompt_to, state.blend) == ("mouse_elevated", "mouse_elevated", 1.0)


def test_target_takes_the_settings_of_the_run() -> None:
    first, second = resolve([StageCfg(0.5, augmentation="none", reference="fixed"), StageCfg(1.0)]).stages
    assert (first.prompt, first.augmentation, first.reference) == ("mouse_elevated", "none", "fixed")
    assert (second.prompt, second.augmentation, second.reference) == ("mouse_elevated", "flip", "rotated")


def test_equal_neighbours_stay_as_declared() -> None:
    assert [(s.start, s.end) for s in resolve([StageCfg(0.5), StageCfg(1.0)]).stages] == [(0, 50), (50, 100)]


@pytest.mark.parametrize(
    ("stages", "unit", "words"),
    [
        ([], Unit.fraction, "at least 1 stage"),
        ([StageCfg(0.5), StageCfg(0.5), StageCfg(1.0)], Unit.fraction, "above 0.5, but got 0.5"),
        ([StageCfg(0.0), StageCfg(1.0)], Unit.fraction, "above 0, but got 0"),
        ([StageCfg(float("nan"))], Unit.fraction, "got nan"),
        ([StageCfg(0.5)], Unit.fraction, "must be 1.0.*0.5"),
        ([StageCfg(0.5), StageCfg(2.0)], Unit.fraction, "must be 1.0.*got 2"),
        ([StageCfg(0.5), StageCfg(100.0)], Unit.steps, "whole number of steps, but got 0.5"),
        ([StageCfg(90.0)], Unit.steps, "100 steps.*got 90"),
        ([StageCfg(0.004), StageCfg(1.0)], Unit.fraction, r"stage 0 \(until=0.004 of 100 steps\) spans \[0, 0\)"),
        ([StageCfg(0.999), StageCfg(1.0)], Unit.fraction, r"stage 1 .* spans \[100, 100\)"),
        ([StageCfg(1.0, transition=Transition.linear)], Unit.fraction, "first stage.*linear"),
        ([StageCfg(1.0, lr_multiplier=0.0)], Unit.fraction, "lr_multiplier must be above 0, but got 0"),
        ([StageCfg(1.0, base_fraction=1.5)], Unit.fraction, r"base_fraction must lie in \[0, 1\], but got 1.5"),
        ([StageCfg(1.0, prompt="")], Unit.fraction, "prompt must be a name"),
    ],
)
def test_wrong_curricula_are_refused_with_their_values(stages: list[StageCfg], unit: Unit, words: str) -> None:
    with pytest.raises(MflabError, match=words):
        resolve(stages, 100, unit)


@pytest.mark.parametrize("step", [-1, 100])
def test_steps_outside_the_run_are_refused(step: int) -> None:
    with pytest.raises(MflabError, match=rf"\[0, 100\), but got step={step}"):
        resolve([StageCfg(1.0)]).at(step)


def test_no_steps_are_refused() -> None:
    with pytest.raises(MflabError, match="num_steps=0"):
        resolve([StageCfg(1.0)], 0)


def test_config_survives_omegaconf() -> None:
    values = {"stages": [{"until": 0.5, "transition": "switch", "trainable": "attention"}, {"until": 1}]}
    cfg = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(CurriculumCfg), values))
    assert isinstance(cfg, CurriculumCfg)
    assert cfg.stages == [StageCfg(0.5, trainable=Trainable.attention), StageCfg(1.0)]
