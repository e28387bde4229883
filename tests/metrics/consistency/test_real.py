"""The real 32-view sample: true levels, irregular steps, a cut-off bust, and faults only colours can see."""

import pytest
import torch

from mflab.geometry import Cameras, orbit_c2w
from mflab.metrics.consistency import (
    ViewSet,
    epipolar_tangency,
    leave_one_out,
    measure_consistency,
    photo_consistency,
    silhouette_coherence,
)
from tests.metrics.consistency.conftest import SIX_OF_32, seeded, with_view


def test_true_views_at_128_pixels(real_six: ViewSet) -> None:
    found = measure_consistency(real_six, seeded())
    values = {name.removeprefix("consistency/"): float(value) for name, value in found.values.items()}
    assert values["sc_min"] >= 0.99995
    assert values["pc"] == pytest.approx(0.73, abs=0.01)
    assert values["pc_min"] > 0.58
    assert values["et_max"] <= 0.62 + 0.01 and values["et_count"] == pytest.approx(18, abs=1)
    assert values["ti"] <= 0.06
    assert values["loo"] == pytest.approx(17.3, abs=0.3)
    assert bool(found.valid) and not bool(found.inconsistent) and int(found.culprit) == -1


@pytest.mark.parametrize("start", [1, 2, 8, 19])
def test_start_azimuth_hardly_matters(real_ring: ViewSet, start: int) -> None:
    views = real_ring.select([(start + view) % 32 for view in SIX_OF_32]).resized(128)
    assert float(silhouette_coherence(views).minimum) >= 0.9999
    assert float(photo_consistency(views, seeded()).score) == pytest.approx(0.73, abs=0.015)


@pytest.mark.parametrize("width, pc", [(64, 0.70), (256, 0.73), (512, 0.73)])
def test_other_widths(real_ring: ViewSet, width: int, pc: float) -> None:
    views = real_ring.select(SIX_OF_32).resized(width)
    assert float(silhouette_coherence(views).minimum) >= 0.9999
    assert float(photo_consistency(views, seeded()).score) == pytest.approx(pc, abs=0.02)
    assert float(epipolar_tangency(views).maximum) <= (1.3 if width == 64 else 0.62)


def test_rolling_an_irregular_rig_is_seen(real_six: ViewSet) -> None:
    order = [1, 2, 3, 4, 5, 0]
    rolled = ViewSet(real_six.images[order], real_six.alpha[order], real_six.cameras)
    assert float(silhouette_coherence(rolled).mean) == pytest.approx(0.9998, abs=5e-4)
    fall = photo_consistency(real_six, seeded()).score - photo_consistency(rolled, seeded()).score
    assert float(fall) == pytest.approx(0.028, abs=0.015)


def test_strict_coherence_peaks_at_the_true_elevation(real_six: ViewSet) -> None:
    views = real_six.resized(64)
    azimuths = torch.rad2deg(torch.atan2(views.cameras.position[:, 1], views.cameras.position[:, 0])).tolist()
    scores = {}
    for elevation in (0.0, 10.0, 17.5, 20.0, 22.5, 30.0):
        c2w = torch.stack([orbit_c2w(azimuth, elevation, 2.7) for azimuth in azimuths]).float()
        claimed = ViewSet(views.images, views.alpha, Cameras(c2w, views.cameras.K, 64, 64))
        scores[elevation] = float(silhouette_coherence(claimed, tolerance=False).mean)
    assert max(scores, key=scores.__getitem__) == 20.0
    assert scores[20.0] - scores[0.0] > 0.01


def test_a_face_on_the_back_of_the_head_is_seen_by_colours_alone(real_ring: ViewSet) -> None:
    front_first = real_ring.select((27, 0, 6, 11, 16, 22)).resized(128)
    janus = with_view(front_first, 3, front_first.images[0].flip(-1), front_first.alpha[0].flip(-1))
    before, after = photo_consistency(front_first, seeded()), photo_consistency(janus, seeded())
    assert float(silhouette_coherence(janus).mean) == pytest.approx(0.9974, abs=0.001)
    assert float(after.score) == pytest.approx(0.60, abs=0.02)
    assert int(after.per_view.argmin()) == 3
    assert float(before.per_view[3] - after.per_view[3]) > 0.3


def test_reversed_order_is_rejected(real_six: ViewSet) -> None:
    backwards = ViewSet(real_six.images.flip(0), real_six.alpha.flip(0), real_six.cameras)
    assert bool(measure_consistency(backwards, seeded(), with_leave_one_out=False).inconsistent)
    assert float(leave_one_out(real_six).mean - leave_one_out(backwards).mean) > 1.0
