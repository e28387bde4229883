"""Soft masks of generated colour images on a white background."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

from mflab.errors import MflabError
from mflab.metrics.checks import check_images

# Distance from white, max over channels, above which a pixel belongs to the object. Coherence of true silhouettes stays
# above 0.9996 for thresholds from 0.01 to 0.1; at 0.15 the white parts of sunlit objects begin to break off.
THRESHOLD = 0.04
# Connected parts below this share of the image are noise.
SPECK_SHARE = 5e-4
# Side of the window in which a boundary pixel looks for the object's own colour.
COLOUR_WINDOW = 5


def estimate_alpha(images: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch 1 height width"]:
    """Returns the soft coverage of an object on white, estimated from colours alone.

    A pixel belongs to the object where max_c (1 - I_c) > 0.04. Holes are filled (highlights are white too, so a real
    hole through the object is filled as well) and specks dropped. Pixels at the outline then get the share d / d' of
    their distance d from white in the largest distance d' of the object's inner pixels nearby, at most 1. Objects that
    are themselves nearly white at their outline come out too small: pass true masks where they exist.

    Args:
        images: colours in [0, 1] on white, shape [..., 3, H, W].

    Returns:
        Coverage in [0, 1], shape [..., 1, H, W]; zero everywhere for a white image.

    Raises:
        MflabError: another range, dtype or shape, or NaN.

    Example:
        >>> image = torch.ones(3, 8, 8)
        >>> image[:, 2:6, 2:6] = 0.2
        >>> estimate_alpha(image).sum()
        tensor(16.)
    """
    images = check_images(images, "images")
    height, width = images.shape[-2:]
    if min(height, width) < COLOUR_WINDOW:
        raise MflabError(
            f"Mask estimation needs images of at least {COLOUR_WINDOW} x {COLOUR_WINDOW} pixels, but got "
            f"{height} x {width}; estimate before shrinking."
        )
    distance = (1.0 - images).amax(-3).reshape(-1, height, width).clamp(0.0, 1.0)
    mask = fill_holes(distance > THRESHOLD)
    mask = drop_specks(mask, max(1, round(SPECK_SHARE * height * width)))
    inside = mask & ~_grow(~mask)
    pad = COLOUR_WINDOW // 2
    total, count = (
        functional.avg_pool2d(values.to(distance)[:, None], COLOUR_WINDOW, 1, pad)[:, 0]
        for values in (torch.where(inside, distance, 0.0), inside)
    )
    # Parts too thin to have inner pixels are compared with their own darkest pixel.
    ridge = functional.max_pool2d(torch.where(mask, distance, 0.0)[:, None], COLOUR_WINDOW, 1, pad)[:, 0]
    reference = torch.where(count > 0, total / count.clamp(min=1e-6), ridge).clamp(min=THRESHOLD)
    alpha = torch.where(inside, 1.0, torch.where(mask, (distance / reference).clamp(max=1.0), 0.0))
    return alpha.reshape(*images.shape[:-3], 1, height, width).to(images.dtype)


def fill_holes(mask: Tensor) -> Tensor:
    """The mask [N, H, W] with every background part that does not reach the border, across edges, filled."""
    outside = functional.pad(~mask, (1, 1, 1, 1), value=True)
    seed = torch.zeros_like(outside)
    seed[:, 0, 0] = True
    label = _connected(outside, seed.to(torch.int32))
    return mask | (label[:, 1:-1, 1:-1] == 0)


def drop_specks(mask: Tensor, smallest: int) -> Tensor:
    """The mask [N, H, W] without parts, connected across edges, of fewer than `smallest` pixels."""
    number = torch.arange(1, mask.numel() + 1, device=mask.device).view(mask.shape)
    label = _connected(mask, torch.where(mask, number, 0))
    size = torch.bincount(label.flatten(), minlength=mask.numel() + 1)
    return mask & (size[label] >= smallest)


def _connected(is_open: Tensor, label: Tensor) -> Tensor:
    """Largest label within each part of [N, H, W] connected across edges; zero where it is not open.

    Each pass spreads labels along whole runs of a row or column, so the number of passes is the number of turns of the
    longest way, not its length.
    """
    label = torch.where(is_open, label, 0)
    runs = [_run_numbers(is_open, axis) for axis in (1, 2)]
    while True:
        before = label
        for run in runs:
            best = torch.zeros(int(run.max()) + 1, dtype=label.dtype, device=label.device)
            best = best.scatter_reduce(0, run.flatten(), label.flatten(), "amax")
            label = torch.where(is_open, best[run], 0)
        if torch.equal(label, before):
            return label


def _run_numbers(is_open: Tensor, axis: int) -> Tensor:
    """A number for each run of open pixels along an axis of [N, H, W]; closed pixels share that of the run before."""
    moved = is_open.movedim(axis, -1)
    starts = moved & ~functional.pad(moved[..., :-1], (1, 0), value=False)
    return starts.flatten().cumsum(0).view(moved.shape).movedim(-1, axis)


def _grow(mask: Tensor) -> Tensor:
    """The mask [N, H, W] grown by one pixel in all eight directions; beyond the border it counts as unset."""
    return functional.max_pool2d(mask[:, None].float(), 3, 1, 1)[:, 0] > 0
