"""The foreground box: the smallest rectangle around the masks, with a stated margin of background.

A box counts what is drawn beside the object, as the mask does not, and leaves out the empty background that flatters
the full frame. Give it masks that do not depend on the prediction (those of the true views) wherever predictions are
compared: one stray pixel in a predicted mask makes a box as large, and as easy, as the frame.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics.checks import check_pair, coverage, masked_mean
from mflab.metrics.image import decibels, ssim_map
from mflab.metrics.similarity import BORDER, WINDOW
from mflab.metrics.threads import serial

# A sixteenth of the longer side, and never less than the border that SSIM loses.
PADDING_SHARE = 1 / 16


def foreground_box(
    *alpha: Shaped[Tensor, "..."], padding: int | None = None, min_side: int = WINDOW
) -> Int[Tensor, "*batch 4"]:
    """Returns the box around the pixels where any of the masks is above 0.5: top, left, bottom, right of each image.

    Bottom and right are exclusive. The box is clipped at the frame; one that is then below `min_side` is widened
    around its centre and moved into the frame.

    Args:
        alpha: coverages in [0, 1] of equal shape [..., 1, H, W]; the box is that of their union.
        padding: pixels added on each side; None takes 1/16 of the longer image side, rounded up, at least 5.
        min_side: smallest height and width of a box.

    Raises:
        MflabError: masks of other range or shape, an image where all masks are empty, a negative padding, or a frame
            below `min_side`.

    >>> alpha = torch.zeros(1, 64, 64)
    >>> alpha[:, 30:40, 20:50] = 1
    >>> foreground_box(alpha).tolist()
    [25, 15, 45, 55]
    """
    if not alpha or any(mask.shape != alpha[0].shape for mask in alpha):
        raise MflabError(
            f"A box needs masks of one shape, but got {[list(mask.shape) for mask in alpha]}; pass one mask per view."
        )
    union = torch.stack([coverage(mask, "alpha") for mask in alpha]).any(0).squeeze(-3)
    height, width = union.shape[-2:]
    padding = default_padding(height, width) if padding is None else padding
    if padding < 0 or not 1 <= min_side <= min(height, width):
        raise MflabError(
            f"padding must be at least 0 and min_side between 1 and the image side {min(height, width)}, but got "
            f"padding={padding} and min_side={min_side}; use larger images or a smaller box."
        )
    if not bool(union.flatten(-2).any(-1).all()):
        raise MflabError(
            "A box needs at least one pixel above 0.5 in every image, but some images have none; leave them out or "
            "mend their masks."
        )
    top, bottom = _range(union.any(-1), padding, min_side)
    left, right = _range(union.any(-2), padding, min_side)
    return torch.stack([top, left, bottom, right], dim=-1)


def default_padding(height: int, width: int) -> int:
    """Returns the margin of a foreground box in pixels: 1/16 of the longer side, rounded up, at least 5.

    >>> default_padding(64, 64), default_padding(512, 512)
    (5, 32)
    """
    return max(BORDER, math.ceil(PADDING_SHARE * max(height, width)))


def in_box(
    metric: Callable[[Tensor, Tensor], Tensor],
    pred: Shaped[Tensor, "..."],
    target: Shaped[Tensor, "..."],
    box: Int[Tensor, "*batch 4"],
) -> Float[Tensor, "*batch"]:
    """Returns `metric` of each image pair cropped to its box; crops are never resized.

    Args:
        metric: a function of two images, such as `ms_ssim` or an `LpipsMetric`; it refuses boxes that are too small.
        pred: prediction in [0, 1], shape [..., 3, H, W].
        target: reference in [0, 1], same shape.
        box: from `foreground_box`.

    Raises:
        MflabError: as `metric`, or another number of boxes than images.
    """
    pred, target = check_pair(pred, target)
    _check_boxes(box, pred)
    pairs = zip(*(images.reshape(-1, *images.shape[-3:]) for images in (pred, target)), strict=True)
    values = [
        metric(x[:, top:bottom, left:right], y[:, top:bottom, left:right])
        for (x, y), (top, left, bottom, right) in zip(pairs, box.reshape(-1, 4).tolist(), strict=True)
    ]
    return torch.stack(values).reshape(pred.shape[:-3])


@serial
def psnr_box(
    pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."], box: Int[Tensor, "*batch 4"]
) -> Float[Tensor, "*batch"]:
    """Returns the PSNR of each image in dB inside its box: `in_box` of `psnr`, all images at once.

    Raises:
        MflabError: as `psnr`, or another number of boxes than images.
    """
    pred, target = check_pair(pred, target)
    return decibels(masked_mean((pred - target).square(), box_mask(box, pred)))


@serial
def ssim_box(
    pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."], box: Int[Tensor, "*batch 4"], variant: str = "wang"
) -> Float[Tensor, "*batch"]:
    """Returns the SSIM of each image cropped to its box (without a border of 5 px): `in_box` of `ssim`, all at once.

    Raises:
        MflabError: as `ssim`, another number of boxes than images, or a box below 11 pixels.
    """
    values = ssim_map(pred, target, variant)
    return masked_mean(values, box_mask(box, pred, BORDER))


def box_mask(
    box: Int[Tensor, "*batch 4"], images: Shaped[Tensor, "..."], border: int = 0
) -> Bool[Tensor, "*batch 1 height width"]:
    """Returns the pixels of each box that lie `border` pixels inside it, as a mask of the frame without its border.

    Raises:
        MflabError: another number of boxes than images, or a box of which the border leaves nothing.
    """
    _check_boxes(box, images)
    height, width = images.shape[-2:]
    top, left, bottom, right = (side[..., None, None, None] for side in box.unbind(-1))
    if bool(((bottom - top).minimum(right - left) <= 2 * border).any()):
        raise MflabError(
            f"A box must be at least {2 * border + 1} px high and wide, but one is smaller; set min_side of the box."
        )
    rows = torch.arange(border, height - border, device=box.device)[:, None]
    columns = torch.arange(border, width - border, device=box.device)
    is_row = (rows >= top + border) & (rows < bottom - border)
    return is_row & (columns >= left + border) & (columns < right - border)


def _range(is_filled: Bool[Tensor, "*batch size"], padding: int, min_side: int) -> tuple[Tensor, Tensor]:
    """Returns first and end of the filled entries along the last axis, padded, clipped and widened."""
    size = is_filled.shape[-1]
    index = torch.arange(size, device=is_filled.device)
    first = torch.where(is_filled, index, size).amin(-1) - padding
    end = torch.where(is_filled, index, -1).amax(-1) + 1 + padding
    first, end = first.clamp(min=0), end.clamp(max=size)
    widened = ((first + end - min_side) // 2).clamp(min=0, max=size - min_side)
    is_small = end - first < min_side
    return torch.where(is_small, widened, first), torch.where(is_small, widened + min_side, end)


def _check_boxes(box: Tensor, images: Tensor) -> None:
    if box.shape[:-1] != images.shape[:-3]:
        raise MflabError(
            f"There must be one box per image, but got {list(box.shape[:-1])} boxes for images {list(images.shape)}."
        )
