"""An analytic sphere: the measured table of coherence and tangency, and masks that say nothing or everything."""

import pytest
import torch

from mflab.geometry import RIGS
from mflab.metrics.consistency import ViewSet, epipolar_tangency, silhouette_coherence
from tests.metrics.consistency.conftest import shifted, sphere, with_view

# Roll of view 2 in pixels: SC, SC_min, SC0, ET max in % of the width.
ELEVATED = {
    0: (1.0000, 1.0000, 0.9995, 0.0),
    1: (1.0000, 1.0000, 0.9983, 0.62),
    3: (0.9988, 0.9964, 0.9925, 1.90),
    5: (0.9936, 0.9811, 0.9836, 3.21),
    10: (0.9676, 0.9017, 0.9525, 6.58),
}
HORIZONTAL = {0: (1.0, 0.0), 1: (1.0, 0.36), 3: (1.0, 1.10), 5: (0.9984, 1.86), 10: (0.9836, 3.87)}


@pytest.mark.parametrize("roll", ELEVATED)
def test_table_at_20_degrees(roll: int) -> None:
    views = shifted(sphere(20), 2, roll)
    coherence, strict = silhouette_coherence(views), silhouette_coherence(views, tolerance=False)
    sc, sc_min, sc0, et_max = ELEVATED[roll]
    assert float(coherence.mean) == pytest.approx(sc, abs=0.002)
    assert float(coherence.minimum) == pytest.approx(sc_min, abs=0.002)
    assert float(strict.mean) == pytest.approx(sc0, abs=0.002)
    assert float(epipolar_tangency(views).maximum) == pytest.approx(et_max, abs=0.1)


@pytest.mark.parametrize("roll", HORIZONTAL)
def test_table_at_0_degrees(roll: int) -> None:
    views = shifted(sphere(0), 2, roll)
    sc, et_max = HORIZONTAL[roll]
    assert float(silhouette_coherence(views).mean) == pytest.approx(sc, abs=0.002)
    assert float(epipolar_tangency(views).maximum) == pytest.approx(et_max, abs=0.1)


def test_tangents_of_opposite_views_have_their_epipole_inside() -> None:
    assert int(epipolar_tangency(sphere(20)).count) == 30
    assert int(epipolar_tangency(sphere(0)).count) == 24


def test_one_empty_mask_makes_the_set_incoherent() -> None:
    views = sphere(20)
    spoiled = with_view(views, 3, torch.ones(3, 128, 128), torch.zeros(1, 128, 128))
    for tolerance in (True, False):
        assert silhouette_coherence(spoiled, tolerance).per_view.tolist() == [0.0] * 6
    # The other five views still have their tangents.
    assert int(epipolar_tangency(spoiled).count) == 20


def test_views_without_any_foreground_have_no_tangents() -> None:
    views = sphere(20)
    empty = epipolar_tangency(ViewSet(torch.ones_like(views.images), torch.zeros_like(views.alpha), views.cameras))
    assert int(empty.count) == 0 and bool(empty.mean.isnan()) and bool(empty.maximum.isnan())


def test_one_full_mask_costs_only_its_own_view() -> None:
    views = sphere(20)
    full = with_view(views, 1, views.images[1], torch.ones(1, 128, 128))
    per_view = silhouette_coherence(full).per_view
    assert float(per_view[1]) == pytest.approx(0.30, abs=0.03)
    assert per_view[[0, 2, 3, 4, 5]].tolist() == pytest.approx([1.0] * 5, abs=1e-4)


def test_coherence_falls_and_tangency_rises_with_the_roll() -> None:
    spoiled = [shifted(sphere(20), 2, roll) for roll in (0, 2, 4, 6, 8, 12)]
    coherence = [float(silhouette_coherence(views, tolerance=False).mean) for views in spoiled]
    tangency = [float(epipolar_tangency(views).maximum) for views in spoiled]
    assert coherence == sorted(coherence, reverse=True) and len(set(coherence)) == len(coherence)
    assert tangency == sorted(tangency) and len(set(tangency)) == len(tangency)


def test_a_sphere_hides_wrong_elevation_and_azimuth() -> None:
    views = sphere(20)
    for name in ("even60_el0", "even60_el30", "facelift6_el20"):
        claimed = ViewSet(views.images, views.alpha, RIGS[name].cameras(128))
        assert float(silhouette_coherence(claimed).minimum) >= 0.9999
