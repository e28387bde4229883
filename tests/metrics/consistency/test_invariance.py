"""What must not change a score: order of views, gauge of the world, common colours, the batch, and being cut off."""

from dataclasses import replace

import pytest
import torch
from scipy.spatial.transform import Rotation

from mflab.metrics.consistency import (
    ViewSet,
    epipolar_tangency,
    leave_one_out,
    measure_consistency,
    photo_consistency,
    silhouette_coherence,
    tint_spread,
)
from tests.metrics.consistency.conftest import hue, procedural, recoloured, seeded, stacked, turned

GEOMETRY = ("sc", "sc_min", "sc0", "et_mean", "et_max")


def scores(views: ViewSet, seed: int = 0) -> dict[str, float]:
    found = measure_consistency(views, seeded(seed), with_leave_one_out=False).values
    return {name.removeprefix("consistency/"): float(value) for name, value in found.items()}


def test_permuting_views_with_their_cameras() -> None:
    views = procedural("objects", "even60_el20", 128, 1)
    order = [3, 0, 5, 1, 4, 2]
    straight, permuted = measure_consistency(views, seeded()), measure_consistency(views.select(order), seeded())
    for name, value in straight.values.items():
        tolerance = 0.002 if "pc" in name or name.endswith("vc") else 1e-5
        assert float(permuted.values[name]) == pytest.approx(float(value), abs=tolerance), name
    for name in ("sc", "ti", "loo"):
        torch.testing.assert_close(permuted.per_view[name], straight.per_view[name][order], rtol=0, atol=1e-4, msg=name)


@pytest.mark.parametrize("change", [lambda c: 0.6 * c, lambda c: 0.85 * c, hue(45.0), hue(150.0), lambda c: 1 - c])
def test_a_common_colour_change_leaves_geometry_bit_identical(change) -> None:
    views = procedural("objects", "even60_el20", 64, 2)
    changed = recoloured(views, change)
    for tolerance in (True, False):
        before, after = silhouette_coherence(views, tolerance), silhouette_coherence(changed, tolerance)
        assert torch.equal(before.per_view, after.per_view)
    assert all(torch.equal(a, b) for a, b in zip(epipolar_tangency(views), epipolar_tangency(changed), strict=True))
    before, after = (float(photo_consistency(one, seeded()).score) for one in (views, changed))
    assert abs(before - after) <= 0.03
    assert float(tint_spread(changed).maximum) < 0.13


@pytest.mark.parametrize("world", ["mice", "objects"])
def test_a_common_gain_leaves_photo_consistency(world: str) -> None:
    views = procedural(world, "facelift6_el20", 64, 0)
    before, after = (photo_consistency(one, seeded()) for one in (views, recoloured(views, lambda c: 0.6 * c)))
    torch.testing.assert_close(before.per_view, after.per_view, rtol=0, atol=1e-4)


def test_rotating_world_and_cameras_together() -> None:
    views = procedural("objects", "even60_el20", 64, 3)
    straight, predicted = scores(views), leave_one_out(views)
    for vector in ((0.0, 0.0, 1.3), (2.0, 1.0, -1.5)):
        rotation = torch.from_numpy(Rotation.from_rotvec(vector).as_matrix())
        other = ViewSet(views.images, views.alpha, turned(views.cameras, rotation))
        rotated = scores(other)
        torch.testing.assert_close(leave_one_out(other).per_view, predicted.per_view, rtol=0, atol=0.1)
        for name, value in straight.items():
            assert rotated[name] == pytest.approx(value, abs=1e-4 if name in GEOMETRY else 0.01, rel=0.01), name


def test_moving_world_and_cameras_together() -> None:
    views = procedural("objects", "even60_el20", 64, 3)
    c2w = views.cameras.c2w.clone()
    c2w[:, :3, 3] += torch.tensor([3.0, -1.0, 2.0])
    moved, straight = scores(ViewSet(views.images, views.alpha, replace(views.cameras, c2w=c2w))), scores(views)
    for name in GEOMETRY:
        assert moved[name] == pytest.approx(straight[name], abs=2e-3), name
    assert moved["pc"] == pytest.approx(straight["pc"], abs=0.01)


def test_scale_of_the_world_is_free() -> None:
    views = procedural("mice", "even60_el20", 64, 2)
    c2w = views.cameras.c2w.clone()
    c2w[:, :3, 3] *= 50.0
    scaled, straight = scores(ViewSet(views.images, views.alpha, replace(views.cameras, c2w=c2w))), scores(views)
    for name, value in straight.items():
        assert scaled[name] == pytest.approx(value, abs=1e-3 if name in GEOMETRY else 0.01, rel=0.01), name


@pytest.mark.parametrize("world", ["mice", "objects"])
def test_a_turn_of_all_views_on_a_regular_rig_cannot_be_seen(world: str) -> None:
    views = procedural(world, "even60_el20", 128, 4)
    order = [1, 2, 3, 4, 5, 0]
    rolled = ViewSet(views.images[order], views.alpha[order], views.cameras)
    assert float(silhouette_coherence(rolled).mean) == pytest.approx(float(silhouette_coherence(views).mean), abs=1e-4)
    before, after = (float(photo_consistency(one, seeded()).score) for one in (views, rolled))
    assert after == pytest.approx(before, abs=0.005)


