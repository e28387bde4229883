"""Tint spread: do all views show the object in the same light and colour balance?"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mflab.metrics.consistency.batches import over_sets
from mflab.metrics.consistency.hull import WORKING_WIDTH
from mflab.metrics.consistency.matching import match_views
from mflab.metrics.consistency.pairs import ColourPairs
from mflab.metrics.consistency.photo import MIN_VIEW_PAIRS
from mflab.metrics.consistency.view_set import ViewSet

# Colours below this are all the same black.
DARKEST = 0.02


class Tint(NamedTuple):
    """Colour offsets of views, natural-log gain, L2 norm over RGB; 0 for a consistent set.

    Attributes:
        per_view: shape [..., V]; NaN for a view that shares fewer than 100 pixels at 128 pixels, in proportion to the
            number of pixels at smaller widths.
        maximum: worst view; one view 10 % darker gives 0.15.
    """

    per_view: Float[Tensor, "*batch view"]
    maximum: Float[Tensor, "*batch"]


def tint_spread(view_set: ViewSet) -> Tint:
    """Returns how much each view's colour gain differs from that of the others.

    For each ordered pair of views the median of log a - log b over their colour pairs, per channel; then the offsets
    per view that explain these medians best in weighted least squares, with mean zero. A tint common to all views
    cannot be seen.

    Args:
        view_set: posed views; wider ones are averaged down to 128 pixels.
    """
    small = view_set.resized(min(WORKING_WIDTH, view_set.width))
    return over_sets(small, lambda views: tint_of_pairs(match_views(views)))


def tint_of_pairs(pairs: ColourPairs) -> Tint:
    """Tint spread of B sets from their colour pairs, weighted by the number of pairs of two views."""
    ratio = pairs.own.clamp(min=DARKEST).log() - pairs.other.clamp(min=DARKEST).log()
    median = torch.nan_to_num(pairs.by_group(ratio, torch.nan).nanmedian(-1).values)
    between = pairs.between(torch.cat([median, pairs.counts.to(median)[None]]).double())
    measured, weight = between[:3], between[3]
    both = weight + weight.mT
    laplacian = torch.diag_embed(both.sum(-1)) - both
    flow = weight * measured
    pull = flow.sum(-1) - flow.sum(-2)
    # The pseudo-inverse gives the solution of mean zero in every group of views that see each other.
    offset = torch.einsum("bij,cbj->bic", torch.linalg.pinv(laplacian, rtol=1e-9, hermitian=True), pull)
    per_view = torch.where(
        both.sum(-1) >= MIN_VIEW_PAIRS * (pairs.width / WORKING_WIDTH) ** 2, offset.norm(dim=-1), torch.nan
    )
    maximum = torch.where(per_view.isnan(), -torch.inf, per_view).amax(-1)
    return Tint(per_view.float(), torch.where(maximum.isinf(), torch.nan, maximum).float())
