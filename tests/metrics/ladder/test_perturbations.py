"""Every perturbation: nothing at strength zero, more at higher strength, the same at every call."""

import math

import pytest
import torch
from torch import Tensor

from mflab.geometry import RIGS
from mflab.metrics.consistency import ViewSet
from mflab.metrics.consistency.orbit import Orbit
from mflab.metrics.ladder import LADDER, LadderScene, Perturbation, make_ladder, pixels, renders
from mflab.metrics.ladder.perturbation import SPOILED, VIEW, Kind
from mflab.metrics.ladder.sets import one_batch

BY_NAME = {one.name: one for one in LADDER}
OF_ONE_VIEW = ("shift", "warp", "rotation", "scale_up", "scale_down", "hue", "gain", "blur", "noise", "erased", "blob")
RERENDERED = ("azimuth", "elevation", "blend", "missing_part")


def difference(one: ViewSet, other: ViewSet) -> Tensor:
    """Mean absolute difference of images and masks, per view."""
    return (one.images - other.images).abs().mean((1, 2, 3)) + (one.alpha - other.alpha).abs().mean((1, 2, 3))


def test_names_are_unique_and_levels_rise() -> None:
    for ladder in (make_ladder(False), make_ladder(True)):
        assert len({one.name for one in ladder}) == len(ladder)
        assert all(list(one.levels) == sorted(set(one.levels)) and one.levels[0] > 0 for one in ladder)
    for full, quick in zip(make_ladder(False), make_ladder(True), strict=True):
        assert set(quick.levels) <= set(full.levels) and len(quick.levels) <= 2


@pytest.mark.parametrize("perturbation", LADDER, ids=lambda one: one.name)
def test_strength_zero_is_the_truth_and_random_parts_repeat(perturbation: Perturbation, mouse: LadderScene) -> None:
    assert perturbation.at(mouse, 0.0, 3) is mouse.views
    first, second = (perturbation.at(mouse, perturbation.levels[-1], 3) for _ in range(2))
    assert first is not None and second is not None
    assert torch.equal(first.images, second.images) and torch.equal(first.alpha, second.alpha)
    assert torch.equal(first.cameras.c2w, second.cameras.c2w)


