"""Which of many views, or sets, are looked at."""

from collections.abc import Collection

from mflab.geometry import Cameras
from mflab.metrics.consistency.orbit import Orbit

# A search looks at no more views than these: its time grows with their square, and silhouettes from six sides tell.
MAX_VIEWS = 6


def spread_views(cameras: Cameras, left_out: Collection[int] = ()) -> tuple[int, ...]:
    """Returns the numbers of at most six views, spread over all: in equal steps where the cameras step equally and no
    view that is left out is in the way of all such choices.

    Args:
        cameras: of one or more sets, shape [B, V].
        left_out: views that are not chosen.

    Raises:
        MflabError: as `Orbit.of`.
    """
    num_views = cameras.num_views
    if num_views > MAX_VIEWS and Orbit.of(cameras).step is not None:
        stride = max(1, round(num_views / MAX_VIEWS))
        chosen = list(range(0, num_views, stride)[:MAX_VIEWS])
        turned = ([view + start for view in chosen] for start in range(num_views - chosen[-1]))
        for views in turned:
            if not set(views) & set(left_out):
                return tuple(views)
    rest = [view for view in range(num_views) if view not in left_out]
    return tuple(rest[place] for place in evenly(len(rest), MAX_VIEWS))


def evenly(count: int, most: int) -> list[int]:
    """At most that many numbers below `count`, evenly spread from 0.

    >>> evenly(6, 4), evenly(3, 4)
    ([0, 1, 3, 4], [0, 1, 2])
    """
    return [index * count // most for index in range(most)] if count > most else list(range(count))
