"""All image metrics of predicted views at once."""

from jaxtyping import Float, Shaped
from torch import Tensor

from mflab.metrics.boxes import box_mask, foreground_box
from mflab.metrics.checks import check_pair, foreground, masked_mean
from mflab.metrics.image import decibels, ssim_map
from mflab.metrics.multiscale import MIN_SIDE, ms_ssim
from mflab.metrics.outline import alpha_iou, split_error
from mflab.metrics.perceptual import LpipsMetric
from mflab.metrics.similarity import BORDER
from mflab.metrics.table import METRICS, MetricInfo
from mflab.metrics.threads import serial

__all__ = ["METRICS", "MetricInfo", "evaluate_views", "evaluated_metrics"]

WITH_PREDICTED_ALPHA = ("psnr_union", "mse_colour", "mse_silhouette", "alpha_iou")


def evaluated_metrics(height: int, width: int, has_pred_alpha: bool) -> tuple[str, ...]:
    """Returns the metrics that `evaluate_views` gives for views of this size, LPIPS aside.

    Args:
        height: of the views in pixels.
        width: of the views in pixels.
        has_pred_alpha: whether masks of the predicted views are given.

    >>> "ms_ssim" in evaluated_metrics(64, 64, True), "ms_ssim" in evaluated_metrics(256, 256, True)
    (False, True)
    """
    return tuple(
        name
        for name in METRICS
        if not name.startswith("lpips")
        and (name != "ms_ssim" or min(height, width) >= MIN_SIDE)
        and (name not in WITH_PREDICTED_ALPHA or has_pred_alpha)
    )


def evaluate_views(
    prediction: Shaped[Tensor, "..."],
    target: Shaped[Tensor, "..."],
    alpha: Shaped[Tensor, "..."],
    lpips: LpipsMetric | None = None,
    pred_alpha: Shaped[Tensor, "..."] | None = None,
) -> dict[str, Float[Tensor, "*batch view"]]:
    """Returns every metric of every view: name in `METRICS` to values of shape [V], or [S, V] for a batch of scenes.

    Which views are seen (given as input) is the caller's knowledge: keep them apart before averaging. Each PSNR of a
    perfect view is infinite.

    Args:
        prediction: predicted views in [0, 1], shape [..., V, 3, H, W]; clamp them before.
        target: true views in [0, 1] on the same background, same shape.
        alpha: coverage of the true views in [0, 1], shape [..., V, 1, H, W].
        lpips: what `find_lpips` found; None leaves that metric out.
        pred_alpha: coverage of the predicted views in [0, 1], such as an estimated mask, shape of `alpha`; None leaves
            out what compares silhouettes.

    Raises:
        MflabError: another range, shape or dtype, NaN, a view without foreground, or views below 11 pixels.

    >>> import torch
    >>> grey, alpha = torch.full((6, 3, 16, 16), 0.5), torch.ones(6, 1, 16, 16)
    >>> {name: round(float(values.mean()), 3) for name, values in evaluate_views(grey, grey + 0.1, alpha).items()}
    {'psnr': 20.0, 'psnr_fg': 20.0, 'psnr_box': 20.0, 'ssim': 0.984, 'ssim_fg': 0.984, 'ssim_box': 0.984}
    """
    values = _without_weights(prediction, target, alpha, pred_alpha)
    if lpips is not None:
        values[lpips.name] = lpips(prediction, target).to(values["psnr"])
    return values


@serial
def _without_weights(prediction: Tensor, target: Tensor, alpha: Tensor, pred_alpha: Tensor | None) -> dict[str, Tensor]:
    """Returns the metrics that need no network."""
    prediction, target = check_pair(prediction, target)
    error = (prediction - target).square()
    similarity = ssim_map(prediction, target)
    mask, box = foreground(alpha, target), foreground_box(alpha)
    values = {
        "psnr": decibels(error.flatten(-3).mean(-1)),
        "psnr_fg": decibels(masked_mean(error, mask)),
        "psnr_box": decibels(masked_mean(error, box_mask(box, target))),
        "ssim": similarity.flatten(-3).mean(-1),
        "ssim_fg": masked_mean(similarity, foreground(alpha, target, BORDER)),
        "ssim_box": masked_mean(similarity, box_mask(box, target, BORDER)),
    }
    if min(target.shape[-2:]) >= MIN_SIDE:
        values["ms_ssim"] = ms_ssim(prediction, target)
    if pred_alpha is not None:
        split = split_error(prediction, target, pred_alpha, alpha)
        values["psnr_union"] = decibels(split.union)
        values["mse_colour"], values["mse_silhouette"] = split
        values["alpha_iou"] = alpha_iou(pred_alpha, alpha)
    return values
