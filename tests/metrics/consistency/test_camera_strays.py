"""Images under wrong cameras, in any place of a ring: none is missed, and none is named that belongs."""

from dataclasses import replace

import pytest

from mflab.geometry import RIGS
from mflab.metrics.consistency import ViewSet, check_camera_claims, evenly
from mflab.metrics.consistency.camera_strays import find_culprit, find_strays, place_strays
from mflab.metrics.consistency.orbit import Orbit
from mflab.metrics.consistency.spread import spread_views
from tests.metrics.consistency.conftest import procedural, seeded, sphere, stacked, with_view

CORE = (0, 5, 10, 15, 20, 25)
OTHERS = [view for view in range(32) if view not in CORE]


def ring(world: str, index: int = 1) -> ViewSet:
    return procedural(world, "facelift32", 64, index)


def exchanged(views: ViewSet, *pairs: tuple[int, int]) -> ViewSet:
    """The images of pairs of views under one another's cameras."""
    order = list(range(views.num_views))
    for first, second in pairs:
        order[first], order[second] = order[second], order[first]
    return replace(views.select(order), cameras=views.cameras)


def foreign(views: ViewSet, view: int, other: ViewSet) -> ViewSet:
    """The set with a view of another object."""
    return with_view(views, view, other.images[view], other.alpha[view])


@pytest.mark.parametrize("world", ["mice", "objects"])
def test_no_view_of_a_true_ring_is_a_stray(world: str) -> None:
    for index in (0, 2):
        views = ring(world, index)
        assert find_strays(views, CORE, OTHERS) == ()
        culprit = find_culprit(views.select(CORE))
        assert culprit is not None and not culprit.mismatch


@pytest.mark.parametrize("world", ["mice", "objects"])
@pytest.mark.parametrize("pair", [(6, 7), (3, 19)])
def test_exchanged_views_outside_the_core_are_found_and_placed(world: str, pair: tuple[int, int]) -> None:
    views = exchanged(ring(world), pair)
    assert find_strays(views, CORE, [*pair, 2, 11, 28]) == pair
    assert place_strays(views, CORE, pair) == {pair[0]: pair[1], pair[1]: pair[0]}


def test_a_cycle_of_three_is_placed() -> None:
    views = ring("mice")
    order = list(range(32))
    order[3], order[8], order[13] = 8, 13, 3
    turned = replace(views.select(order), cameras=views.cameras)
    assert place_strays(turned, CORE, (3, 8, 13)) == {3: 8, 8: 13, 13: 3}


@pytest.mark.parametrize("rig_name", ["even60_el20", "facelift6_el20", "mouse_rig6"])
def test_the_view_of_another_object_is_the_culprit(rig_name: str) -> None:
    views = procedural("mice", rig_name, 64, 1)
    for view in (0, 3):
        culprit = find_culprit(foreign(views, view, procedural("mice", rig_name, 64, 6)))
        assert culprit is not None and culprit.mismatch and culprit.view == view
    assert find_culprit(views.select((0, 2, 3, 4))) is None


def test_wrong_elevation_makes_no_view_the_culprit() -> None:
    lie = replace(procedural("mice", "even60_el20", 64, 1), cameras=RIGS["even60_el0"].cameras(64))
    culprit = find_culprit(lie)
    assert culprit is not None and culprit.gain > 0.01 and not culprit.mismatch


def test_spheres_have_no_strays() -> None:
    views = sphere(20, 64)
    assert find_strays(views, range(5), [5]) == ()
    culprit = find_culprit(views)
    assert culprit is not None and not culprit.mismatch


def test_scores_are_averaged_over_sets() -> None:
    """Two neighbours exchanged in one set of twelve are no fault of the rig; in two of three they are."""
    true, wrong = ring("mice"), exchanged(ring("mice"), (6, 7))
    assert find_strays(wrong, CORE, [6, 7]) == (6, 7)
    assert find_strays(stacked([wrong, *[true] * 11]), CORE, [6, 7]) == ()
    both = stacked([wrong, exchanged(ring("mice", 2), (6, 7)), true])
    assert find_strays(both, CORE, [6, 7, 8]) == (6, 7)
    assert place_strays(both.flattened().take([0, 1]), CORE, (6, 7)) == {6: 7, 7: 6}


def test_one_wrong_picture_in_two_places_belongs_to_neither() -> None:
    views, other = ring("mice"), ring("mice", 6)
    for view in (3, 18):
        views = with_view(views, view, other.images[9], other.alpha[9])
    assert place_strays(views, CORE, (3, 18)) == {3: -1, 18: -1}


