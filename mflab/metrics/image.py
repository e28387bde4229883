"""PSNR and SSIM on the full frame and on the foreground, one value per image.

Images are display-referred sRGB in [0, 1], composited on one declared background, shape [..., 3, H, W]; every function
reduces channels and pixels and keeps the leading axes. Nothing is clamped, pooled or resized here: clamp a prediction
before, and compare numbers only at one image width.

Two definitions of SSIM, both with an 11-tap Gaussian of sigma 1.5, K1 = .01, K2 = .03, data range 1, mean over RGB
and the map without its 5-pixel border:

- `wang`: population covariance, as in the paper. The default.
- `official`: sample covariance (factor 121/120), as FaceLift evaluates.
"""

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics.checks import check_pair, foreground, masked_mean

WINDOW = 11
BORDER = WINDOW // 2
SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2
COVARIANCE_FACTOR = {"wang": 1.0, "official": WINDOW**2 / (WINDOW**2 - 1)}
# Elements filtered at once: keeps the four filtered maps in cache and bounds memory for large evaluations.
CHUNK_ELEMENTS = 2**19


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
    return (pred - target).square().flatten(-3).mean(-1)


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
    return ssim_map(pred, target, variant).flatten(-3).mean(-1)


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


def ssim_map(
    pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."], variant: str = "wang"
) -> Float[Tensor, "*batch 3 inner_height inner_width"]:
    """Returns SSIM per channel and pixel where the window fits into the image, shape [..., 3, H - 10, W - 10].

    Raises:
        MflabError: as `ssim`.
    """
    pred, target = check_pair(pred, target)
    if variant not in COVARIANCE_FACTOR:
        raise MflabError(f"Unknown SSIM variant {variant!r}; choose one of {', '.join(COVARIANCE_FACTOR)}.")
    height, width = pred.shape[-2:]
    if min(height, width) < WINDOW:
        raise MflabError(
            f"SSIM needs images of at least {WINDOW} x {WINDOW} px (its window), but got {height} x {width}; "
            "evaluate at a larger size."
        )
    factor = COVARIANCE_FACTOR[variant]
    chunk = max(1, CHUNK_ELEMENTS // (height * width))
    pairs = zip(
        pred.reshape(-1, height, width).split(chunk), target.reshape(-1, height, width).split(chunk), strict=True
    )
    maps = torch.cat([_ssim_of_channels(x, y, factor) for x, y in pairs])
    return maps.reshape(*pred.shape[:-2], *maps.shape[-2:])


def _ssim_of_channels(x: Tensor, y: Tensor, factor: float) -> Tensor:
    """Returns the SSIM map of single channels [N, H, W], from the sum and the difference of the two images.

    With s = x + y and d = x - y: x^2 + y^2 = (s^2 + d^2) / 2 and 2 x y = (s^2 - d^2) / 2, so four filtered maps do,
    not five, and identical images give exactly 1. Centring s at 0 lessens the cancellation in float32.
    """
    total, difference = x + y - 1, x - y
    mean_s, mean_d = _blur(total), _blur(difference)
    var_s = factor * (_blur(total.square()) - mean_s.square())
    var_d = factor * (_blur(difference.square()) - mean_d.square())
    power_s, power_d = (mean_s + 1).square(), mean_d.square()
    similarity = ((power_s - power_d) / 2 + C1) * ((var_s - var_d) / 2 + C2)
    return similarity / (((power_s + power_d) / 2 + C1) * ((var_s + var_d) / 2 + C2))


def _blur(x: Tensor) -> Tensor:
    """Returns [N, H, W] filtered with the separable Gaussian where it fits.

    Shifted sums, because single-channel convolutions took ten to twenty times longer on one CPU core.
    """
    taps = [math.exp(-0.5 * ((i - BORDER) / SIGMA) ** 2) for i in range(WINDOW)]
    taps = [tap / sum(taps) for tap in taps]
    for axis in (1, 2):
        size = x.shape[axis] - WINDOW + 1
        blurred = x.narrow(axis, 0, size) * taps[0]
        for i in range(1, WINDOW):
            blurred = torch.add(blurred, x.narrow(axis, i, size), alpha=taps[i])
        x = blurred
    return x
