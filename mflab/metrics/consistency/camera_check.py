"""Self-check of claimed cameras: do elevation, azimuth step and order of the views fit their silhouettes?"""

import math

import torch

from mflab.metrics.consistency.alike import has_one_silhouette
from mflab.metrics.consistency.camera_claims import Claims
from mflab.metrics.consistency.camera_findings import CameraCheck
from mflab.metrics.consistency.camera_scan import mean_coherence, quick_elevation
from mflab.metrics.consistency.field import IS_INSIDE
from mflab.metrics.consistency.spread import spread_views
from mflab.metrics.consistency.thresholds import THRESHOLDS
from mflab.metrics.consistency.view_set import ViewSet
from mflab.metrics.threads import serial

# Scans look at images of this width.
CHECK_WIDTH = 64


@serial
def check_camera_claims(view_set: ViewSet, generator: torch.Generator) -> CameraCheck:
    """Returns whether elevation, azimuth step and order of the cameras are what the images show.

    Each is searched for on at most six views with the others as claimed. If several look wrong, the one whose
    correction helps coherence most is put right first and the others are searched for again, since a wrong order makes
    every elevation look wrong. A view without which the others fit is left out of them like that. In the end the six
    judge every other view.

    What cannot be seen: a turn of all views about the vertical, a mirrored object whose views run backwards, a common
    scale of focal length and distance up to about 10 %, and anything about objects that are rotationally symmetric. The
    order is that of most sets: a single set in disorder is found by `measure_consistency`.

    Args:
        view_set: one or more sets of one rig; scores are averaged over them, so more sets judge better.
        generator: gives the one seed of the chance level of photo-consistency.

    Raises:
        MflabError: all cameras in one vertical plane, or one straight above or below the object.
    """
    views, num_round = _judged(view_set)
    if views is None:
        return _nothing(view_set)
    claims = Claims(views, generator)
    claimed = mean_coherence(claims.core_views)
    while (worst := claims.worst()) is not None:
        claims.correct(worst)
    strays = claims.placed_strays()
    return CameraCheck(
        claims.elevation,
        claims.step,
        claims.order,
        strays,
        claims.core,
        claims.step_views,
        claims.order_views,
        view_set.num_views,
        _num_sets(view_set),
        len(views.images),
        num_round,
        claimed,
        mean_coherence(claims.core_views),
    )


@serial
def quick_camera_check(view_set: ViewSet) -> CameraCheck:
    """Returns the check of the elevation alone, from silhouettes at offsets up to 20 degrees from the claim.

    Args:
        view_set: one or more sets of one rig; of more than six views, six are looked at.

    Raises:
        MflabError: as `check_camera_claims`.
    """
    views, num_round = _judged(view_set)
    if views is None:
        return _nothing(view_set)
    core = spread_views(views.cameras)
    scan = quick_elevation(views.select(core))
    claimed = scan.coherence[scan.angles.index(scan.claimed)]
    best = claimed + (scan.gain if scan.mismatch else 0.0)
    sizes = (view_set.num_views, _num_sets(view_set), len(views.images), num_round)
    return CameraCheck(scan, None, None, {}, core, core, core, *sizes, claimed, best)


def _judged(view_set: ViewSet) -> tuple[ViewSet | None, int]:
    """The sets that can be judged, at the width of the check, None without any; and how many more were left out.

    Sets with one silhouette from all sides count only where there are no others: their best cameras are no answer.
    """
    views = view_set.flattened()
    share = (views.alpha > IS_INSIDE).float().mean((-1, -2, -3))
    is_judged = ((share >= THRESHOLDS.min_foreground) & (share <= THRESHOLDS.max_foreground)).all(-1)
    if not bool(is_judged.any()):
        return None, 0
    judged = views.take(is_judged.nonzero()[:, 0].tolist()).resized(min(CHECK_WIDTH, views.width))
    telling = ~has_one_silhouette(judged.select(spread_views(judged.cameras)))
    if not bool(telling.any()):
        return judged, 0
    return judged.take(telling.nonzero()[:, 0].tolist()), int((~telling).sum())


def _nothing(view_set: ViewSet) -> CameraCheck:
    sizes = (view_set.num_views, _num_sets(view_set), 0, 0)
    return CameraCheck(None, None, None, {}, (), (), (), *sizes, math.nan, math.nan)


def _num_sets(view_set: ViewSet) -> int:
    return math.prod(view_set.batch_shape)
