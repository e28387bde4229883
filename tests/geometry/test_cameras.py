"""Cameras: rigid inverses, projections under crop and resize, the file format, and wrong matrices refused."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mflab.errors import MflabError
from mflab.geometry import RIGS, Cameras, check_cameras, get_rig, orbit_c2w

MOUSE = get_rig("mouse_rig6")


def double(cameras: Cameras) -> Cameras:
    return replace(cameras, c2w=cameras.c2w.double(), K=cameras.K.double())


def project(cameras: Cameras, points: Tensor) -> Tensor:
    """Pixel positions of world points, [V, N, 2]."""
    homogeneous = torch.cat([points, torch.ones_like(points[:, :1])], dim=1)
    local = (cameras.w2c @ homogeneous.T)[:, :3]
    image = cameras.K @ local
    return (image[:, :2] / image[:, 2:]).mT


def some_points() -> Tensor:
    return torch.rand(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5


@settings(deadline=None, derandomize=True)
@given(
    azimuth=st.floats(-720, 720),
    elevation=st.floats(-85, 85),
    radius=st.floats(0.1, 100),
)
def test_orbit_camera_is_rigid_upright_and_looks_at_the_origin(azimuth: float, elevation: float, radius: float) -> None:
    c2w = orbit_c2w(azimuth, elevation, radius)
    rotation, position = c2w[:3, :3], c2w[:3, 3]
    torch.testing.assert_close(rotation.T @ rotation, torch.eye(3, dtype=torch.float64))
    assert float(torch.linalg.det(rotation)) == pytest.approx(1.0)
    torch.testing.assert_close(position + radius * rotation[:, 2], torch.zeros(3, dtype=torch.float64))
    assert float(rotation[2, 0]) == pytest.approx(0.0, abs=1e-12)
    assert float(rotation[2, 1]) < 0
    assert math.asin(float(position[2]) / radius) == pytest.approx(math.radians(elevation), abs=1e-9)


def test_orbit_camera_at_the_front_sees_the_subjects_right_on_its_left() -> None:
    front = Cameras(
        orbit_c2w(-90.0, 0.0, 2.0)[None],
        torch.tensor([[[10.0, 0.0, 5.0], [0.0, 10.0, 5.0], [0.0, 0.0, 1.0]]], dtype=torch.float64),
        10,
        10,
    )
    # The subject faces -y with z up, so its own right hand is at -x.
    pixels = project(front, torch.tensor([[-0.5, 0.0, 0.0], [0.0, 0.0, 0.5]], dtype=torch.float64))[0]
    torch.testing.assert_close(pixels, torch.tensor([[2.5, 5.0], [5.0, 2.5]], dtype=torch.float64))


def test_world_to_camera_is_the_matrix_inverse() -> None:
    cameras = double(MOUSE.cameras(64))
    torch.testing.assert_close(cameras.w2c, torch.linalg.inv(cameras.c2w), atol=1e-6, rtol=0)


@settings(deadline=None, derandomize=True)
@given(size=st.integers(1, 300))
def test_resizing_scales_every_projection(size: int) -> None:
    cameras = double(MOUSE.cameras(64))
    scale = torch.tensor([size / 64, 2 * size / 64], dtype=torch.float64)
    resized = cameras.resized(size, 2 * size)
    assert (resized.width, resized.height) == (size, 2 * size)
    torch.testing.assert_close(project(resized, some_points()), project(cameras, some_points()) * scale)


@settings(deadline=None, derandomize=True)
@given(left=st.integers(-20, 40), top=st.integers(-20, 40))
def test_cropping_shifts_every_projection(left: int, top: int) -> None:
    cameras = double(MOUSE.cameras(64))
    cropped = cameras.cropped(left, top, 20, 10)
    assert (cropped.width, cropped.height) == (20, 10)
    shift = torch.tensor([left, top], dtype=torch.float64)
    torch.testing.assert_close(project(cropped, some_points()), project(cameras, some_points()) - shift)


def test_cropping_and_resizing_leave_the_original_alone() -> None:
    cameras = MOUSE.cameras(64)
    before = cameras.K.clone()
    cameras.cropped(3, 4, 20, 10).resized(40, 40)
    assert torch.equal(cameras.K, before)


def test_selection_takes_poses_and_intrinsics_together_and_composes() -> None:
    cameras = MOUSE.cameras(64)
    chosen = cameras.select([4, 0, 2])
    assert chosen.num_views == 3
    torch.testing.assert_close(chosen.position, cameras.position[[4, 0, 2]])
    torch.testing.assert_close(chosen.K, cameras.K[[4, 0, 2]])
    assert torch.equal(chosen.select([1]).c2w, cameras.select([0]).c2w)


def test_batched_cameras_keep_their_leading_axes() -> None:
    cameras = MOUSE.cameras(64)
    batched = Cameras(cameras.c2w.repeat(2, 3, 1, 1, 1), cameras.K.repeat(2, 3, 1, 1, 1), 64, 64)
    assert batched.num_views == 6
    assert batched.position.shape == (2, 3, 6, 3)
    assert batched.select([0, 5]).w2c.shape == (2, 3, 2, 4, 4)
    torch.testing.assert_close(batched.w2c[1, 2], cameras.w2c)


@pytest.mark.parametrize("name", sorted(RIGS))
def test_frames_round_trip(name: str) -> None:
    cameras = RIGS[name].cameras(64)
    back = Cameras.from_frames(cameras.to_frames(), name)
    assert (back.width, back.height) == (64, 64)
    torch.testing.assert_close(back.c2w.float(), cameras.c2w, atol=1e-6, rtol=0)
    torch.testing.assert_close(back.K.float(), cameras.K, atol=0, rtol=0)


def test_frames_without_a_field_or_of_two_sizes_are_refused() -> None:
    frames = MOUSE.cameras(64).to_frames()
    without = [{key: value for key, value in frame.items() if key != "cy"} for frame in frames]
    with pytest.raises(MflabError, match=r"\['cy'\], but frame 0 of here"):
        Cameras.from_frames(without, "here")
    with pytest.raises(MflabError, match=r"one image size, but got \[\(32, 64\), \(64, 64\)\] in here"):
        Cameras.from_frames([{**frames[0], "w": 32}, *frames[1:]], "here")
    with pytest.raises(MflabError, match=r"w2c must be 4x4, but got \(3, 4\) in frame 1 of here"):
        Cameras.from_frames([frames[0], {**frames[1], "w2c": frames[1]["w2c"][:3]}], "here")


@pytest.mark.parametrize("name", sorted(RIGS))
def test_every_rig_passes_its_own_check(name: str) -> None:
    check_cameras(RIGS[name].cameras(64), name)


def spoiled(view: int = 2) -> tuple[Cameras, Tensor, Tensor]:
    """Cameras and the writable pose and intrinsics of one view."""
    cameras = double(MOUSE.cameras(64))
    return cameras, cameras.c2w[view], cameras.K[view]


@pytest.mark.parametrize("axis", [0, 1])
def test_reflection_is_refused_with_its_view(axis: int) -> None:
    cameras, c2w, _ = spoiled()
    c2w[:3, axis] *= -1
    with pytest.raises(MflabError, match=r"determinant \+1, but got -1 \(a reflection\) in view 2 of here"):
        check_cameras(cameras, "here")


def test_camera_that_turns_its_back_to_the_object_is_refused() -> None:
    cameras, c2w, _ = spoiled()
    c2w[:3, [0, 2]] *= -1
    with pytest.raises(MflabError, match=r"in front of the camera, but its depth is -2\.96 in view 2"):
        check_cameras(cameras, "here")


def test_scaled_or_sheared_rotation_is_refused() -> None:
    for factor in (0.008148, 1.001):
        cameras, c2w, _ = spoiled()
        c2w[:3, :3] *= factor
        with pytest.raises(MflabError, match="orthonormal"):
            check_cameras(cameras, "here")


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [(0, 0, 0.0), (1, 1, -80.0), (0, 2, 5000.0), (1, 2, -5000.0)],
)
def test_impossible_intrinsics_are_refused(row: int, column: int, value: float) -> None:
    cameras, _, K = spoiled()
    K[row, column] = value
    with pytest.raises(MflabError, match=r"Intrinsics must .* 64x64 pixels in view 2 of here"):
        check_cameras(cameras, "here")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    for spoil in (0, 1):
        cameras, *matrices = spoiled()
        matrices[spoil][0, 2] = value
        with pytest.raises(MflabError, match="finite, but view 2 of here"):
            check_cameras(cameras, "here")


def test_real_camera_files_pass_the_check(shared: Path) -> None:
    for name in ("six_view_rig_opencv_cameras.json", "gslrm/sample_000/opencv_cameras.json"):
        path = shared / "data" / "facelift_sample" / name
        check_cameras(Cameras.from_frames(json.loads(path.read_text())["frames"], str(path)), str(path))


@pytest.mark.parametrize("name", sorted(RIGS))
def test_swapped_matrices_are_refused(name: str) -> None:
    good = double(RIGS[name].cameras(64))
    with pytest.raises(MflabError, match="swapped"):
        check_cameras(replace(good, c2w=good.w2c), "here")


def test_camera_that_looks_past_the_object_is_refused() -> None:
    cameras, c2w, _ = spoiled()
    c2w[:3, [0, 2]] = torch.stack([c2w[:3, 2], -c2w[:3, 0]], dim=1) * 0.96 + c2w[:3, [0, 2]] * 0.28
    with pytest.raises(MflabError, match="must look at the object, but the world origin projects to"):
        check_cameras(cameras, "here")


def test_intrinsics_in_shares_of_the_image_are_refused() -> None:
    cameras = double(MOUSE.cameras(64))
    K = cameras.K.clone()
    K[:, :2] /= 64
    with pytest.raises(MflabError, match="give K in pixels"):
        check_cameras(replace(cameras, K=K), "here")
