"""All metrics of a scene or a batch of scenes, and the baselines beside them."""

import math

import pytest
import torch
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics import METRICS, copy_input, evaluate_views, mean_image, psnr, psnr_fg, ssim, ssim_fg, white_image


@pytest.fixture
def scenes() -> tuple[Tensor, Tensor, Tensor]:
    """Prediction, target and alpha of 2 scenes x 4 views: textured discs of growing size on white."""
    generator = torch.Generator().manual_seed(0)
    i, j = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    radius = torch.linspace(5, 12, 8).reshape(2, 4, 1, 1, 1)
    alpha = (((i - 16) ** 2 + (j - 16) ** 2) < radius**2).float()
    target = 1 - alpha * torch.rand(2, 4, 3, 32, 32, generator=generator)
    prediction = (target + 0.1 * torch.randn(2, 4, 3, 32, 32, generator=generator)).clamp(0, 1)
    return prediction, target, alpha


def test_each_value_is_that_of_the_single_metric(scenes: tuple[Tensor, Tensor, Tensor]) -> None:
    prediction, target, alpha = scenes
    values = evaluate_views(*scenes)
    assert list(values) == ["psnr", "psnr_fg", "ssim", "ssim_fg"]
    assert all(v.shape == (2, 4) for v in values.values())
    torch.testing.assert_close(values["psnr"], psnr(prediction, target))
    torch.testing.assert_close(values["psnr_fg"], psnr_fg(prediction, target, alpha))
    torch.testing.assert_close(values["ssim"], ssim(prediction, target))
    torch.testing.assert_close(values["ssim_fg"], ssim_fg(prediction, target, alpha))


def test_batch_of_scenes_equals_scene_by_scene(scenes: tuple[Tensor, Tensor, Tensor]) -> None:
    batched = evaluate_views(*scenes)
    for s in range(2):
        prediction, target, alpha = (tensor[s] for tensor in scenes)
        for name, values in evaluate_views(prediction, target, alpha).items():
            torch.testing.assert_close(batched[name][s], values, rtol=0, atol=1e-6)


def test_permuting_views_permutes_values(scenes: tuple[Tensor, Tensor, Tensor]) -> None:
    order = [2, 0, 3, 1]
    prediction, target, alpha = (tensor[:, order] for tensor in scenes)
    straight, permuted = evaluate_views(*scenes), evaluate_views(prediction, target, alpha)
    for name in straight:
        torch.testing.assert_close(permuted[name], straight[name][:, order], rtol=0, atol=1e-6)


def test_every_metric_has_an_entry_with_direction_unit_and_definition(scenes: tuple[Tensor, Tensor, Tensor]) -> None:
    assert set(evaluate_views(*scenes)) <= set(METRICS)
    for info in METRICS.values():
        assert info.direction in ("higher", "lower")
        assert info.definition.endswith(".")
    assert METRICS["psnr_fg"].unit == "dB"


@pytest.mark.parametrize("name", ["psnr", "psnr_fg", "ssim", "ssim_fg"])
def test_direction_of_the_table_matches_the_metric(name: str, scenes: tuple[Tensor, Tensor, Tensor]) -> None:
    prediction, target, alpha = scenes
    better = evaluate_views(0.9 * target + 0.1 * prediction, target, alpha)[name]
    assert METRICS[name].direction == "higher"
    assert (better > evaluate_views(*scenes)[name]).all()


def test_white_image_beats_the_frame_but_not_the_foreground(scenes: tuple[Tensor, Tensor, Tensor]) -> None:
    _, target, alpha = scenes
    values = evaluate_views(white_image(target), target, alpha)
    share = 10 * torch.log10(alpha.mean((-3, -2, -1)))
    torch.testing.assert_close(values["psnr"], values["psnr_fg"] - share)
    assert (values["ssim"] > values["ssim_fg"]).all()


def test_copied_input_is_perfect_on_the_input_view_alone(scenes: tuple[Tensor, Tensor, Tensor]) -> None:
    _, target, alpha = scenes
    values = evaluate_views(copy_input(target, target[:, 0]), target, alpha)["psnr"]
    assert values[:, 0].tolist() == [math.inf] * 2
    assert values[:, 1:].isfinite().all()


def test_mean_image_averages_training_scenes_per_slot_and_never_looks_at_the_target() -> None:
    training = torch.rand(5, 4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    prediction = mean_image(torch.full((2, 4, 3, 8, 8), math.nan), training)
    torch.testing.assert_close(prediction, training.mean(0).expand(2, -1, -1, -1, -1))


def test_baselines_refuse_other_shapes() -> None:
    target = torch.zeros(2, 4, 3, 8, 8)
    with pytest.raises(MflabError, match=r"reference must be one image per scene, shape \[2, 3, 8, 8\]"):
        copy_input(target, torch.zeros(3, 8, 8))
    with pytest.raises(MflabError, match=r"training must be scenes of shape \[scene, 4, 3, 8, 8\]"):
        mean_image(target, torch.zeros(2, 6, 3, 8, 8))
    with pytest.raises(MflabError, match="training must be scenes"):
        mean_image(target, torch.zeros(0, 4, 3, 8, 8))


def test_view_without_foreground_is_named(scenes: tuple[Tensor, Tensor, Tensor]) -> None:
    prediction, target, alpha = scenes
    alpha[1, 2] = 0
    with pytest.raises(MflabError, match=r"1 of 8 images have none \(first at index \[1, 2\]\)"):
        evaluate_views(prediction, target, alpha)
