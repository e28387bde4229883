"""Validation: fixed noise, honest baselines, the declared steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_task import small_model, small_task

from mflab.data.procedural import ProceduralScenes, World
from mflab.data.scenes import composite
from mflab.data.sources import Sources
from mflab.errors import MflabError
from mflab.geometry import get_rig
from mflab.train import ValidationCfg, Validator, validation_steps

CFG = ValidationCfg(at=[1.0], num_scenes=2, sampling_steps=2, batch_size=1, num_images=1)


@pytest.fixture(scope="module")
def validator(sources: Sources) -> Validator:
    return Validator(sources.val, CFG, "white")


def test_rows_cover_every_scene_view_and_metric_once(sources: Sources, validator: Validator) -> None:
    task = small_task(sources)
    validation = validator.validate(small_model(), task.prompts["facelift"], 7)
    keys = [(row.scene, row.view, row.metric) for row in validation.rows]
    names = {"psnr", "psnr_fg", "psnr_box", "ssim", "ssim_fg", "ssim_box"}
    assert {row.metric for row in validation.rows} == names
    assert len(set(keys)) == len(keys) == 2 * 6 * len(names)
    assert all(row.seen == (row.view == "front") and row.step == 7 for row in validation.rows)
    assert all(np.isfinite(row.value) for row in validation.rows)
    assert validation.images.shape == (1, 6, 3, 16, 16)


def test_validation_is_repeatable_and_its_noise_belongs_to_the_scene(sources: Sources, validator: Validator) -> None:
    prompts, model = small_task(sources).prompts["facelift"], small_model()
    first, second = (validator.validate(model, prompts, 0) for _ in range(2))
    assert first.rows == second.rows
    cfg = ValidationCfg(at=[1.0], num_scenes=2, sampling_steps=2, batch_size=2, num_images=2)
    together = Validator(sources.val, cfg, "white").validate(model, prompts, 0)
    torch.testing.assert_close(together.images[:1], first.images, atol=1e-5, rtol=0)
    assert not torch.equal(together.images[0], together.images[1])


def test_prompts_reach_the_samples(sources: Sources, validator: Validator) -> None:
    prompts, model = small_task(sources).prompts, small_model()
    images = [validator.validate(model, prompts[style], 0).images for style in ("facelift", "mouse_elevated")]
    assert not torch.equal(images[0], images[1])


def test_white_baseline_equals_its_formula_and_the_copy_is_perfect_where_seen(validator: Validator) -> None:
    baselines = validator.baselines()
    rows = {(r.scene, r.view): r.value for r in baselines["white"] if r.metric == "psnr"}
    for scene, images in zip(validator.names, validator.images, strict=True):
        for view, image in zip(validator.view_names, images, strict=True):
            expected = -10 * np.log10(float((image - 1).square().mean()))
            assert rows[scene, view] == pytest.approx(expected, abs=1e-3)
    seen = [r.value for r in baselines["copy_input"] if r.metric == "psnr" and r.seen]
    assert seen == [np.inf] * 2


def test_mean_image_is_that_of_the_training_scenes_on_the_same_background(sources: Sources) -> None:
    validator = Validator(sources.val, CFG, "black")
    assert set(validator.baselines()) == {"white", "copy_input", "ground_truth"}
    rows = {(r.scene, r.view): r.value for r in validator.mean_image(sources.train) if r.metric == "psnr"}
    mean = torch.stack([composite(sources.train[i].rgba, "black")[0] for i in range(len(sources.train))]).mean(0)
    for scene, images in zip(validator.names, validator.images, strict=True):
        for slot, view in enumerate(validator.view_names):
            expected = -10 * np.log10(float((images[slot] - mean[slot]).square().mean()))
            assert rows[scene, view] == pytest.approx(expected, abs=1e-3)


def test_mean_image_of_an_endless_stream_takes_its_first_scenes(
    validator: Validator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mflab.train.validate.MEAN_SCENES", 2)
    endless, two = (
        validator.mean_image(ProceduralScenes(World.mice, get_rig("facelift6_el20"), 16, 0, number))
        for number in (10**6, 2)
    )
    assert endless == two


def test_mean_image_needs_training_scenes_of_the_same_rig(validator: Validator) -> None:
    rig = get_rig("facelift6_el20")
    other = ProceduralScenes(World.mice, replace(rig, view_names=("other", *rig.view_names[1:])), 16, 0, 1)
    with pytest.raises(MflabError, match=r"Training scenes must have the validated views, front, .* but got other"):
        validator.mean_image(other)
    larger = ProceduralScenes(World.mice, rig, 24, 0, 1)
    with pytest.raises(MflabError, match=r"views and pixels of the target, shape \[6, 3, 16, 16\], but got \[6, 3, 24"):
        validator.mean_image(larger)


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (ValidationCfg(num_scenes=9), "at most the 3 validation scenes, but got num_scenes=9"),
        (ValidationCfg(num_scenes=2, sampling_steps=0), "at least 1, but got 0 and 8"),
    ],
)
def test_impossible_settings_are_refused(sources: Sources, cfg: ValidationCfg, message: str) -> None:
    with pytest.raises(MflabError, match=message):
        Validator(sources.val, cfg, "white")


@pytest.mark.parametrize("at", [[0.0, 0.5], [1.0, 1.5], [-0.1, 1.0], []])
def test_validation_must_include_the_end_and_stay_inside_the_run(at: list[float]) -> None:
    with pytest.raises(MflabError, match=r"shares of the run in \[0, 1\], 1 among them"):
        validation_steps(at, 10)


def test_validation_steps_of_a_run_without_training_are_its_start() -> None:
    assert validation_steps([0.0, 0.5, 1.0], 0) == (0,)
