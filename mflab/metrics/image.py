"""PSNR and SSIM on the full frame and on the foreground, one value per image.

Images are display-referred sRGB in [0, 1], composited on one declared background, shape [..., 3, H, W]; every function
reduces channels and pixels and keeps the leading axes. Nothing is clamped, pooled or resized here: clamp a prediction
before, and compare numbers only at one image width. Metrics are not losses: no gradient flows through SSIM.

Two definitions of SSIM, both with an 11-tap Gaussian of sigma 1.5, K1 = .01, K2 = .03, data range 1, mean over RGB
and the map without its 5-pixel border:

- `wang`: population covariance, as in the paper. The default.
- `official`: sample covariance (factor 121/120), as FaceLift evaluates.
"""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics.checks import check_pair, foreground, masked_mean
from mflab.metrics.similarity import BORDER, CHUNK_ELEMENTS, WINDOW, for_each_chunk
from mflab.metrics.threads import serial

COVARIANCE_FACTOR = {"wang": 1.0, "official": WINDOW**2 / (WINDOW**2 - 1)}


@serial
def mse(pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch"]:
    """Returns the mean squared error of each image, over channels and pixels.

    Args:
        pred: prediction in [0, 1], shape [..., 3, H, W].
        target: reference in [0, 1], same shape.

    Raises:
        MflabError: another range, shape or dtype, or NaN.

    >>> mse(torch.full((2, 3, 4, 4), 0.5), torch.full((2, 3, 4, 4), 0.75))
    tensor([0.0625, 0.0625])
    """
    pred, target = check_pair(pred, target)
    x, y = (images.flatten(-3).reshape(-1, pred.shape[-3:].numel()) for images in (pred, target))
    size = max(1, CHUNK_ELEMENTS // x.shape[1])
    # Chunks stay in the cache from the difference to the mean.
    errors = [(a - b).square_().mean(-1) for a, b in zip(x.split(size), y.split(size), strict=True)]
    return torch.cat(errors).reshape(pred.shape[:-3])


def decibels(error: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Returns -10 log10(error), the PSNR in dB of a mean squared error at data range 1; infinite for error 0.

    >>> decibels(torch.tensor([0.01, 0.0]))
    tensor([20., inf])
    """
    return -10 * torch.log10(error)


def psnr(pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch"]:
    """Returns the peak signal-to-noise ratio of each image in dB, full frame, data range 1.

    PSNR = -10 log10 mean (pred - target)^2. Identical images give infinity, which is not clipped: a mean over views is
    then infinite too, so whoever aggregates decides (and states) a cap or leaves such views out.

    Args:
        pred: prediction in [0, 1], shape [..., 3, H, W].
        target: reference in [0, 1], same shape.

    Raises:
        MflabError: another range, shape or dtype, or NaN.

    >>> psnr(torch.full((3, 8, 8), 0.5), torch.full((3, 8, 8), 0.6))
    tensor(20.0000)
    """
    return decibels(mse(pred, target))


@serial
def psnr_fg(
    pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."], alpha: Shaped[Tensor, "..."]
) -> Float[Tensor, "*batch"]:
    """Returns the PSNR of each image in dB over the pixels with alpha > 0.5.

    The error is divided by mask area x channels. Parts predicted outside the mask do not count; `psnr` sees those.

    Args:
        pred: prediction in [0, 1], shape [..., 3, H, W].
        target: reference in [0, 1], same shape.
        alpha: coverage of the target in [0, 1], shape [..., 1, H, W].

    Raises:
        MflabError: as `psnr`, or an image without foreground.
    """
    pred, target = check_pair(pred, target)
    return decibels(masked_mean((pred - target).square(), foreground(alpha, pred)))


@serial
def ssim(pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."], variant: str = "wang") -> Float[Tensor, "*batch"]:
    """Returns the structural similarity of each image in [-1, 1], full frame without its 5-pixel border.

    Args:
        pred: prediction in [0, 1], shape [..., 3, H, W].
        target: reference in [0, 1], same shape.
        variant: `wang` (population covariance) or `official` (sample covariance), see the module.

    Raises:
        MflabError: another range, shape or dtype, NaN, an unknown variant, or an image below 11 pixels.

    Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment", IEEE TIP 2004, equation 13.

    >>> black, white = torch.zeros(3, 16, 16), torch.ones(3, 16, 16)
    >>> ssim(white, white), ssim(black, white)
    (tensor(1.), tensor(9.9990e-05))
    """
    pred, target = check_pair(pred, target)
    factor = _factor(pred, variant)
    x, y = (images.reshape(-1, *images.shape[-2:]) for images in (pred, target))
    channels = x.new_empty(len(x))
    for_each_chunk(x, y, factor, channels, _write_mean)
    return channels.reshape(pred.shape[:-2]).mean(-1)


@serial
def ssim_fg(
    pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."], alpha: Shaped[Tensor, "..."], variant: str = "wang"
) -> Float[Tensor, "*batch"]:
    """Returns the mean of the SSIM map over the pixels with alpha > 0.5 that lie inside the 5-pixel border.

    A window centred on the outline reaches 5 pixels into the background, so parts predicted close to it do count.

    Args:
        pred: prediction in [0, 1], shape [..., 3, H, W].
        target: reference in [0, 1], same shape.
        alpha: coverage of the target in [0, 1], shape [..., 1, H, W].
        variant: as in `ssim`.

    Raises:
        MflabError: as `ssim`, or an image without foreground inside the border.
    """
    values = ssim_map(pred, target, variant)
    return masked_mean(values, foreground(alpha, pred, BORDER))


@serial
def ssim_map(
    pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."], variant: str = "wang"
) -> Float[Tensor, "*batch 3 inner_height inner_width"]:
    """Returns SSIM per channel and pixel where the window fits into the image, shape [..., 3, H - 10, W - 10].

    Raises:
        MflabError: as `ssim`.
    """
    pred, target = check_pair(pred, target)
    factor = _factor(pred, variant)
    height, width = pred.shape[-2:]
    x, y = (images.reshape(-1, height, width) for images in (pred, target))
    maps = x.new_empty(len(x), height - 2 * BORDER, width - 2 * BORDER)
    for_each_chunk(x, y, factor, maps, _write_map)
    return maps.reshape(*pred.shape[:-2], *maps.shape[-2:])


def _factor(images: Tensor, variant: str) -> float:
    """Returns the factor of the covariance, after the checks that every SSIM needs."""
    if variant not in COVARIANCE_FACTOR:
        raise MflabError(f"Unknown SSIM variant {variant!r}; choose one of {', '.join(COVARIANCE_FACTOR)}.")
    height, width = images.shape[-2:]
    if min(height, width) < WINDOW:
        raise MflabError(
            f"SSIM needs images of at least {WINDOW} x {WINDOW} px (its window), but got {height} x {width}; "
            "evaluate at a larger size."
        )
    return COVARIANCE_FACTOR[variant]


def _write_mean(mean: Tensor, luminance: Tensor, structure: Tensor) -> None:
    torch.mean(luminance.mul_(structure), (1, 2), out=mean)


def _write_map(similarity: Tensor, luminance: Tensor, structure: Tensor) -> None:
    torch.mul(luminance, structure, out=similarity)
