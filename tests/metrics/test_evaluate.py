"""All metrics of a scene or a batch of scenes, and the baselines beside them."""

import math

import pytest
import torch
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics import (
    METRICS,
    alpha_iou,
    copy_input,
    evaluate_views,
    evaluated_metrics,
    foreground_box,
    mean_image,
    ms_ssim,
    psnr,
    psnr_box,
    psnr_fg,
    split_error,
    ssim,
    ssim_box,
    ssim_fg,
    white_image,
)

SINGLE = ["psnr", "psnr_fg", "psnr_box", "ssim", "ssim_fg", "ssim_box"]


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
    assert list(values) == SINGLE
    assert all(v.shape == (2, 4) for v in values.values())
    torch.testing.assert_close(values["psnr"], psnr(prediction, target))
    torch.testing.assert_close(values["psnr_fg"], psnr_fg(prediction, target, alpha))
    torch.testing.assert_close(values["ssim"], ssim(prediction, target))
    torch.testing.assert_close(values["ssim_fg"], ssim_fg(prediction, target, alpha))
    box = foreground_box(alpha)
    torch.testing.assert_close(values["psnr_box"], psnr_box(prediction, target, box))
    torch.testing.assert_close(values["ssim_box"], ssim_box(prediction, target, box))


def test_predicted_masks_add_what_compares_silhouettes(scenes: tuple[Tensor, Tensor, Tensor]) -> None:
    prediction, target, alpha = scenes
    shown = alpha.roll(2, dims=-1)
    values = evaluate_views(*scenes, pred_alpha=shown)
    assert list(values) == [*SINGLE, "psnr_union", "mse_colour", "mse_silhouette", "alpha_iou"]
    split = split_error(prediction, target, shown, alpha)
    torch.testing.assert_close(values["mse_colour"], split.colour)
    torch.testing.assert_close(values["mse_silhouette"], split.silhouette)
    torch.testing.assert_close(10 ** (-values["psnr_union"] / 10), split.colour + split.silhouette)
    torch.testing.assert_close(values["alpha_iou"], alpha_iou(shown, alpha))


def test_ms_ssim_is_there_from_its_smallest_size() -> None:
    grey, alpha = torch.full((2, 3, 176, 200), 0.5), torch.ones(2, 1, 176, 200)
    torch.testing.assert_close(evaluate_views(grey, grey + 0.1, alpha)["ms_ssim"], ms_ssim(grey, grey + 0.1))
    assert "ms_ssim" not in evaluate_views(grey[..., 1:, :], grey[..., 1:, :], alpha[..., 1:, :])


@pytest.mark.parametrize("side", [32, 180])
@pytest.mark.parametrize("has_pred_alpha", [False, True])
def test_names_are_known_beforehand(side: int, has_pred_alpha: bool) -> None:
    grey, alpha = torch.full((2, 3, side, side), 0.5), torch.ones(2, 1, side, side)
    values = evaluate_views(grey, grey, alpha, pred_alpha=alpha if has_pred_alpha else None)
    assert set(values) == set(evaluated_metrics(side, side, has_pred_alpha))


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


def test_directions_of_the_table_match_the_metrics(scenes: tuple[Tensor, Tensor, Tensor]) -> None:
    prediction, target, alpha = scenes
    worse = evaluate_views(*scenes, pred_alpha=alpha.roll(2, dims=-1))
    better = evaluate_views(0.9 * target + 0.1 * prediction, target, alpha, pred_alpha=alpha)
    for name, values in worse.items():
        sign = 1 if METRICS[name].direction == "higher" else -1
        assert (sign * (better[name] - values) > 0).all(), name


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


def test_mean_image_reads_scenes_one_by_one() -> None:
    training = torch.rand(5, 4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    target = torch.zeros(2, 4, 3, 8, 8)
    assert torch.equal(mean_image(target, iter(training)), mean_image(target, training))
    torch.testing.assert_close(mean_image(target, training[3:4])[1], training[3])


def test_baselines_refuse_other_shapes() -> None:
    target = torch.zeros(2, 4, 3, 8, 8)
    with pytest.raises(MflabError, match=r"reference must be one image per scene, shape \[2, 3, 8, 8\]"):
        copy_input(target, torch.zeros(3, 8, 8))
    with pytest.raises(MflabError, match=r"shape \[4, 3, 8, 8\], but got \[6, 3, 8, 8\]; pass training scenes"):
        mean_image(target, torch.zeros(2, 6, 3, 8, 8))
    with pytest.raises(MflabError, match="at least one training scene"):
        mean_image(target, torch.zeros(0, 4, 3, 8, 8))


def test_view_without_foreground_is_named(scenes: tuple[Tensor, Tensor, Tensor]) -> None:
    prediction, target, alpha = scenes
    alpha[1, 2] = 0
    with pytest.raises(MflabError, match=r"1 of 8 images have none \(first at index \[1, 2\]\)"):
        evaluate_views(prediction, target, alpha)