@pytest.mark.parametrize("world", ["mice", "objects"])
def test_a_mirrored_object_seen_the_other_way_round_cannot_be_seen(world: str) -> None:
    views = procedural(world, "even60_el20", 128, 5)
    order = [0, 5, 4, 3, 2, 1]
    mirrored = ViewSet(views.images[order].flip(-1), views.alpha[order].flip(-1), views.cameras)
    before, after = silhouette_coherence(views), silhouette_coherence(mirrored)
    assert float(after.mean) == pytest.approx(float(before.mean), abs=1e-4)
    scores_of = [float(photo_consistency(one, seeded()).score) for one in (views, mirrored)]
    assert scores_of[1] == pytest.approx(scores_of[0], abs=0.005)


def test_an_object_that_the_frame_cuts_off_stays_coherent() -> None:
    rows, whole = 30, procedural("objects", "even60_el20", 128, 0)
    K = whole.cameras.K.clone()
    K[:, 1, 2] += rows
    # The principal point moves down: the picture does too, and what leaves the frame is lost.
    images, alpha = torch.ones_like(whole.images), torch.zeros_like(whole.alpha)
    images[..., rows:, :], alpha[..., rows:, :] = whole.images[..., :-rows, :], whole.alpha[..., :-rows, :]
    cut = ViewSet(images, alpha, replace(whole.cameras, K=K))
    lost = 1 - float(alpha.sum() / whole.alpha.sum())
    assert 0.03 < lost < 0.3
    assert float(silhouette_coherence(cut).minimum) >= 0.9999
    before, after = (float(photo_consistency(one, seeded()).score) for one in (whole, cut))
    assert after == pytest.approx(before, abs=0.02)
    assert float(epipolar_tangency(cut).maximum) <= 1.0


def test_a_tail_cut_off_by_two_pixels_stays_coherent() -> None:
    views = procedural("mice", "mouse_rig6", 128, 3)
    touching = (views.alpha[:, 0, :, [0, -1]] > 0.5).sum((1, 2))
    assert int(touching.max()) > 0, "the frame cuts this mouse off"
    assert float(silhouette_coherence(views).minimum) >= 0.9995
    assert float(epipolar_tangency(views).maximum) <= 1.0


def test_the_seed_moves_only_the_chance_level_of_photo_consistency() -> None:
    views = procedural("mice", "facelift6_el20", 128, 1)
    found = [photo_consistency(views, seeded(seed)) for seed in range(6)]
    assert len({float(photo.error) for photo in found}) == 1
    values = torch.stack([photo.score for photo in found])
    assert 0 < float(values.std()) < 0.002
    first, *others = (scores(procedural("mice", "facelift6_el20", 64, 1), seed) for seed in (0, 1))
    changed = {name for name, value in first.items() if any(other[name] != value for other in others)}
    assert changed == {"pc", "pc_min", "pc_null", "vc"}


def test_equal_seeds_give_equal_bits() -> None:
    views = procedural("mice", "facelift6_el20", 64, 2)
    first, second = scores(views, 3), scores(views, 3)
    assert first == second


def test_a_batch_gives_each_set_what_it_gets_alone() -> None:
    sets = [procedural(world, "facelift6_el20", 64, index) for world in ("mice", "objects") for index in (0, 1)]
    batch = stacked(sets)
    square = ViewSet(batch.images.unflatten(0, (2, 2)), batch.alpha.unflatten(0, (2, 2)), batch.cameras)
    together = measure_consistency(square, seeded())
    alone = [measure_consistency(one, seeded()) for one in sets]
    for name, value in together.values.items():
        assert value.shape == (2, 2)
        expected = torch.stack([one.values[name] for one in alone])
        torch.testing.assert_close(value.flatten(), expected, rtol=0, atol=0, equal_nan=True, msg=name)
    for name, value in together.per_view.items():
        assert value.shape == (2, 2, 6), name


def test_several_sets_at_once_give_what_one_by_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = stacked([procedural(world, "facelift6_el20", 64, 0) for world in ("mice", "objects")])
    c2w, K = (tensor.expand(2, *tensor.shape) for tensor in (batch.cameras.c2w, batch.cameras.K))
    own_cameras = ViewSet(batch.images, batch.alpha, replace(batch.cameras, c2w=c2w, K=K))
    apart = measure_consistency(batch, seeded())
    monkeypatch.setattr("mflab.metrics.consistency.batches.CPU_SETS", 2)
    monkeypatch.setattr("mflab.metrics.consistency.rays.CPU_ELEMENTS", 2**20)
    together = measure_consistency(own_cameras, seeded())
    for name, value in apart.values.items():
        torch.testing.assert_close(together.values[name], value, rtol=0, atol=1e-6, msg=name)
