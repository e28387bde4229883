"""All image metrics of predicted views at once, and the table that says what each name means."""

from typing import NamedTuple

from jaxtyping import Float, Shaped
from torch import Tensor

from mflab.metrics.checks import check_pair, foreground, masked_mean
from mflab.metrics.image import BORDER, decibels, ssim_map
from mflab.metrics.perceptual import LpipsMetric


class MetricInfo(NamedTuple):
    """What a metric's name means, for reports.

    Attributes:
        direction: `higher` or `lower`, whichever is better.
        unit: unit of the value, empty if it has none.
        definition: one sentence with region, window and constants.
    """

    direction: str
    unit: str
    definition: str


_SSIM = "SSIM (Gaussian window 11 px, sigma 1.5, population covariance, K .01/.03, data range 1, mean over RGB)"
METRICS: dict[str, MetricInfo] = {
    "psnr": MetricInfo(
        "higher", "dB", "Peak signal-to-noise ratio over the full frame, data range 1; infinite for identical images."
    ),
    "psnr_fg": MetricInfo(
        "higher", "dB", "Peak signal-to-noise ratio over the pixels with target alpha above 0.5, data range 1."
    ),
    "ssim": MetricInfo("higher", "", f"{_SSIM} over the frame without its 5 px border."),
    "ssim_fg": MetricInfo("higher", "", f"{_SSIM}, averaged where target alpha is above 0.5 inside the 5 px border."),
    "lpips_alex": MetricInfo(
        "lower", "", "LPIPS 0.1 on AlexNet over the full frame; only where its backbone weights are installed."
    ),
    "lpips_vgg": MetricInfo(
        "lower", "", "LPIPS 0.1 on VGG-16 over the full frame; only where its backbone weights are installed."
    ),
}


def evaluate_views(
    prediction: Shaped[Tensor, "..."],
    target: Shaped[Tensor, "..."],
    alpha: Shaped[Tensor, "..."],
    lpips: LpipsMetric | None = None,
) -> dict[str, Float[Tensor, "*batch view"]]:
    """Returns every metric of every view: name in `METRICS` to values of shape [V], or [S, V] for a batch of scenes.

    Which views are seen (given as input) is the caller's knowledge: keep them apart before averaging. `psnr` and
    `psnr_fg` of a perfect view are infinite.

    Args:
        prediction: predicted views in [0, 1], shape [..., V, 3, H, W]; clamp them before.
        target: true views in [0, 1] on the same background, same shape.
        alpha: coverage of the true views in [0, 1], shape [..., V, 1, H, W].
        lpips: what `find_lpips` found; None leaves that metric out.

    Raises:
        MflabError: another range, shape or dtype, NaN, a view without foreground, or views below 11 pixels.

    >>> import torch
    >>> grey, alpha = torch.full((6, 3, 16, 16), 0.5), torch.ones(6, 1, 16, 16)
    >>> {name: round(float(values.mean()), 3) for name, values in evaluate_views(grey, grey + 0.1, alpha).items()}
    {'psnr': 20.0, 'psnr_fg': 20.0, 'ssim': 0.984, 'ssim_fg': 0.984}
    """
    prediction, target = check_pair(prediction, target)
    error = (prediction - target).square()
    similarity = ssim_map(prediction, target)
    values = {
        "psnr": decibels(error.flatten(-3).mean(-1)),
        "psnr_fg": decibels(masked_mean(error, foreground(alpha, target))),
        "ssim": similarity.flatten(-3).mean(-1),
        "ssim_fg": masked_mean(similarity, foreground(alpha, target, BORDER)),
    }
    if lpips is not None:
        values[lpips.name] = lpips(prediction, target).to(values["psnr"])
    return values
