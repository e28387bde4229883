"""Colour and silhouette errors apart, and the overlap of silhouettes."""

import math

import pytest
import torch
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics import ErrorSplit, alpha_iou, on_foreground, psnr, psnr_fg, split_error, ssim, white_image

SIZE = 48


def disc(radius: float, row: float = 24, column: float = 24) -> Tensor:
    i, j = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    return (((i - row) ** 2 + (j - column) ** 2) < radius**2).double()[None]


def texture(seed: int = 0) -> Tensor:
    return 0.8 * torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def on_white(colours: Tensor, alpha: Tensor) -> Tensor:
    return alpha * colours + (1 - alpha)


MASKS = {
    "larger": (disc(10), disc(12)),
    "smaller": (disc(10), disc(7)),
    "shifted": (disc(10), disc(10, column=30)),
    "apart": (disc(8, column=12), disc(8, column=36)),
    "same": (disc(10), disc(10)),
}


@pytest.mark.parametrize("name", MASKS)
def test_parts_are_the_errors_with_the_true_silhouette_and_with_the_true_colours(name: str) -> None:
    alpha, shown = MASKS[name]
    target, prediction = on_white(texture(), alpha), on_white(texture(1), shown)
    split = split_error(prediction, target, shown, alpha)
    both, union = alpha * shown, ((alpha + shown) > 0).double()
    with_true_silhouette = torch.where(both > 0, prediction, target)
    with_true_colours = torch.where(both > 0, target, prediction)
    area = 3 * union.sum()
    for found, image in ((split.colour, with_true_silhouette), (split.silhouette, with_true_colours)):
        torch.testing.assert_close(found, (image - target).square().sum() / area)
    torch.testing.assert_close(split.union, (union * (prediction - target).square()).sum() / area)


def test_other_colours_in_the_true_silhouette_are_a_colour_error_alone() -> None:
    alpha = disc(10)
    target, prediction = on_white(texture(), alpha), on_white(texture(1), alpha)
    split = split_error(prediction, target, alpha, alpha)
    assert split.silhouette == 0
    assert float(-10 * split.colour.log10()) == pytest.approx(float(psnr_fg(prediction, target, alpha)))


@pytest.mark.parametrize("name", ["larger", "smaller", "shifted", "apart"])
def test_true_colours_in_another_silhouette_are_a_silhouette_error_alone(name: str) -> None:
    alpha, shown = MASKS[name]
    split = split_error(on_white(texture(), shown), on_white(texture(), alpha), shown, alpha)
    assert split.colour == 0
    assert split.silhouette > 0


def test_perfect_prediction_has_no_error_whatever_the_estimated_mask() -> None:
    alpha = disc(10)
    target = on_white(texture(), alpha)
    for shown in (alpha, disc(12), disc(8)):
        assert split_error(target, target, shown, alpha) == (0, 0)


def test_white_image_has_the_whole_error_in_its_silhouette() -> None:
    alpha = disc(10)
    target = on_white(texture(), alpha)
    split = split_error(white_image(target), target, torch.zeros_like(alpha), alpha)
    assert split.colour == 0
    assert float(-10 * split.silhouette.log10()) == pytest.approx(float(psnr_fg(white_image(target), target, alpha)))


def test_each_part_grows_with_its_own_fault() -> None:
    alpha, colours = disc(12), texture()
    target = on_white(colours, alpha)
    recoloured = [
        split_error(on_white(colours + level * (1 - colours), alpha), target, alpha, alpha) for level in (0.1, 0.3, 0.9)
    ]
    moved = []
    for shift in (1, 3, 6, 12):
        shown = disc(12, column=24 + shift)
        moved.append(split_error(on_white(colours, shown), target, shown, alpha))
    for values in ([split.colour for split in recoloured], [split.silhouette for split in moved]):
        assert values == sorted(values) and len(set(values)) == len(values)


def test_images_of_a_batch_do_not_mix() -> None:
    alpha, shown = (torch.stack([pair[k] for pair in MASKS.values()]) for k in (0, 1))
    target, prediction = on_white(texture(), alpha), on_white(texture(1), shown)
    split = split_error(prediction, target, shown, alpha)
    assert isinstance(split, ErrorSplit) and split.colour.shape == (5,)
    for index, name in enumerate(MASKS):
        single = split_error(prediction[index], target[index], shown[index], alpha[index])
        torch.testing.assert_close(split.colour[index], single.colour)
        torch.testing.assert_close(split.silhouette[index], single.silhouette)
        torch.testing.assert_close(alpha_iou(shown, alpha)[index], alpha_iou(*reversed(MASKS[name])))


def test_intersection_over_union() -> None:
    alpha = torch.zeros(1, 10, 10)
    alpha[:, :, :4] = 1
    shown = torch.zeros(1, 10, 10)
    shown[:, :, 2:8] = 0.51
    assert float(alpha_iou(shown, alpha)) == pytest.approx(2 / 8)
    assert float(alpha_iou((shown - 0.02).clamp(min=0), alpha)) == 0, "half covered pixels are background"
    assert alpha_iou(alpha, alpha) == 1
    assert alpha_iou(shown, alpha) == alpha_iou(alpha, shown)


def test_intersection_over_union_of_discs() -> None:
    values = [float(alpha_iou(disc(12, column=24 + shift), disc(12))) for shift in (0, 2, 6, 12, 24)]
    assert values[0] == 1 and values[-1] == 0 and values == sorted(values, reverse=True)
    # Two discs of radius r at distance d share 2 r^2 acos(d / 2r) - d / 2 sqrt(4 r^2 - d^2).
    shared = 2 * 144 * math.acos(0.25) - 3 * math.sqrt(576 - 36)
    assert values[2] == pytest.approx(shared / (2 * math.pi * 144 - shared), abs=0.02)


@pytest.mark.parametrize("background", [1.0, 0.0, 0.3])
def test_imposed_silhouette_hides_everything_outside(background: float) -> None:
    alpha, target, prediction = disc(10), texture(), texture(1)
    share = float(alpha.mean())
    value = on_foreground(psnr, prediction, target, alpha, background)
    assert float(value) == pytest.approx(float(psnr_fg(prediction, target, alpha)) - 10 * math.log10(share))
    spoiled = torch.where(alpha > 0.5, prediction, texture(2))
    values = [on_foreground(ssim, image, target, alpha, background) for image in (prediction, spoiled)]
    assert torch.equal(*values)
    assert on_foreground(ssim, spoiled, target, torch.ones_like(alpha)) == ssim(spoiled, target)


@pytest.mark.parametrize(
    "shown, alpha, message",
    [
        (disc(5), torch.zeros(1, SIZE, SIZE), "at least one pixel above 0.5"),
        (disc(5)[:, :24], disc(5), "pred_alpha and alpha must have the same shape"),
        (disc(5) * 255, disc(5), r"pred_alpha must lie in \[0, 1\]"),
        (disc(5).bool(), disc(5), "pred_alpha must be floating point"),
        (disc(5) * math.nan, disc(5), "pred_alpha must be finite"),
    ],
)
def test_bad_masks(shown: Tensor, alpha: Tensor, message: str) -> None:
    image = texture()
    with pytest.raises(MflabError, match=message):
        alpha_iou(shown, alpha)
    with pytest.raises(MflabError, match=message):
        split_error(image, image, shown, alpha)


def test_bad_images() -> None:
    with pytest.raises(MflabError, match="same shape"):
        split_error(texture(), texture()[None], disc(5), disc(5))
    with pytest.raises(MflabError, match="batch and pixels of the images"):
        split_error(texture()[None], texture()[None], disc(5), disc(5))
