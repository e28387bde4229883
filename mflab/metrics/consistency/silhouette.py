"""Silhouette coherence: does the visual hull of the other views cover each silhouette?"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mflab.metrics.consistency.batches import over_sets
from mflab.metrics.consistency.field import restore_thin, silhouettes
from mflab.metrics.consistency.rays import Geometry, cast, clip, other_views
from mflab.metrics.consistency.scan import cover
from mflab.metrics.consistency.view_set import ViewSet

# Image width at which the tolerance is one pixel and every pixel is looked at.
REFERENCE_WIDTH = 128


class Silhouette(NamedTuple):
    """Share of each silhouette that the hull of the other views covers, in [0, 1]; 1 for any consistent set.

    Attributes:
        per_view: shape [..., V]; zero in a set that has a view without foreground.
        mean: mean over views.
        minimum: worst view.
    """

    per_view: Float[Tensor, "*batch view"]
    mean: Float[Tensor, "*batch"]
    minimum: Float[Tensor, "*batch"]


def silhouette_coherence(view_set: ViewSet, tolerance: bool = True) -> Silhouette:
    """Returns how much of each silhouette the visual hull of the other views covers.

    c_i(p) = max over depth of min over j != i of alpha_j(projection), SC_i = sum min(alpha_i, c_i) / sum alpha_i. It
    needs no overlap of images and no texture. What lies beyond a side that cuts the object off counts as covered. It
    cannot see texture, concavities, or the pose of rotationally symmetric objects.

    Args:
        view_set: posed views.
        tolerance: grow the other silhouettes by W / 128 pixels (at least one) and restore parts thinner than a pixel;
            without, the stricter SC0, whose peak over claimed cameras is sharper.

    Source: Hernandez, Schmitt, Cipolla, "Silhouette coherence for camera calibration under circular motion", PAMI 2007.
    """
    return over_sets(view_set, lambda views: _coherence(views, tolerance))


def _coherence(views: ViewSet, tolerance: bool) -> Silhouette:
    width, num_views = views.width, views.num_views
    alpha = views.alpha.flatten(0, 1)[:, 0]
    if tolerance:
        shapes = silhouettes(restore_thin(alpha), max(1, round(width / REFERENCE_WIDTH)))
    else:
        shapes = silhouettes(alpha, 0)
    stride = max(1, width // REFERENCE_WIDTH)
    start = stride // 2
    own = alpha[:, start::stride, start::stride]
    view, row, column = (own > 0).nonzero().unbind(1)
    wanted = own[view, row, column]
    u, v = (column * stride + start + 0.5).to(alpha), (row * stride + start + 0.5).to(alpha)
    rays = clip(cast(Geometry.of(views.cameras), view, u, v, other_views(view, num_views)), shapes.boxes)
    covered = torch.zeros_like(own)
    covered[view, row, column] = torch.minimum(cover(rays, shapes, wanted), wanted)
    total = own.sum((1, 2))
    share = (covered.sum((1, 2)) / total.clamp(min=1e-12)).view(-1, num_views)
    has_foreground = (total > 0).view(-1, num_views).all(1, keepdim=True)
    per_view = torch.where(has_foreground, share, 0.0)
    return Silhouette(per_view, per_view.mean(-1), per_view.amin(-1))
