"""Views that are all alike: bodies of revolution, whose silhouettes tell nothing, and one picture in all places."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mflab.geometry import RIGS
from mflab.metrics.consistency import ViewSet, check_camera_claims, measure_consistency
from mflab.metrics.consistency.alike import MAX_SHARE, has_one_picture, has_one_silhouette
from mflab.metrics.consistency.photo import photo_consistency
from mflab.metrics.ladder.scenes import LadderScene, procedural_scenes
from tests.metrics.consistency.conftest import procedural, seeded, sphere, stacked

WIDTH = 64


@pytest.fixture(scope="module")
def scenes() -> dict[str, LadderScene]:
    return {scene.name: scene for scene in procedural_scenes(WIDTH, 0, False)}


def repeated(views: ViewSet) -> ViewSet:
    """The first view in all places."""
    return replace(views.select([0] * views.num_views), cameras=views.cameras)


def test_bodies_of_revolution_alone_have_one_silhouette(scenes: dict[str, LadderScene]) -> None:
    for name, scene in scenes.items():
        assert bool(has_one_silhouette(scene.views)) == (scene.kind == "symmetric"), name


def chance(views: ViewSet) -> Tensor:
    return photo_consistency(views, seeded()).null


def faded(views: ViewSet, contrast: float) -> ViewSet:
    """Colours nearer to the mean of the object's."""
    inside = views.alpha > 0.5
    mean = (views.images * inside).sum((0, 2, 3)) / inside.sum()
    images = torch.lerp(mean[:, None, None].expand_as(views.images), views.images, contrast)
    return replace(views, images=torch.where(inside, images, views.images))


@pytest.mark.parametrize("contrast", [1.0, 0.3])
def test_true_views_are_no_single_picture_but_a_repeated_one_is(
    scenes: dict[str, LadderScene], contrast: float
) -> None:
    for name in ("mouse_3_el20", "mouse_10_el0", "object_0_el0", "vase_el0", "vase_el30", "ball_el20", "statue_el30"):
        views = faded(scenes[name].views, contrast)
        assert not bool(has_one_picture(views, chance(views))), name
        assert bool(has_one_picture(repeated(views), chance(repeated(views)))), name


def test_views_count_as_one_up_to_a_quarter_of_chance(scenes: dict[str, LadderScene]) -> None:
    views = repeated(scenes["mouse_3_el20"].views)
    # One view of six is brighter, in 5 of 15 pairs.
    images = views.images.clone()
    images[2] += 0.03 * (views.alpha[2] > 0.5)
    brighter, difference = replace(views, images=images), 0.03 * 5 / 15
    assert bool(has_one_picture(brighter, torch.tensor(1.01 * difference / MAX_SHARE)))
    assert not bool(has_one_picture(brighter, torch.tensor(0.99 * difference / MAX_SHARE)))


def test_every_set_of_a_batch_is_judged_alone(scenes: dict[str, LadderScene]) -> None:
    mouse, vase = scenes["mouse_3_el20"].views, scenes["vase_el20"].views
    batch = stacked([mouse, vase, repeated(mouse)])
    assert has_one_silhouette(batch).tolist() == [False, True, True]
    assert has_one_picture(batch, chance(batch)).tolist() == [False, False, True]


def test_views_without_an_object_are_neither(scenes: dict[str, LadderScene]) -> None:
    views = scenes["mouse_3_el20"].views
    empty = replace(views, images=torch.ones_like(views.images), alpha=torch.zeros_like(views.alpha))
    assert not bool(has_one_silhouette(empty)) and not bool(has_one_picture(empty, torch.tensor(0.1)))


def test_one_picture_in_all_places_is_inconsistent(scenes: dict[str, LadderScene]) -> None:
    # Its front is left-right symmetric and seen horizontally: a turned body, to which no silhouette objects.
    views = scenes["object_0_el0"].views
    true, collapsed = (measure_consistency(one, seeded(), with_leave_one_out=False) for one in (views, repeated(views)))
    assert not bool(true.repeated) and not bool(true.inconsistent)
    assert float(collapsed.values["consistency/sc"]) == pytest.approx(1.0, abs=1e-4)
    assert bool(collapsed.repeated) and bool(collapsed.inconsistent)
    assert not bool(measure_consistency(sphere(20, WIDTH), seeded(), with_leave_one_out=False).repeated)


@pytest.mark.slow
def test_no_cameras_are_told_of_a_body_of_revolution(scenes: dict[str, LadderScene]) -> None:
    check = check_camera_claims(scenes["vase_el20"].views, seeded())
    assert check.elevation is not None and check.elevation.is_round
    # Its coherence has a peak, four degrees off.
    assert max(check.elevation.coherence) - min(check.elevation.coherence) > 0.01
    assert not check.decidable and not check.mismatch
    assert "the same from all sides" in check.findings()[0]


def test_bodies_of_revolution_do_not_speak_for_others(scenes: dict[str, LadderScene]) -> None:
    mouse, vase = scenes["mouse_3_el20"].views, scenes["vase_el20"].views
    lied = RIGS["even60_el0"].cameras(WIDTH)
    alone, mixed = (
        check_camera_claims(
            replace(stacked(sets), cameras=stacked([replace(one, cameras=lied) for one in sets]).cameras), seeded()
        )
        for sets in ([mouse], [mouse, vase])
    )
    assert (mixed.num_sets, mixed.num_judged, mixed.num_round) == (2, 1, 1)
    assert mixed.findings()[-1] == "1 of 2 sets do not count: their silhouettes are the same from all sides."
    assert mixed.mismatch and mixed.elevation == alone.elevation


def test_a_mouse_is_not_taken_for_a_body_of_revolution() -> None:
    assert not bool(has_one_silhouette(procedural("mice", "even60_el20", WIDTH, 0, 3)))
