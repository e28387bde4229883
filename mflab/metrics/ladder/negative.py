"""Negative controls: popular scores of neighbouring views that do not measure consistency of distant ones.

Adjacent views of one object look alike whether or not they fit together, and feature matching finds too few matches at
60 degrees. They are measured so that the ladder can show it.
"""

import hashlib

import numpy as np
import torch
from skimage.feature import SIFT, match_descriptors
from torch import Tensor

from mflab.geometry import Cameras
from mflab.metrics.consistency import ViewSet
from mflab.metrics.ladder.pixels import own_colours
from mflab.metrics.table import MetricInfo

HISTOGRAM_BINS = 8
# Matches within this distance of the epipolar line are right, pixels of an image 256 wide.
MAX_DISTANCE, DISTANCE_WIDTH = 2.0, 256
# Thresholded symmetric epipolar distance: as many matches, and their median within the distance.
MIN_MATCHES = 10
MATCH_RATIO = 0.8
_NO_MEASURE = "Negative control, no measure of consistency: "
NEGATIVE = {
    "adjacent_psnr": MetricInfo("higher", "dB", f"{_NO_MEASURE}PSNR between each view and the next."),
    "adjacent_histogram": MetricInfo(
        "higher", "", f"{_NO_MEASURE}overlap of the object's colour histograms in each view and the next."
    ),
    "sift_inliers": MetricInfo(
        "higher",
        "",
        f"{_NO_MEASURE}share of SIFT matches of each view and the next within 2 px (of 256) of the epipolar line.",
    ),
}
Features = tuple[np.ndarray, np.ndarray]


def measure_negative(views: ViewSet, seen: dict[str, Features]) -> dict[str, float]:
    """Returns the negative controls of one set [V].

    Args:
        views: posed views.
        seen: SIFT features of pictures by their hash, filled as they are found.
    """
    following = [(slot + 1) % views.num_views for slot in range(views.num_views)]
    error = (views.images - views.images[following]).square().mean((1, 2, 3)).clamp(min=1e-10)
    histogram = colour_histograms(views)
    overlap = torch.minimum(histogram, histogram[following]).sum(-1)
    features = [sift_features(image, mask, seen) for image, mask in zip(views.images, views.alpha, strict=True)]
    distances = np.concatenate(
        [match_distances(views.cameras, (slot, nxt), features) for slot, nxt in enumerate(following)]
    )
    limit = MAX_DISTANCE * views.width / DISTANCE_WIDTH
    return {
        "adjacent_psnr": float((-10.0 * error.log10()).mean()),
        "adjacent_histogram": float(overlap.mean()),
        "sift_inliers": float((distances < limit).mean()) if len(distances) else 0.0,
    }


def colour_histograms(views: ViewSet) -> Tensor:
    """Shares of the object's pixels in 8 x 8 x 8 colour bins, shape [V, 512]; zero for views without an object."""
    own = own_colours(views.images, views.alpha)
    level = (own * HISTOGRAM_BINS).long().clamp(max=HISTOGRAM_BINS - 1)
    number = (level[:, 0] * HISTOGRAM_BINS + level[:, 1]) * HISTOGRAM_BINS + level[:, 2]
    counts = torch.zeros(views.num_views, HISTOGRAM_BINS**3)
    counts = counts.scatter_add(1, number.flatten(1), views.alpha[:, 0].flatten(1))
    return counts / counts.sum(-1, keepdim=True).clamp(min=1e-9)


def sift_features(image: Tensor, mask: Tensor, seen: dict[str, Features]) -> Features:
    """Positions (u, v) [N, 2] and descriptors [N, 128] of the SIFT features on the object."""
    grey = image.mean(0).numpy()
    key = hashlib.sha256(grey.tobytes() + mask.numpy().tobytes()).hexdigest()
    if key not in seen:
        seen[key] = _detect(grey, mask[0].numpy())
    return seen[key]


def _detect(grey: np.ndarray, mask: np.ndarray) -> Features:
    sift = SIFT()
    try:
        sift.detect_and_extract(grey)
    except RuntimeError:  # how scikit-image says that there are none
        return np.empty((0, 2)), np.empty((0, 128), np.uint8)
    places, descriptors = np.asarray(sift.keypoints), np.asarray(sift.descriptors)
    row, column = np.clip(np.rint(places).astype(int), 0, len(grey) - 1).T
    inside = mask[row, column] > 0.5
    return places[inside][:, ::-1] + 0.5, descriptors[inside]


def match_distances(cameras: Cameras, pair: tuple[int, int], features: list[Features]) -> np.ndarray:
    """Symmetric epipolar distance of every mutual match of two views, pixels, shape [M]."""
    (points, descriptors), (others, other_descriptors) = features[pair[0]], features[pair[1]]
    if not len(points) or not len(others):
        return np.empty(0)
    matches = match_descriptors(descriptors, other_descriptors, max_ratio=MATCH_RATIO, cross_check=True)
    return epipolar_distances(cameras, pair, points[matches[:, 0]], others[matches[:, 1]])


def epipolar_distances(cameras: Cameras, pair: tuple[int, int], points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Half the sum of the distances of two points [M, 2] from each other's epipolar lines, pixels, shape [M]."""
    K, w2c = cameras.K.double().numpy(), cameras.w2c.double().numpy()
    relative = w2c[pair[1]] @ np.linalg.inv(w2c[pair[0]])
    x, y, z = relative[:3, 3]
    essential = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ relative[:3, :3]
    fundamental = np.linalg.inv(K[pair[1]]).T @ essential @ np.linalg.inv(K[pair[0]])
    a = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    b = np.concatenate([others, np.ones((len(others), 1))], axis=1)
    line_b, line_a = a @ fundamental.T, b @ fundamental
    product = np.abs((b * line_b).sum(1))
    away_a, away_b = (product / np.maximum(np.hypot(line[:, 0], line[:, 1]), 1e-12) for line in (line_a, line_b))
    return 0.5 * (away_a + away_b)