@pytest.mark.parametrize("change", [
    lambda i, a, g: pixels.shifted(i, a, 0.0, g),
    lambda i, a, g: pixels.warped(i, a, 0.0, g),
    lambda i, a, g: pixels.turned(i, a, 0.0),
    lambda i, a, g: pixels.recoloured(i, a, pixels.hue_turn(0.0)),
    lambda i, a, g: pixels.with_noise(i, a, 0.0, g),
    lambda i, a, g: pixels.with_texture(i, a, 0.0, g),
    lambda i, a, g: pixels.blurred(i, a, 0.0),
    lambda i, a, g: pixels.erased(i, a, 0.0),
    lambda i, a, g: pixels.with_blob(i, a, 0.0),
])  # fmt: skip
def test_pixel_changes_of_strength_zero_change_rounding_alone(change, mouse: LadderScene) -> None:
    images, alpha = change(mouse.views.images, mouse.views.alpha, torch.Generator().manual_seed(0))
    torch.testing.assert_close(images, mouse.views.images, atol=2e-5, rtol=0)
    torch.testing.assert_close(alpha, mouse.views.alpha, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", [*OF_ONE_VIEW, *RERENDERED])
def test_faults_of_one_view_grow_and_spare_the_others(name: str, scenes: list[LadderScene]) -> None:
    perturbation = BY_NAME[name]
    for scene in scenes:
        sets = [perturbation.at(scene, level, 0) for level in perturbation.levels]
        changes = [difference(views, scene.views) for views in sets if views is not None]
        assert len(changes) >= 2
        for change in changes:
            assert torch.equal(change.nonzero()[:, 0], torch.tensor([VIEW]))
        sizes = [float(change[VIEW]) for change in changes]
        assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


@pytest.mark.parametrize("name", ["shift_all", "warp_all"])
def test_faults_of_all_views_differ_between_views(name: str, mouse: LadderScene) -> None:
    views = BY_NAME[name].at(mouse, 2.0, 0)
    assert views is not None
    change = difference(views, mouse.views)
    assert bool((change > 0).all()) and len(change.unique()) == 6


@pytest.mark.parametrize("name", ["mirror", "identity", "texture"])
def test_counted_faults_spoil_as_many_views(name: str, mouse: LadderScene) -> None:
    for count in (1, 2, 3):
        views = BY_NAME[name].at(mouse, float(count), 0)
        assert views is not None
        spoiled = difference(views, mouse.views).nonzero()[:, 0].tolist()
        assert spoiled == sorted(SPOILED[:count])


def test_colour_faults_keep_the_masks(mouse: LadderScene) -> None:
    for name in ("hue", "gain", "noise", "texture", "gain_all", "gamma_all", "hue_all", "noise_in_masks"):
        views = BY_NAME[name].at(mouse, BY_NAME[name].levels[-1], 0)
        assert views is not None and torch.equal(views.alpha, mouse.views.alpha)
        # White stays white, or masks would have to change with it.
        assert float((views.images[mouse.views.alpha.expand_as(views.images) == 0] - 1).abs().max()) < 1e-6


@pytest.mark.parametrize("percent", [5.0, 20.0])
def test_a_gain_darkens_by_what_it_says(percent: float, mouse: LadderScene) -> None:
    views = BY_NAME["gain"].at(mouse, percent, 0)
    assert views is not None
    inside = mouse.views.alpha[VIEW, 0] > 0.99
    ratio = mouse.views.images[VIEW][:, inside] / views.images[VIEW][:, inside]
    assert float(ratio.median()) == pytest.approx(1.0 + 0.01 * percent, abs=1e-3)


def test_a_shift_moves_the_middle_of_the_mask(mouse: LadderScene) -> None:
    views = BY_NAME["shift"].at(mouse, 8.0, 0)
    assert views is not None
    middles = []
    for alpha in (mouse.views.alpha[VIEW, 0], views.alpha[VIEW, 0]):
        positions = pixels.pixel_centers(mouse.views.images[:1])[0]
        middles.append((positions * alpha[..., None]).sum((0, 1)) / alpha.sum())
    assert float((middles[1] - middles[0]).norm()) == pytest.approx(0.08 * 64, abs=0.1)


@pytest.mark.parametrize("share", [0.05, 0.4])
def test_erased_and_added_areas_are_as_large_as_said(share: float, mouse: LadderScene) -> None:
    images, alpha = mouse.views.images, mouse.views.alpha
    area = float((alpha[VIEW] > 0.5).sum())
    rest = pixels.erased(images, alpha, share)[1]
    more = pixels.with_blob(images, alpha, share)[1]
    assert area - float((rest[VIEW] > 0.5).sum()) == pytest.approx(share * area, abs=4)
    assert float((more[VIEW] > 0.5).sum()) - area == pytest.approx(share * area, rel=0.15)


def test_an_empty_view_has_no_tip_and_no_neighbour() -> None:
    images, alpha = torch.ones(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    for changed in (pixels.erased(images, alpha, 0.2), pixels.with_blob(images, alpha, 0.2)):
        assert torch.equal(changed[0], images) and torch.equal(changed[1], alpha)


@pytest.mark.parametrize("azimuth, elevation", [(0.0, 0.0), (30.0, 0.0), (0.0, 15.0), (-20.0, 10.0)])
def test_moved_cameras_stand_where_they_should(azimuth: float, elevation: float) -> None:
    cameras = RIGS["even60_el20"].cameras(64)
    before, after = (
        Orbit.of(one_batch(one)) for one in (cameras, renders.moved_about_origin(cameras, azimuth, elevation))
    )
    assert after.elevation - before.elevation == pytest.approx(elevation, abs=1e-4)
    first, second = cameras.position[0], renders.moved_about_origin(cameras, azimuth, elevation).position[0]
    turned = math.degrees(math.atan2(second[1], second[0]) - math.atan2(first[1], first[0]))
    assert (turned + 180) % 360 - 180 == pytest.approx(azimuth, abs=1e-4)


@pytest.mark.parametrize(
    "name, elevation, step", [("cameras_lower", -10.0, 0.0), ("cameras_higher", 10.0, 0.0), ("azimuth_step", 0.0, -8.0)]
)
def test_lies_change_the_claim_alone(name: str, elevation: float, step: float, mouse: LadderScene) -> None:
    views = BY_NAME[name].at(mouse, abs(elevation + step), 0)
    assert views is not None and torch.equal(views.images, mouse.views.images)
    before, after = Orbit.of(one_batch(mouse.views.cameras)), Orbit.of(one_batch(views.cameras))
    assert after.elevation - before.elevation == pytest.approx(elevation, abs=1e-3)
    assert after.step is not None and before.step is not None
    assert abs(after.step) - abs(before.step) == pytest.approx(step, abs=1e-3)


def test_missing_parts_are_parts_and_the_body_stays(mouse: LadderScene) -> None:
    assert mouse.body is not None
    cameras = mouse.views.cameras.select([VIEW])
    order = renders.limbs(mouse.body, cameras)
    assert 3 < len(order) < len(mouse.body.centers)
    shares = [renders.lost_share(mouse.body, renders.without_parts(mouse.body, [part]), cameras) for part in order]
    assert shares == sorted(shares) and shares[0] >= renders.MIN_PART
    for level in (2.0, 10.0):
        views = BY_NAME["missing_part"].at(mouse, level, 0)
        assert views is not None
        lost = 1.0 - float(views.alpha[VIEW].sum() / mouse.views.alpha[VIEW].sum())
        assert 0.01 * level - 0.005 < lost < 0.01 * level + 0.1


def test_real_views_have_what_their_ring_has(real: list[LadderScene]) -> None:
    assert [scene.places for scene in real] == [(0, 5, 11, 16, 21, 27), (2, 7, 13, 18, 23, 29)]
    for scene in real:
        for name, is_possible in (("elevation", False), ("missing_part", False), ("rolled_order", False)):
            assert (BY_NAME[name].at(scene, BY_NAME[name].levels[-1], 0) is not None) == is_possible
        found = [BY_NAME["azimuth"].at(scene, level, 0) for level in BY_NAME["azimuth"].levels]
        assert [views is not None for views in found] == [False, False, True, True, True]
        assert BY_NAME["resolution"].at(scene, 2.0, 0) is not None and scene.at_width(1024) is None


def test_gauges_and_controls_are_told_apart() -> None:
    kinds = {kind: [one.name for one in LADDER if one.kind is kind] for kind in Kind}
    assert kinds[Kind.gauge] == ["rolled_order", "mirrored_object"] and len(kinds[Kind.control]) == 5
