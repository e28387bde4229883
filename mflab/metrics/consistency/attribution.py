"""Which view is at fault: every view is left out once, and the set that scores best names it.

Per-view coherence does not name the faulty view, because a wrong mask carves the hull and its neighbours lose more.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics.consistency.photo import draw_seed, photo_consistency
from mflab.metrics.consistency.silhouette import silhouette_coherence
from mflab.metrics.consistency.view_set import ViewSet


def drop_one_silhouette(view_set: ViewSet) -> Float[Tensor, "*batch view"]:
    """Returns the mean SC0 of each set without view i; the largest names a shifted, turned or scaled view.

    Raises:
        MflabError: fewer than three views.
    """
    return _drop_one(view_set, lambda rest: silhouette_coherence(rest, tolerance=False).mean)


def drop_one_photo(view_set: ViewSet, generator: torch.Generator) -> Float[Tensor, "*batch view"]:
    """Returns the photo-consistency of each set without view i; the largest names a recoloured or retextured view.

    Args:
        view_set: posed views.
        generator: gives the one seed of the chance level, the same for all views left out.

    Raises:
        MflabError: fewer than three views.
    """
    seed = draw_seed(generator)
    return _drop_one(view_set, lambda rest: photo_consistency(rest, torch.Generator().manual_seed(seed)).score)


def best_without(scores: Float[Tensor, "*batch view"]) -> Int[Tensor, "*batch"]:
    """The view whose removal scores best, -1 where no score is known.

    >>> best_without(torch.tensor([[0.7, 0.9, 0.8], [float("nan")] * 3]))
    tensor([ 1, -1])
    """
    known = torch.where(scores.isnan(), -torch.inf, scores)
    return torch.where(known.isinf().all(-1), -1, known.argmax(-1))


def _drop_one(view_set: ViewSet, score: Callable[[ViewSet], Tensor]) -> Tensor:
    num_views = view_set.num_views
    if num_views < 3:
        raise MflabError(
            f"Naming the faulty view needs at least 3 views, but got {num_views}; two views that disagree are equally "
            "suspect."
        )
    rest = [[view for view in range(num_views) if view != left_out] for left_out in range(num_views)]
    return torch.stack([score(view_set.select(order)) for order in rest], dim=-1)
