"""Shape and colour apart: the overlap of two silhouettes, and the error that each of them causes.

Pixels with alpha above 0.5 are the true silhouette T and the predicted one P. The squared error over their union,
|T + P| x channels, is the sum of two parts:

- colour, over the pixels of both: the error that is left once the prediction has the true silhouette (what only one
  of them covers is set to the truth).
- silhouette, over the pixels of one alone (missing and surplus parts): the error that is left once the pixels of both
  have their true colours.

So a model that draws the right shape in wrong colours has a colour error only, and one that draws part of the object
perfectly has a silhouette error only. Never read the colour error alone: whoever draws nothing has none.
Masked errors are divided by mask area, as the mPSNR of Gao et al., "Monocular dynamic view synthesis: a reality check",
NeurIPS 2022, https://arxiv.org/abs/2210.13445; the split is that of a sum over disjoint pixels.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics.checks import check_pair, coverage, foreground
from mflab.metrics.threads import serial


class ErrorSplit(NamedTuple):
    """Mean squared errors over the union of true and predicted silhouette, one value per image.

    Attributes:
        colour: part of the pixels of both silhouettes.
        silhouette: part of the pixels of one of them alone.
    """

    colour: Float[Tensor, "*batch"]
    silhouette: Float[Tensor, "*batch"]

    @property
    def union(self) -> Float[Tensor, "*batch"]:
        """Mean squared error over the union, the sum of both parts."""
        return self.colour + self.silhouette


def alpha_iou(pred_alpha: Shaped[Tensor, "..."], alpha: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch"]:
    """Returns the intersection over union of two silhouettes (alpha > 0.5) in [0, 1], higher is better.

    An estimated mask differs from the true one by a fringe even where the images are equal: show the value of the
    true images beside it, or estimate both masks.

    Args:
        pred_alpha: coverage of the predicted views in [0, 1], shape [..., 1, H, W]; a view may have none.
        alpha: coverage of the true views in [0, 1], same shape.

    Raises:
        MflabError: another range, shape or dtype, NaN, or a true view without foreground.

    >>> one, other = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    >>> one[:, :2], other[:, 1:3] = 1.0, 1.0
    >>> alpha_iou(one, other)
    tensor(0.3333)
    """
    true, shown = _silhouettes(pred_alpha, alpha, alpha)
    return _area(true & shown) / _area(true | shown)


@serial
def split_error(
    pred: Shaped[Tensor, "..."],
    target: Shaped[Tensor, "..."],
    pred_alpha: Shaped[Tensor, "..."],
    alpha: Shaped[Tensor, "..."],
) -> ErrorSplit:
    """Returns the squared error over both silhouettes, split into colour and silhouette (see the module).

    Args:
        pred: predicted views in [0, 1], shape [..., 3, H, W].
        target: true views in [0, 1] on the same background, same shape.
        pred_alpha: coverage of the predicted views in [0, 1], shape [..., 1, H, W], such as an estimated mask.
        alpha: coverage of the true views, same shape.

    Raises:
        MflabError: as `psnr_fg`, or masks of another shape.
    """
    pred, target = check_pair(pred, target)
    true, shown = _silhouettes(pred_alpha, alpha, target)
    error = (pred - target).square().mean(-3, keepdim=True)
    area = _area(true | shown)
    colour, silhouette = (
        torch.where(mask, error, 0).flatten(-3).sum(-1) / area for mask in (true & shown, true ^ shown)
    )
    return ErrorSplit(colour, silhouette)


def on_foreground(
    metric: Callable[[Tensor, Tensor], Tensor],
    pred: Shaped[Tensor, "..."],
    target: Shaped[Tensor, "..."],
    alpha: Shaped[Tensor, "..."],
    background: float = 1.0,
) -> Float[Tensor, "*batch"]:
    """Returns `metric` with the true silhouette imposed on both images: whatever lies outside shows the background.

    For metrics that need a whole image (MS-SSIM, LPIPS). The background then agrees everywhere, so values of objects
    of different size are not comparable; where a metric has a map, `psnr_fg` and `ssim_fg` average over the mask.

    Args:
        metric: a function of two images, such as `ms_ssim` or an `LpipsMetric`.
        pred: prediction in [0, 1], shape [..., 3, H, W].
        target: reference in [0, 1], same shape.
        alpha: coverage of the target in [0, 1], shape [..., 1, H, W].
        background: grey level in [0, 1]; 1 is white.

    Raises:
        MflabError: as `metric`, or an image without foreground.
    """
    pred, target = check_pair(pred, target)
    mask = foreground(alpha, target)
    return metric(torch.where(mask, pred, background), torch.where(mask, target, background))


def _silhouettes(
    pred_alpha: Tensor, alpha: Tensor, images: Tensor
) -> tuple[Bool[Tensor, "*batch 1 height width"], Bool[Tensor, "*batch 1 height width"]]:
    """Returns the true and the predicted silhouette."""
    if pred_alpha.shape != alpha.shape:
        raise MflabError(
            f"pred_alpha and alpha must have the same shape, but got {list(pred_alpha.shape)} and "
            f"{list(alpha.shape)}; pass one mask per view."
        )
    return foreground(alpha, images), coverage(pred_alpha, "pred_alpha")


def _area(mask: Tensor) -> Tensor:
    return mask.flatten(-3).sum(-1)
