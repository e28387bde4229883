"""Photo-consistency: do the views agree on the colours of the surface better than chance?"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mflab.metrics.consistency.batches import over_sets
from mflab.metrics.consistency.hull import WORKING_WIDTH
from mflab.metrics.consistency.matching import match_views
from mflab.metrics.consistency.pairs import ColourPairs
from mflab.metrics.consistency.view_set import ViewSet

# Smallest chance level that errors are compared with, and below which an object has no texture to compare.
NULL_FLOOR = 0.02
# Pairs of a set, and of a view, below which their scores are noise; for images of the working width.
MIN_PAIRS, MIN_VIEW_PAIRS = 2000, 100


class Photo(NamedTuple):
    """Agreement of colours on the hull's surface.

    Attributes:
        score: 1 - error / max(null, 0.02), about 0.15 for unrelated views and at most 1; NaN below 2,000 pairs at 128
            pixels, in proportion to the number of pixels at smaller widths.
        per_view: the same over the pairs that touch a view, shape [..., V]; NaN below 100 pairs likewise.
        minimum: worst view that shares enough.
        error: weighted mean absolute difference of colours, in [0, 1].
        null: the same with partners permuted inside each ordered pair of views.
        pairs: number of colour pairs.
        is_textureless: the chance level is below 0.02, so that agreement says little.
    """

    score: Float[Tensor, "*batch"]
    per_view: Float[Tensor, "*batch view"]
    minimum: Float[Tensor, "*batch"]
    error: Float[Tensor, "*batch"]
    null: Float[Tensor, "*batch"]
    pairs: Int[Tensor, "*batch"]
    is_textureless: Bool[Tensor, "*batch"]


def photo_consistency(view_set: ViewSet, generator: torch.Generator) -> Photo:
    """Returns how well views agree on surface colours, between chance and 1.

    Colours of each pixel and of its projections into the other views are compared at the depth, shortly behind the
    hull, where they agree best (`matching.match_views`). It sees what silhouettes cannot: swapped textures, a face on
    the back, hue and gain. A gain common to all views changes nothing, another common colour change little. It needs
    textured objects and some overlap; strong highlights lower it. Views wider than 128 pixels are averaged down to it,
    narrower ones score lower.

    Args:
        view_set: posed views.
        generator: gives the one seed of the permutation behind the chance level; it moves the score by 0.001.
    """
    seed = draw_seed(generator)
    small = view_set.resized(min(WORKING_WIDTH, view_set.width))
    return over_sets(small, lambda views: score_pairs(match_views(views), seed))


def draw_seed(generator: torch.Generator) -> int:
    """One seed for all sets, so that a set's score does not depend on its neighbours in the batch."""
    return int(torch.randint(2**31 - 1, (), generator=generator, device=generator.device))


def score_pairs(pairs: ColourPairs, seed: int) -> Photo:
    """Photo-consistency of B sets from their colour pairs."""
    shuffled = pairs.other.index_select(1, pairs.permuted(seed))
    differences = [(pairs.own - other).abs().mean(0) * pairs.weight for other in (pairs.other, shuffled)]
    sums = pairs.by_group(torch.stack([*differences, pairs.weight]).double(), 0.0).sum(-1)
    between = pairs.between(torch.cat([sums, pairs.counts.double()[None]]))
    total = between.sum((-1, -2))
    touching = between.sum(-1) + between.sum(-2)
    count = total[3].long()
    scale = (pairs.width / WORKING_WIDTH) ** 2
    has_enough = count >= scale * MIN_PAIRS
    score = torch.where(has_enough, _score(total), torch.nan)
    per_view = torch.where(has_enough[:, None] & (touching[3] >= scale * MIN_VIEW_PAIRS), _score(touching), torch.nan)
    null = total[1] / total[2]
    return Photo(
        score.float(),
        per_view.float(),
        lowest_known(per_view).float(),
        (total[0] / total[2]).float(),
        null.float(),
        count,
        null < NULL_FLOOR,
    )


def _score(sums: Tensor) -> Tensor:
    """1 - error / chance from sums of weighted error, weighted chance error and weight; NaN without weight."""
    error, null, weight = sums[:3]
    return 1.0 - (error / weight) / (null / weight).clamp(min=NULL_FLOOR)


def lowest_known(per_view: Tensor) -> Tensor:
    """Minimum over views [..., V] without NaN; NaN where all are."""
    lowest = torch.where(per_view.isnan(), torch.inf, per_view).amin(-1)
    return torch.where(lowest.isinf(), torch.nan, lowest)
