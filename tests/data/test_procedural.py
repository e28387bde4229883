"""The procedural world: exact pictures, purity and truth under mirroring."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mflab.data.ellipsoids import render_depth, render_rgba
from mflab.data.parts import Parts, rotation_from_euler
from mflab.data.procedural import ProceduralScenes, World, make_body
from mflab.data.sources import DataCfg, DataKind, open_sources
from mflab.data.transforms import mirror_order
from mflab.errors import MflabError
from mflab.geometry import get_rig

RIG = get_rig("facelift6_el20")


def sphere(center: tuple[float, float, float], radius: float):
    parts = Parts()
    parts.add(center, (radius,) * 3, (0.5, 0.2, 0.1))
    return parts.body(np.random.default_rng(0), 0.3)


def test_a_sphere_has_its_analytic_outline_and_depth() -> None:
    cameras = RIG.cameras(128)
    depth = render_depth(sphere((0.0, 0.0, 0.0), 0.5), cameras)
    v, u = np.meshgrid(np.arange(128) + 0.5, np.arange(128) + 0.5, indexing="ij")
    focal = float(cameras.K[0, 0, 0])
    ray = np.stack([(u - 64) / focal, (v - 64) / focal, np.ones_like(u)])
    norm2 = (ray**2).sum(0)
    discriminant = 2.7**2 - norm2 * (2.7**2 - 0.25)
    exact = np.where(discriminant > 0, (2.7 - np.sqrt(np.maximum(discriminant, 0))) / norm2, np.inf)
    for view in depth:
        assert (np.isfinite(view) == (discriminant > 0)).mean() > 0.9999
        both = np.isfinite(view) & (discriminant > 1e-3)
        np.testing.assert_allclose(view[both], exact[both], atol=1e-4)


def test_alpha_is_coverage_and_converges_with_samples() -> None:
    cameras = RIG.cameras(32)
    body = make_body(World.mice, 0, 3)
    coarse, fine = (render_rgba(body, cameras, samples)[:, 3].astype(float) / 255 for samples in (2, 8))
    hard = np.isfinite(render_depth(body, cameras))
    assert np.abs(coarse - fine).mean() < 0.01
    assert (np.abs(fine - hard) < 1.0).all()


def test_an_ellipsoid_hides_what_lies_behind_it() -> None:
    parts = Parts()
    parts.add((0.0, -0.6, 0.0), (0.3, 0.1, 0.3), (0.9, 0.0, 0.0))
    parts.add((0.0, 0.6, 0.0), (0.3, 0.1, 0.3), (0.0, 0.9, 0.0))
    pictures = render_rgba(parts.body(np.random.default_rng(0), 0.3), get_rig("facelift6").cameras(32))
    front, back = pictures[0, :3, 16, 16], pictures[3, :3, 16, 16]
    assert front[0] > 0
    assert front[1] == 0
    assert back[1] > 0
    assert back[0] == 0


@pytest.mark.parametrize("world", list(World))
def test_the_mirrored_world_equals_the_mirrored_pictures(world: World) -> None:
    body = make_body(world, 5, 1)
    pictures = render_rgba(body, RIG.cameras(48))
    mirrored = render_rgba(body.mirrored(), RIG.cameras(48))
    order = list(mirror_order(RIG.azimuths_deg, RIG.elevations_deg, RIG.cameras(48)))
    difference = np.abs(mirrored.astype(int) - pictures[order, :, :, ::-1].astype(int))
    assert (difference > 2).mean() < 2e-3


@pytest.mark.parametrize("world", list(World))
def test_bodies_fill_the_view_and_hardly_touch_its_border(world: World) -> None:
    for index in range(20):
        alpha = render_rgba(make_body(world, 0, index), get_rig("facelift6_el20").cameras(32))[:, 3]
        assert alpha[:, [0, -1]].mean() + alpha[:, :, [0, -1]].mean() < 1.0
        assert 0.02 < (alpha > 127).mean() < 0.5


def test_rotations_are_proper() -> None:
    rotation = rotation_from_euler(0.3, -0.4, 0.5)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_scenes_are_pure_functions_of_seed_and_index() -> None:
    scenes = ProceduralScenes(World.mice, RIG, 32, 7, 10)
    again = ProceduralScenes(World.mice, RIG, 32, 7, 1_000_000)
    assert torch.equal(scenes[4].rgba, again[4].rgba)
    assert not torch.equal(scenes[4].rgba, scenes[5].rgba)
    assert not torch.equal(scenes[4].rgba, ProceduralScenes(World.mice, RIG, 32, 8, 10)[4].rgba)
    assert scenes.fingerprint != again.fingerprint


def test_scenes_outside_the_sequence_are_refused() -> None:
    scenes = ProceduralScenes(World.mice, RIG, 32, 0, 2)
    with pytest.raises(IndexError, match=r"\[0, 2\), but got 2"):
        scenes[2]
    with pytest.raises(MflabError, match="size=4"):
        ProceduralScenes(World.mice, RIG, 4, 0, 2)


def test_procedural_data_is_written_once_in_the_layout_and_read_back(tmp_path: Path) -> None:
    cfg = DataCfg(size=16, num_train=3, num_val=2)
    first = open_sources(cfg, tmp_path)
    folders = list(tmp_path.glob("mice*"))
    assert len(folders) == 1
    assert len(list(folders[0].glob("sample_*/images/cam_*.png"))) == 5 * 6
    second = open_sources(cfg, tmp_path)
    assert (first.train.fingerprint, first.val.fingerprint) == (second.train.fingerprint, second.val.fingerprint)
    assert (len(first.train), len(first.val)) == (3, 2)
    rendered = ProceduralScenes(World.mice, RIG, 16, 0, 5)
    assert torch.equal(second.val[0].rgba, rendered[3].rgba)


def test_a_stream_never_validates_on_what_it_trains_on() -> None:
    cfg = DataCfg(kind=DataKind.stream, world=World.objects, size=16, num_train=1_000_000, num_val=3)
    train, val = open_sources(cfg, Path("unused"))
    assert len(train) == 1_000_000
    assert all(not torch.equal(train[index].rgba, val[index].rgba) for index in range(3))


def test_a_missing_dataset_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MflabError, match=r"set data\.root"):
        open_sources(DataCfg(kind=DataKind.folder), tmp_path)
