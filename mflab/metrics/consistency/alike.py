"""Are all views of a set alike: one silhouette, or one whole picture?"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mflab.metrics.consistency.field import IS_INSIDE
from mflab.metrics.consistency.view_set import ViewSet

# Mean colour difference of two views, as a share of what chance gives between them, below which a set shows one
# picture. True views reach 0.75 at any contrast, those of bodies of revolution too; a picture in all places is at 0.
MAX_SHARE = 0.25
# Overlap (intersection over union) of the two silhouettes that overlap least, from which on all count as one. Those of
# bodies of revolution overlap by 1.00, those of the most compact other objects of this project by 0.6.
MIN_OVERLAP = 0.95


def has_one_silhouette(view_set: ViewSet) -> Bool[Tensor, "*batch"]:
    """Returns whether the silhouettes of each set are the same from all sides, as those of a body of revolution are.

    Such silhouettes fit cameras at many elevations and in every order, but not all equally well: the best is no answer.
    From cameras at several elevations or distances even a body of revolution has several silhouettes, which do tell.

    Args:
        view_set: posed views.
    """
    inside = view_set.alpha[..., 0, :, :] > IS_INSIDE
    first, second = _pairs(view_set)
    both = (inside[..., first, :, :] & inside[..., second, :, :]).sum((-1, -2))
    either = (inside[..., first, :, :] | inside[..., second, :, :]).sum((-1, -2))
    # Views without an object overlap in nothing.
    return (both / either.clamp(min=1)).amin(-1) >= MIN_OVERLAP


def has_one_picture(view_set: ViewSet, chance: Float[Tensor, "*batch"]) -> Bool[Tensor, "*batch"]:
    """Returns whether the views of each set are one picture, as those of a generator that ignores its cameras.

    The mean absolute colour difference over the pixels that either view fills, averaged over all pairs of views, is
    less than a quarter of what chance gives. One picture in all places is the exact image of a body of revolution:
    silhouettes do not object to it, and colours hardly do. A true body of revolution whose pattern is rings alone has
    one picture too: nothing tells it from a collapsed set.

    Args:
        view_set: posed views.
        chance: mean absolute colour difference of pixels that do not belong together; see `photo_consistency`.
    """
    inside = view_set.alpha[..., 0, :, :] > IS_INSIDE
    first, second = _pairs(view_set)
    either = inside[..., first, :, :] | inside[..., second, :, :]
    difference = (view_set.images[..., first, :, :, :] - view_set.images[..., second, :, :, :]).abs().mean(-3) * either
    # Without an object there is no picture: 0 / 0 is below nothing.
    return (difference.sum((-1, -2)) / either.sum((-1, -2))).mean(-1) < MAX_SHARE * chance


def _pairs(view_set: ViewSet) -> tuple[Tensor, Tensor]:
    first, second = torch.triu_indices(view_set.num_views, view_set.num_views, 1, device=view_set.images.device)
    return first, second
