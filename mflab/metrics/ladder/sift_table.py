"""How many SIFT matches true views with true cameras have at each separation, and how many are right."""

from dataclasses import dataclass

import numpy as np
from skimage.feature import match_descriptors

from mflab.metrics.consistency import ViewSet
from mflab.metrics.ladder.negative import (
    DISTANCE_WIDTH,
    MATCH_RATIO,
    MAX_DISTANCE,
    MIN_MATCHES,
    Features,
    epipolar_distances,
    sift_features,
)


@dataclass(frozen=True)
class SiftRow:
    """Matches at one separation of true views.

    Attributes:
        separation_deg: azimuth between the two views.
        pairs: pairs of views looked at.
        matches: mean number of matches of a pair.
        inliers: share of all matches within two pixels of their epipolar lines.
        chance: the same of random pairs of features.
        passed: share of pairs with at least ten matches whose median distance is within two pixels.
    """

    separation_deg: float
    pairs: int
    matches: float
    inliers: float
    chance: float
    passed: float


def sift_table(ring: ViewSet, steps: tuple[int, ...], every: int, rng: np.random.Generator) -> list[SiftRow]:
    """Returns a row per separation of a regular ring of views.

    Args:
        ring: all views of a ring of even steps, [N].
        steps: separations in steps of the ring.
        every: look at pairs that start at every so many views.
        rng: pairs features at random for the level of chance.
    """
    features = [sift_features(image, mask, {}) for image, mask in zip(ring.images, ring.alpha, strict=True)]
    return [_row(ring, features, step, every, rng) for step in steps]


def _row(ring: ViewSet, features: list[Features], step: int, every: int, rng: np.random.Generator) -> SiftRow:
    limit = MAX_DISTANCE * ring.width / DISTANCE_WIDTH
    found, random, passed = [], [], []
    for start in range(0, ring.num_views, every):
        pair = (start, (start + step) % ring.num_views)
        (points, descriptors), (others, other_descriptors) = features[pair[0]], features[pair[1]]
        matches = np.empty((0, 2), int)
        if len(points) and len(others):
            matches = match_descriptors(descriptors, other_descriptors, max_ratio=MATCH_RATIO, cross_check=True)
            chosen = rng.integers(len(points), size=50), rng.integers(len(others), size=50)
            random.append(epipolar_distances(ring.cameras, pair, points[chosen[0]], others[chosen[1]]))
        distances = epipolar_distances(ring.cameras, pair, points[matches[:, 0]], others[matches[:, 1]])
        found.append(distances)
        passed.append(len(distances) >= MIN_MATCHES and float(np.median(distances)) < limit)
    everything = np.concatenate(found)
    return SiftRow(
        360.0 * step / ring.num_views,
        len(found),
        len(everything) / len(found),
        float((everything < limit).mean()) if len(everything) else 0.0,
        float((np.concatenate(random) < limit).mean()) if random else 0.0,
        float(np.mean(passed)),
    )
