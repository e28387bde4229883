"""Negative controls: epipolar distance against projected points, histograms, SIFT's need for near views."""

import numpy as np
import pytest
import torch

from mflab.geometry import RIGS
from mflab.metrics.consistency import ViewSet
from mflab.metrics.ladder import LadderScene
from mflab.metrics.ladder.negative import NEGATIVE, colour_histograms, epipolar_distances, measure_negative
from mflab.metrics.ladder.scenes import render
from mflab.metrics.ladder.sift_table import sift_table


def test_projections_of_one_point_lie_on_each_others_lines() -> None:
    cameras = RIGS["mouse_rig6"].cameras(128)
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3))
    K, w2c = cameras.K.double().numpy(), cameras.w2c.double().numpy()
    seen = []
    for view in (0, 2):
        local = (points @ w2c[view, :3, :3].T + w2c[view, :3, 3]) @ K[view].T
        seen.append(local[:, :2] / local[:, 2:])
    assert epipolar_distances(cameras, (0, 2), *seen).max() < 1e-3
    moved = [seen[0], seen[1] + np.array([0.0, 3.0])]
    assert 0.5 < np.median(epipolar_distances(cameras, (0, 2), *moved)) < 4.0


def test_adjacent_scores_prefer_one_image_everywhere(mouse: LadderScene) -> None:
    true = measure_negative(mouse.views, {})
    order = [0] * 6
    same = measure_negative(ViewSet(mouse.views.images[order], mouse.views.alpha[order], mouse.views.cameras), {})
    assert true.keys() == NEGATIVE.keys()
    assert same["adjacent_psnr"] == pytest.approx(100.0) and same["adjacent_histogram"] == pytest.approx(1.0)
    assert same["adjacent_psnr"] > true["adjacent_psnr"] + 50


def test_histograms_count_the_object_alone(mouse: LadderScene) -> None:
    histogram = colour_histograms(mouse.views)
    torch.testing.assert_close(histogram.sum(-1), torch.ones(6))
    empty = ViewSet(
        torch.ones(2, 3, 16, 16), torch.zeros(2, 1, 16, 16), mouse.views.cameras.select([0, 1]).resized(16, 16)
    )
    assert float(colour_histograms(empty).sum()) == 0.0
    assert measure_negative(empty, {})["sift_inliers"] == 0.0


def test_features_are_found_once(mouse: LadderScene) -> None:
    seen = {}
    first = measure_negative(mouse.views, seen)
    assert len(seen) == 6
    assert measure_negative(mouse.views, seen) == first and len(seen) == 6


def test_sift_matches_near_views_and_not_those_60_degrees_apart(mouse: LadderScene) -> None:
    assert mouse.body is not None
    cameras = RIGS["facelift32"].cameras(128)
    ring = ViewSet(*render(mouse.body, cameras), cameras)
    near, far = sift_table(ring, (1, 5), 4, np.random.default_rng(0))
    assert (near.separation_deg, far.separation_deg, near.pairs) == (11.25, 56.25, 8)
    assert near.inliers > 0.5 > far.inliers and near.matches > far.matches and near.chance < 0.2
    assert far.passed == 0.0
