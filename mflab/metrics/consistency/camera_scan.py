"""Scans of claimed camera angles: where does silhouette coherence peak?"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from mflab.geometry import Cameras
from mflab.metrics.consistency.alike import has_one_silhouette
from mflab.metrics.consistency.orbit import Orbit
from mflab.metrics.consistency.photo import draw_seed, photo_consistency
from mflab.metrics.consistency.silhouette import silhouette_coherence
from mflab.metrics.consistency.view_set import ViewSet

# A scan whose SC0 varies by no more says nothing: the object is nearly symmetric or the views are unrelated.
MIN_RANGE = 0.01
# A claim is wrong only if SC0 gains this much elsewhere.
MIN_GAIN = 0.005
# Smallest error that is told, degrees.
MIN_ELEVATION_ERROR, MIN_STEP_ERROR = 5.0, 2.0
PHOTO_WEIGHT = 0.1
LOWEST, HIGHEST, COARSE, FINE = -15.0, 50.0, 5.0, 2.5
QUICK_OFFSETS = (-20.0, -10.0, -5.0, 0.0, 5.0, 10.0, 20.0)
# Cameras nearer to the vertical than this cannot be raised about their horizontal axis.
STEEPEST = 85.0
# Steps are tried up to a third of the claimed step away.
STEP_SHARE, STEP_PLACES = 1.0 / 12.0, 4


@dataclass(frozen=True)
class AngleScan:
    """What a scan over one angle of all cameras found; angles in degrees.

    Attributes:
        angles: tried angles, ascending.
        coherence: mean SC0 over views and sets at each.
        scores: SC0 + 0.1 PC where photo-consistency was looked at, else SC0; NaN where it could not decide any more.
        claimed: what the cameras say.
        estimated: refined place of the best score.
        gain: SC0 at the best angle less SC0 as claimed.
        min_error: smallest error that is told.
        is_round: every set shows one silhouette from all sides, which fits many cameras.
    """

    angles: tuple[float, ...]
    coherence: tuple[float, ...]
    scores: tuple[float, ...]
    claimed: float
    estimated: float
    gain: float
    min_error: float
    is_round: bool

    @property
    def error(self) -> float:
        """Estimated less claimed angle."""
        return self.estimated - self.claimed

    @property
    def decidable(self) -> bool:
        return not self.is_round and max(self.coherence) - min(self.coherence) > MIN_RANGE

    @property
    def mismatch(self) -> bool:
        """The claim is wrong: decidable, far enough off, and coherence gains by the change."""
        return self.decidable and abs(self.error) >= self.min_error and self.gain >= MIN_GAIN


def mean_coherence(view_set: ViewSet, cameras: Cameras | None = None) -> float:
    """Mean SC0 over views and sets, with other cameras where given."""
    views = view_set if cameras is None else replace(view_set, cameras=cameras)
    return float(silhouette_coherence(views, tolerance=False).mean.mean())


def scan_elevation(view_set: ViewSet, generator: torch.Generator) -> AngleScan:
    """Returns the elevation that fits the views best, of -15 to 50 degrees in steps of 5, then of 2.5.

    All views move together by one offset against their claims. The score is SC0 + 0.1 PC, averaged over the sets.
    Photo-consistency, at most 1, is looked at only where it can still decide.

    Args:
        view_set: one or more sets of one rig.
        generator: gives the one seed of the chance level of photo-consistency.
    """
    view_set = view_set.flattened()
    orbit, seed = Orbit.of(view_set.cameras), draw_seed(generator)
    down, up = min(-COARSE, LOWEST - orbit.elevation), max(COARSE, HIGHEST - orbit.elevation)
    places = range(math.ceil(down / COARSE - 1e-6), math.floor(up / COARSE + 1e-6) + 1)
    coherence: dict[float, float] = {}
    photo: dict[float, float] = {}

    def look(offsets: Sequence[float]) -> None:
        for offset in _possible(orbit, offsets):
            coherence[offset] = mean_coherence(view_set, orbit.raised(offset))

    def score(offset: float) -> float:
        if offset not in photo:
            raised = replace(view_set, cameras=orbit.raised(offset))
            found = photo_consistency(raised, torch.Generator().manual_seed(seed))
            is_known = ~found.is_textureless & ~found.score.isnan()
            photo[offset] = float(torch.where(is_known, found.score, 0.0).mean())
        return coherence[offset] + PHOTO_WEIGHT * photo[offset]

    look([COARSE * place for place in places])
    floor = score(max(coherence, key=coherence.__getitem__)) - PHOTO_WEIGHT
    best = max((offset for offset in coherence if coherence[offset] >= floor), key=score)
    look([best - FINE, best + FINE])
    best = max(_around(sorted(coherence), best), key=score)
    for offset in _around(sorted(coherence), best):
        score(offset)
    scores = {offset: score(offset) if offset in photo else math.nan for offset in coherence}
    return _scan(view_set, orbit.elevation, coherence, scores, best, MIN_ELEVATION_ERROR)


def quick_elevation(view_set: ViewSet) -> AngleScan:
    """Returns the same from SC0 alone, at a few offsets up to 20 degrees from the claim and then about the best."""
    view_set = view_set.flattened()
    orbit = Orbit.of(view_set.cameras)
    coherence: dict[float, float] = {}
    wanted: Sequence[float] = QUICK_OFFSETS
    best = 0.0
    # Each further round halves the gaps beside the best, from 10 degrees to 2.5, or goes on beyond an end.
    for _ in range(4):
        for offset in _possible(orbit, wanted):
            coherence[offset] = mean_coherence(view_set, orbit.raised(offset))
        offsets = sorted(coherence)
        best = max(offsets, key=coherence.__getitem__)
        near = _around(offsets, best)
        wanted = [0.5 * (best + other) for other in near if abs(other - best) > FINE]
        wanted += [best + math.copysign(2 * COARSE, best)] if best in (offsets[0], offsets[-1]) else []
    return _scan(view_set, orbit.elevation, coherence, coherence, best, MIN_ELEVATION_ERROR)


def scan_step(view_set: ViewSet) -> AngleScan | None:
    """Returns the clockwise azimuth step that fits best, up to a third off the claim; None for irregular views.

    Args:
        view_set: one or more sets of one rig.
    """
    view_set = view_set.flattened()
    orbit = Orbit.of(view_set.cameras)
    if orbit.step is None or view_set.num_views < 3:
        return None
    claimed = orbit.step
    spacing = STEP_SHARE * abs(claimed)
    coherence: dict[float, float] = {}

    def look(places: Sequence[float]) -> None:
        for place in places:
            coherence[place * spacing] = mean_coherence(view_set, orbit.restepped(claimed + place * spacing))

    look([float(place) for place in range(-STEP_PLACES, STEP_PLACES + 1)])
    best = max(coherence, key=coherence.__getitem__)
    look([best / spacing - 0.5, best / spacing + 0.5])
    best = max(coherence, key=coherence.__getitem__)
    return _scan(view_set, claimed, coherence, coherence, best, MIN_STEP_ERROR)


def _possible(orbit: Orbit, offsets: Sequence[float]) -> list[float]:
    """Offsets that keep every camera off the vertical, and the claim itself."""
    low, high = float(orbit.elevations.min()), float(orbit.elevations.max())
    return [offset for offset in offsets if offset == 0.0 or (low + offset >= -STEEPEST and high + offset <= STEEPEST)]


def _around(places: Sequence[float], best: float) -> list[float]:
    """The place itself and its neighbours, of ascending ones."""
    index = list(places).index(best)
    return list(places[max(0, index - 1) : index + 2])


def is_round(view_set: ViewSet) -> bool:
    """Whether every set shows one silhouette from all sides."""
    return bool(has_one_silhouette(view_set).all())


def _scan(
    view_set: ViewSet,
    claimed: float,
    coherence: dict[float, float],
    scores: dict[float, float],
    best: float,
    min_error: float,
) -> AngleScan:
    offsets = sorted(coherence)
    offset = vertex(_around(offsets, best), scores.__getitem__)
    return AngleScan(
        tuple(claimed + place for place in offsets),
        tuple(coherence[place] for place in offsets),
        tuple(scores[place] for place in offsets),
        claimed,
        claimed + offset,
        coherence[best] - coherence[0.0],
        min_error,
        is_round(view_set),
    )


def vertex(places: Sequence[float], value: Callable[[float], float]) -> float:
    """Peak of the parabola through three ascending places whose middle one is highest, or the higher of two.

    >>> vertex([0.0, 1.0, 3.0], lambda x: -((x - 1.2) ** 2))
    1.2
    """
    if len(places) < 3:
        return max(places, key=value)
    left, middle, right = places
    down, up = value(middle) - value(left), value(middle) - value(right)
    before, after = middle - left, right - middle
    curvature = down * after + up * before
    if curvature <= 0:
        return middle
    return middle + 0.5 * (down * after**2 - up * before**2) / curvature
