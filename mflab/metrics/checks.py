"""Checks of images and masks that every metric shares: bad input is one clear error, never a plausible number."""

import math

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from mflab.errors import MflabError

# Compositing in float32 overshoots 1 by a few units in the last place; anything larger is another range.
RANGE_TOLERANCE = 1e-6
FOREGROUND_ALPHA = 0.5


def check_images(
    images: Shaped[Tensor, "..."], name: str, channels: int = 3
) -> Float[Tensor, "*batch channel height width"]:
    """Returns `images` as floating point of at least 32 bits, shape [..., C, H, W]; float64 stays float64.

    Raises:
        MflabError: the tensor is not floating point, has another shape, is empty, or has a value outside [0, 1] or NaN.
    """
    if not images.is_floating_point():
        raise MflabError(
            f"{name} must be floating point in [0, 1], but got {images.dtype}; convert it (uint8: x.float() / 255)."
        )
    if images.ndim < 3 or images.shape[-3] != channels or images.numel() == 0:
        raise MflabError(
            f"{name} must have shape [..., {channels}, height, width] without an empty axis, "
            f"but got {list(images.shape)}; move the channels before the pixels and check the views."
        )
    low, high = (float(bound) for bound in torch.aminmax(images.detach()))
    if not (low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):
        if math.isnan(low):
            raise MflabError(f"{name} must be finite, but got NaN; look for a diverged model or an undefined pixel.")
        raise MflabError(
            f"{name} must lie in [0, 1], but got values from {low:g} to {high:g}; scale or clamp it first."
        )
    return images.float() if images.dtype in (torch.float16, torch.bfloat16) else images


def check_pair(
    pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."]
) -> tuple[Float[Tensor, "*batch 3 height width"], Float[Tensor, "*batch 3 height width"]]:
    """Returns the checked prediction and target in one dtype.

    Raises:
        MflabError: either is refused by `check_images`, or their shapes differ.
    """
    if pred.shape != target.shape:
        raise MflabError(
            f"pred and target must have the same shape, but got {list(pred.shape)} and {list(target.shape)}; "
            "resize, crop or expand one of them explicitly."
        )
    pred, target = check_images(pred, "pred"), check_images(target, "target")
    dtype = torch.promote_types(pred.dtype, target.dtype)
    return pred.to(dtype), target.to(dtype)


def coverage(alpha: Shaped[Tensor, "..."], name: str) -> Bool[Tensor, "*batch 1 height width"]:
    """Returns where `alpha` is above 0.5; nowhere is allowed.

    Raises:
        MflabError: alpha is not a coverage in [0, 1] of shape [..., 1, H, W].
    """
    return check_images(alpha, name, channels=1) > FOREGROUND_ALPHA


def foreground(
    alpha: Shaped[Tensor, "..."], images: Shaped[Tensor, "..."], border: int = 0
) -> Bool[Tensor, "*batch 1 height width"]:
    """Returns the pixels with alpha > 0.5, shape [..., 1, H, W], without `border` pixels at each side.

    Raises:
        MflabError: alpha is not a coverage in [0, 1], does not fit `images`, or leaves an image without foreground.
    """
    mask = coverage(alpha, "alpha")
    if mask.shape[:-3] != images.shape[:-3] or mask.shape[-2:] != images.shape[-2:]:
        raise MflabError(
            f"alpha must have the batch and pixels of the images, but got {list(mask.shape)} "
            f"for images {list(images.shape)}; pass one mask per view."
        )
    height, width = mask.shape[-2:]
    mask = mask[..., border : height - border, border : width - border]
    empty = ~mask.flatten(-3).any(-1)
    if empty.any():
        where = f" inside the {border} px border" if border else ""
        which = f" (first at index {empty.nonzero()[0].tolist()})" if empty.ndim else ""
        raise MflabError(
            f"alpha must have at least one pixel above {FOREGROUND_ALPHA:g}{where} in every image, but "
            f"{int(empty.sum())} of {empty.numel()} images have none{which}; leave them out or mend their masks."
        )
    return mask


def masked_mean(
    values: Float[Tensor, "*batch channel height width"], mask: Bool[Tensor, "*batch 1 height width"]
) -> Float[Tensor, "*batch"]:
    """Returns the mean of `values` over channels and the pixels of `mask`, divided by mask area x channels."""
    area = mask.flatten(-3).sum(-1) * values.shape[-3]
    return torch.where(mask, values, 0).flatten(-3).sum(-1) / area
