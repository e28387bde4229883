"""Sharpness spread: is one view blurred or noisy beside the others?"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mflab.metrics.consistency.batches import over_sets
from mflab.metrics.consistency.field import IS_INSIDE
from mflab.metrics.consistency.hull import WORKING_WIDTH
from mflab.metrics.consistency.view_set import ViewSet

# Pixels taken off the mask's edge, so that the outline does not count as detail.
ERODED = 2
# Root mean square of the Laplacian below which a view counts as flat: half a grey level of 8-bit images.
FLAT = 0.002


class Sharpness(NamedTuple):
    """Detail of views in octaves against the median of the others; a diagnostic, clean sets reach 2.

    Attributes:
        per_view: signed, positive is sharper, shape [..., V]; NaN for a view without inner foreground.
        maximum: largest absolute value.
    """

    per_view: Float[Tensor, "*batch view"]
    maximum: Float[Tensor, "*batch"]


def sharpness_spread(view_set: ViewSet) -> Sharpness:
    """Returns log2 of each view's root mean square Laplacian inside its mask, minus the median of the other views.

    Args:
        view_set: posed views; wider ones are averaged down to 128 pixels.
    """
    return over_sets(view_set.resized(min(WORKING_WIDTH, view_set.width)), _spread)


def _spread(views: ViewSet) -> Sharpness:
    images, alpha = views.images.flatten(0, 1), views.alpha.flatten(0, 1)
    center = images[..., 1:-1, 1:-1]
    around = images[..., :-2, 1:-1] + images[..., 2:, 1:-1] + images[..., 1:-1, :-2] + images[..., 1:-1, 2:]
    power = (around - 4.0 * center).square().mean(1)
    window = 2 * ERODED + 1
    beyond = functional.pad((alpha <= IS_INSIDE).to(images), (ERODED, ERODED, ERODED, ERODED))
    is_inner = functional.max_pool2d(beyond, window, 1)[:, 0, 1:-1, 1:-1] == 0
    area = is_inner.sum((1, 2))
    rms = ((power * is_inner).sum((1, 2)) / area).sqrt()
    octaves = rms.clamp(min=FLAT).log2().view(len(views.images), views.num_views)
    others = octaves[:, None].expand(-1, views.num_views, -1).clone()
    others.diagonal(dim1=1, dim2=2).fill_(torch.nan)
    per_view = octaves - others.nanquantile(0.5, dim=-1)
    size = per_view.abs()
    maximum = torch.where(size.isnan(), -torch.inf, size).amax(-1)
    return Sharpness(per_view, torch.where(maximum.isinf(), torch.nan, maximum))
