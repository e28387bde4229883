"""Rays, lookups and scans against plain projection, plain interpolation and dense sampling."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mflab.data.ellipsoids import render_depth
from mflab.data.procedural import World, make_body
from mflab.geometry import RIGS, Cameras
from mflab.metrics.consistency import ViewSet, hull_depth, silhouette_coherence
from mflab.metrics.consistency.field import Field, cut_sides, restore_thin, silhouettes
from mflab.metrics.consistency.rays import Geometry, cast, clip, look_at_point, other_views
from tests.metrics.consistency.conftest import procedural, seeded, sphere


def batched(cameras: Cameras) -> Cameras:
    return Cameras(cameras.c2w[None], cameras.K[None], cameras.width, cameras.height)


def test_projection_along_a_ray_is_the_cameras_projection() -> None:
    cameras = RIGS["mouse_rig6"].cameras(64)
    view = torch.tensor([0, 2, 5])
    u, v = torch.tensor([10.5, 32.0, 60.0]), torch.tensor([20.0, 31.5, 5.0])
    rays = cast(Geometry.of(batched(cameras)), view, u, v, other_views(view, 6))
    depth = torch.tensor([[1.5, 2.0, 3.0], [2.5, 2.6, 2.7]])
    found = torch.stack(rays.project(depth))
    for ray in range(3):
        own = int(view[ray])
        for sample in range(2):
            pixel = torch.tensor([float(u[ray]), float(v[ray]), 1.0])
            local = torch.linalg.inv(cameras.K[own]) @ pixel * depth[sample, ray]
            world = cameras.c2w[own] @ torch.cat([local, torch.ones(1)])
            for slot, target in enumerate(t for t in range(6) if t != own):
                x, y, z = cameras.K[target] @ (cameras.w2c[target] @ world)[:3]
                expected = torch.stack([x / z, y / z, z])
                torch.testing.assert_close(found[:, slot, sample, ray], expected, rtol=1e-4, atol=1e-3)


def test_the_scene_ball_is_around_the_look_at_point() -> None:
    cameras = RIGS["even60_el20"].cameras(64)
    geometry = Geometry.of(batched(cameras))
    torch.testing.assert_close(geometry.center, torch.zeros(6, 3, dtype=torch.float64), rtol=0, atol=1e-6)
    assert geometry.radius.tolist() == pytest.approx([1.6 * 2.7 * 32 / float(cameras.K[0, 0, 0])] * 6, rel=1e-5)
    view = torch.zeros(1, dtype=torch.int64)
    middle = torch.tensor([32.0])
    rays = cast(geometry, view, middle, middle, other_views(view, 6))
    assert float(rays.near) == pytest.approx(2.7 - float(geometry.radius[0]), abs=1e-4)
    assert float(rays.far) == pytest.approx(2.7 + float(geometry.radius[0]), abs=1e-4)


def test_parallel_cameras_have_a_look_at_point_between_them() -> None:
    origin = torch.tensor([[[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]], dtype=torch.float64)
    forward = torch.tensor([[[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]], dtype=torch.float64)
    torch.testing.assert_close(look_at_point(origin, forward), origin.mean(1))


def test_lookups_are_bilinear_with_a_constant_beyond_the_border() -> None:
    images = torch.rand(3, 2, 9, 9, generator=seeded())
    padded = functional.pad(images, (1, 1, 1, 1), value=0.25)
    image = torch.randint(0, 3, (500,), generator=seeded())
    u, v = (torch.rand(500, generator=seeded(k)) * 15 - 3 for k in (1, 2))
    grid = torch.stack([(u + 1) / 11 * 2 - 1, (v + 1) / 11 * 2 - 1], dim=-1)
    expected = torch.stack(
        [
            functional.grid_sample(padded[i, None], g[None, None, None], padding_mode="border", align_corners=False)[
                0, :, 0, 0
            ]
            for i, g in zip(image.tolist(), grid, strict=True)
        ],
        dim=1,
    )
    torch.testing.assert_close(Field.of(padded).at(image, u, v), expected, rtol=0, atol=1e-5)


def test_clipping_keeps_every_covered_depth() -> None:
    views = procedural("mice", "mouse_rig6", 32, 0).flattened()
    alpha = views.alpha[0, :, 0]
    shapes, geometry = silhouettes(alpha, 1), Geometry.of(views.cameras)
    view, row, column = (alpha > 0).nonzero().unbind(1)
    rays = cast(geometry, view, column + 0.5, row + 0.5, other_views(view, 6))
    clipped = clip(rays, shapes.boxes)
    depth = rays.depths(torch.linspace(0, 1, 400))
    u, v, _ = rays.project(depth)
    # Interpolation rounds: what should be zero at the very edge of a silhouette may be 1e-8.
    is_covered = shapes.at(rays.targets[:, None], u, v).amin(0) > 1e-5
    assert bool(is_covered.any())
    assert bool(((depth >= clipped.near - 1e-4) & (depth <= clipped.far + 1e-4))[is_covered].all())
    assert float((clipped.far - clipped.near).mean()) < 0.5 * float((rays.far - rays.near).mean())


def dense_coherence(views: ViewSet, tolerance: int, samples: int = 1500) -> Tensor:
    """Silhouette coherence from `samples` depths in the scene ball and torch's own interpolation."""
    cameras, alpha, size = (
        views.cameras,
        restore_thin(views.alpha[:, 0]) if tolerance else views.alpha[:, 0],
        views.width,
    )
    assert not bool(cut_sides(views.alpha[:, 0]).any())
    window = 2 * tolerance + 1
    grown = functional.max_pool2d(functional.pad(alpha[:, None], (tolerance,) * 4), window, 1)
    radius = 1.6 * 2.7 * 0.5 * size / float(cameras.K[0, 0, 0])
    depth = torch.linspace(2.7 - radius, 2.7 + radius, samples)
    per_view = []
    for own in range(6):
        row, column = (views.alpha[own, 0] > 0).nonzero().unbind(1)
        pixel = torch.stack([column + 0.5, row + 0.5, torch.ones(len(row))])
        local = torch.linalg.inv(cameras.K[own]) @ pixel
        cover = torch.ones(len(row), samples)
        for other in range(6):
            if other == own:
                continue
            relative = cameras.w2c[other] @ cameras.c2w[own]
            points = (relative[:3, :3] @ local)[:, :, None] * depth + relative[:3, 3, None, None]
            projected = torch.einsum("ij,jnk->ink", cameras.K[other], points)
            grid = (projected[:2] / projected[2]).permute(1, 2, 0)[None] / size * 2 - 1
            cover = torch.minimum(cover, functional.grid_sample(grown[other, None], grid, align_corners=False)[0, 0])
        wanted = views.alpha[own, 0, row, column]
        per_view.append(torch.minimum(wanted, cover.amax(1)).sum() / wanted.sum())
    return torch.stack(per_view)