def test_an_exchange_found_before_a_foreign_view_keeps_its_own_numbers() -> None:
    six = exchanged(procedural("mice", "even60_el20", 64, 1), (1, 2))
    check = check_camera_claims(foreign(six, 4, procedural("mice", "even60_el20", 64, 6)), seeded())
    assert check.order_views == tuple(range(6)) and check.strays == {4: -1} and 4 not in check.views
    assert "cameras 1 and 2 have one another's images, and the order 0, 2, 1, 3, 4, 5 fits." in check.findings()[0]
    assert check.to_json()["order"]["views"] == list(range(6))


def test_a_step_is_that_of_the_views_it_was_found_on() -> None:
    views = foreign(procedural("mice", "even60_el20", 64, 1), 1, procedural("mice", "even60_el20", 64, 6)).flattened()
    lie = replace(views, cameras=Orbit.of(views.cameras).restepped(50.0))
    check = check_camera_claims(lie, seeded())
    assert "degrees of azimuth from view 0 to view 1, but the cameras claim 50.0." in check.findings()[0]
    assert check.strays == {1: -1}


def test_an_irregular_rig_with_wrong_steps_keeps_its_other_views() -> None:
    views = ring("mice").select([0, 1, 5, 6, 10, 11, 15, 16, 20, 21, 25, 26]).flattened()
    check = check_camera_claims(replace(views, cameras=Orbit.of(views.cameras).stretched(1.12)), seeded())
    assert check.step is not None and check.step.mismatch and check.strays == {}


def test_many_strays_are_not_placed() -> None:
    assert place_strays(ring("mice"), CORE, (1, 2, 3, 4, 6, 7, 8)) == dict.fromkeys((1, 2, 3, 4, 6, 7, 8), -1)


def test_a_view_of_the_core_exchanged_with_one_beside_it_is_named() -> None:
    check = check_camera_claims(exchanged(ring("mice"), (5, 6)), seeded())
    assert check.mismatch and check.strays == {5: 6, 6: 5} and not {5, 6} & set(check.views)
    assert check.step is not None and not check.step.mismatch
    assert check.elevation is not None and abs(check.elevation.error) <= 2.5
    assert check.findings() == ["Not all images fit the others: cameras 5 and 6 have one another's images."]


def test_copies_and_foreign_views_of_six_are_told_apart() -> None:
    views = procedural("mice", "facelift6_el20", 64, 1)
    copied = check_camera_claims(with_view(views, 2, views.images[0], views.alpha[0]), seeded())
    assert copied.strays == {2: 0} and "the image of camera 2 fits camera 0." in copied.findings()[0]
    other = check_camera_claims(foreign(views, 2, procedural("mice", "facelift6_el20", 64, 6)), seeded())
    assert other.strays == {2: -1} and "the image of camera 2 does not fit." in other.findings()[0]
    assert other.mismatch and other.elevation is not None and abs(other.elevation.error) <= 2.5
    assert other.order is not None and not other.order.mismatch


def test_views_of_six_objects_are_said_to_fit_nothing() -> None:
    views = procedural("objects", "even60_el20", 64, 0)
    for view in range(1, 6):
        views = foreign(views, view, procedural("objects", "even60_el20", 64, view))
    check = check_camera_claims(views, seeded())
    assert check.mismatch and check.is_incoherent and any("coherence" in finding for finding in check.findings())


@pytest.mark.parametrize("pair", [(11, 12), (10, 11)])
def test_real_neighbours_are_named_and_nobody_else(real_ring: ViewSet, pair: tuple[int, int]) -> None:
    """The loss of view 12 alone is too small to tell; view 10 is one of those that judge the others."""
    check = check_camera_claims(exchanged(real_ring.resized(64), pair), seeded())
    assert check.strays == {pair[0]: pair[1], pair[1]: pair[0]}


def test_real_neighbours_of_a_ring_are_found(real_ring: ViewSet) -> None:
    views = real_ring.resized(64)
    assert find_strays(views, CORE, OTHERS) == ()
    assert find_strays(exchanged(views, (6, 7)), CORE, [3, 6, 7]) == (6, 7)


@pytest.mark.parametrize(
    "rig_name, count, expected",
    [
        ("even60_el20", 6, (0, 1, 2, 3, 4, 5)),
        ("facelift32", 32, CORE),
        ("facelift32", 16, (0, 3, 6, 9, 12, 15)),
        ("facelift32", 10, (0, 2, 4, 6, 8)),
        ("facelift32", 8, (0, 1, 2, 3, 4, 5)),
    ],
)
def test_chosen_views_step_equally(rig_name: str, count: int, expected: tuple[int, ...]) -> None:
    views = procedural("mice", rig_name, 64, 1).select(range(count)).flattened()
    assert spread_views(views.cameras) == expected


def test_left_out_views_are_not_chosen() -> None:
    cameras = ring("mice").flattened().cameras
    assert spread_views(cameras, [5]) == (1, 6, 11, 16, 21, 26)
    assert spread_views(cameras, range(0, 32, 2)) == tuple(2 * place + 1 for place in evenly(16, 6))
