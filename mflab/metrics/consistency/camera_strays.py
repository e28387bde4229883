"""Which images fit none of the others, and under which other camera do they?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from mflab.metrics.consistency.attribution import drop_one_silhouette
from mflab.metrics.consistency.camera_scan import MIN_GAIN, is_round, mean_coherence
from mflab.metrics.consistency.view_set import ViewSet

# A view is a stray if SC0 gains this much without it, and by this many times what the others lack then: where no view
# fits, none is named. True views gain at most the once of it, a neighbour's image 11 degrees off 1.6 times and more.
GAIN_SHARE = 1.5
# Of more strays than these it is not asked where they belong.
MAX_PLACED = 6
# Mean colour difference over the object below which two views show one picture; neighbours 11 degrees apart are at 0.03
# and more.
SAME_PICTURE = 0.01
# Of fewer views none is left out: the rest would fit too easily.
FEWEST = 5


@dataclass(frozen=True)
class Culprit:
    """The view of a set without which the others fit best.

    Attributes:
        view: its place in the set.
        gain: mean SC0 over the other views and sets without it, less that of all views with it.
        coherence: mean SC0 without it.
        decidable: the silhouettes are not one from all sides.
    """

    view: int
    gain: float
    coherence: float
    decidable: bool

    @property
    def mismatch(self) -> bool:
        """The view does not belong: leaving it out mends most of what does not fit."""
        return self.decidable and is_stray(self.gain, self.coherence)


def is_stray(gain: float, coherence: float) -> bool:
    """Whether a view that costs others so much SC0 is no part of them, whose own is `coherence`."""
    return gain >= max(MIN_GAIN, GAIN_SHARE * (1.0 - coherence))


def find_culprit(view_set: ViewSet) -> Culprit | None:
    """Returns the view of a set whose removal helps most; None for fewer than five views.

    Args:
        view_set: one or more sets of one rig; scores are averaged over them.
    """
    views = view_set.flattened()
    if views.num_views < FEWEST:
        return None
    without = drop_one_silhouette(views).mean(0)
    view = int(without.argmax())
    coherence = float(without[view])
    return Culprit(view, coherence - mean_coherence(views), coherence, not is_round(views))


def find_strays(view_set: ViewSet, core: Sequence[int], others: Sequence[int]) -> tuple[int, ...]:
    """Returns the views that do not fit a few that fit one another: each is added to them, and SC0 must not fall.

    Args:
        view_set: one or more sets of one rig; scores are averaged over them.
        core: numbers of views that fit one another.
        others: numbers of the views that are judged.
    """
    views = view_set.flattened()
    if not others or is_round(views.select(core)):
        return ()
    coherence = mean_coherence(views.select(core))
    return tuple(view for view in others if is_stray(coherence - _score(views, core, view, view), coherence))


def place_strays(view_set: ViewSet, core: Sequence[int], strays: Sequence[int]) -> dict[int, int]:
    """Returns for each stray the camera that its image belongs to; -1 where that is none of the set's.

    That is a camera with the same picture, or another stray's under which the image fits the core. A view that fits
    better where the stray was, as the stray does in its place, was exchanged with it and is a stray too.
    Nothing is tried for more than six strays.

    Args:
        view_set: one or more sets of one rig.
        core: numbers of views that fit one another; of these the one whose camera is tried stands back.
        strays: numbers of views that do not.
    """
    if not strays or len(strays) > MAX_PLACED:
        return dict.fromkeys(strays, -1)
    views = view_set.flattened()
    found: dict[int, int] = {}
    for stray in strays:
        same = _same_picture(views, stray, strays)
        others = [view for view in range(views.num_views) if view not in (*strays, *core)]
        # The likely cameras first: most exchanged views are both strays, or one was in the core.
        for cameras in ([view for view in (*strays, *core) if view != stray], others):
            if same is None:
                same = _own_camera(views, core, stray, cameras, strays)
        found[stray] = -1 if same is None else same
        if same is not None and same not in strays and _goes(views, core, same, stray):
            found[same] = stray
    return dict(sorted(found.items()))


def _own_camera(
    views: ViewSet, core: Sequence[int], stray: int, cameras: Sequence[int], strays: Sequence[int]
) -> int | None:
    """Of some cameras the one that a stray's image belongs to: it fits there, and the image there is elsewhere."""
    if not cameras:
        return None
    coherence = mean_coherence(views.select(core))
    scores = {camera: _score(views, core, stray, camera) for camera in cameras}
    best = max(scores, key=scores.__getitem__)
    is_free = best in strays or _goes(views, core, best, stray)
    return best if is_free and not is_stray(coherence - scores[best], coherence) else None


def _same_picture(views: ViewSet, view: int, strays: Sequence[int]) -> int | None:
    """The first view that is no stray and shows the same in every set."""
    own = views.images[:, view, None], views.alpha[:, view, None]
    inside = torch.maximum(own[1], views.alpha)
    difference = ((views.images - own[0]).abs() * inside).mean(-3).sum((-1, -2)) / inside.sum((-1, -2, -3))
    same = (difference.amax(0) < SAME_PICTURE).nonzero()[:, 0].tolist()
    return next((other for other in same if other not in strays), None)


def _goes(views: ViewSet, core: Sequence[int], view: int, camera: int) -> bool:
    """Whether an image fits the core, without itself, better under another camera."""
    rest = [other for other in core if other != view]
    return _score(views, rest, view, camera) > _score(views, rest, view, view)


def _score(views: ViewSet, core: Sequence[int], image: int, camera: int) -> float:
    """Mean SC0 over sets of the core with an image under a camera."""
    places = [view for view in core if view != camera]
    joined = replace(views.select([*places, image]), cameras=views.cameras.select([*places, camera]))
    return mean_coherence(joined)