@pytest.mark.parametrize("tolerance", [1, 0])
def test_coherence_equals_dense_sampling(tolerance: int) -> None:
    views = procedural("objects", "even60_el20", 48, 1)
    spoiled = ViewSet(views.images, views.alpha.clone(), views.cameras)
    spoiled.alpha[2] = spoiled.alpha[2].roll(3, -1)
    found = silhouette_coherence(spoiled, tolerance=bool(tolerance)).per_view
    expected = dense_coherence(spoiled, tolerance)
    assert float(expected.min()) < 0.99
    torch.testing.assert_close(found, expected, rtol=0, atol=1.5e-3)


def test_thin_parts_reach_full_coverage_and_thick_outlines_stay() -> None:
    thin = torch.zeros(1, 12, 12)
    thin[0, 5] = 0.4
    assert restore_thin(thin)[0, 5].tolist() == [1.0] * 12
    faint = restore_thin(0.25 * thin)
    assert float(faint.max()) == pytest.approx(0.4), "below a quarter of a pixel a part stays faint"
    thick = functional.pad(torch.ones(1, 6, 6), (3, 3, 3, 3))
    thick[0, 2, 3:9] = 0.3
    assert torch.equal(restore_thin(thick), thick)


def test_hull_of_a_sphere_lies_on_it_or_around_it() -> None:
    views = sphere(20)
    surface = hull_depth(views)
    is_hit = torch.isfinite(surface.depth)
    assert torch.equal(is_hit, is_hit & (views.alpha[:, 0] > 0.5))
    assert float(is_hit.sum() / (views.alpha > 0.5).sum()) > 0.99
    middle = surface.depth[:, 64, 64]
    assert bool(((middle > 1.9) & (middle < 2.02)).all()), "the front of the sphere is at 2.7 - 0.7"
    length = surface.normal.norm(dim=1)[is_hit]
    assert float((length > 0).float().mean()) > 0.99 and float(length.max()) < 1.001
    forward = views.cameras.c2w[:, :3, 2]
    assert bool(((surface.normal[..., 64, 64] * forward).sum(1) < -0.9).all()), "normals point to the camera"


@pytest.mark.parametrize("world", [World.mice, World.objects])
def test_the_hull_encloses_the_object(world: World) -> None:
    views = procedural(world.name, "facelift6_el20", 64, 2)
    hull = hull_depth(views).depth
    true = torch.from_numpy(render_depth(make_body(world, 11, 2), views.cameras))
    both = torch.isfinite(hull) & torch.isfinite(true)
    assert float(both.sum() / torch.isfinite(true).sum()) > 0.9
    behind = (hull - true)[both]
    # Half a pixel is 0.02 scene units across, more in depth where the outline grazes.
    assert float((behind < 0.03).float().mean()) > 0.98
    assert float(behind.median()) <= 0.0
