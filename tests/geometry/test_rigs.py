"""Rigs: the public camera files to 1e-6, the measured angles, and names that say what the angles say."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from mflab.errors import MflabError
from mflab.geometry import DIRECTIONS, RIGS, Cameras, direction_word, get_rig

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "cameras.json").read_text())
# Clockwise seen from above, degrees from the subject's front.
DIRECTION_DEG = {name: 45.0 * index for index, name in enumerate(DIRECTIONS)}


def golden_w2c(part: dict[str, Any], order: list[int]) -> torch.Tensor:
    return torch.tensor([part["frames"][index]["w2c"] for index in order], dtype=torch.float64)


def assert_same(cameras: Cameras, w2c: torch.Tensor, part: dict[str, Any]) -> None:
    torch.testing.assert_close(cameras.w2c.double(), w2c, atol=1e-6, rtol=0)
    K = torch.tensor([[part["fx"], 0, part["cx"]], [0, part["fy"], part["cy"]], [0, 0, 1]]).repeat(len(w2c), 1, 1)
    torch.testing.assert_close(cameras.K, K, atol=1e-6, rtol=1e-7)


def test_facelift6_is_the_public_rig_in_the_models_order() -> None:
    part = GOLDEN["six_view_rig"]
    rig = get_rig("facelift6")
    assert list(rig.view_names) == part["selection_names"]
    assert part["selection_order"] == [2, 1, 0, 5, 4, 3]
    assert_same(rig.cameras(512), golden_w2c(part, part["selection_order"]), part)


def test_facelift32_is_the_public_ring_in_file_order() -> None:
    part = GOLDEN["ring32"]
    assert_same(get_rig("facelift32").cameras(512), golden_w2c(part, list(range(32))), part)


def test_facelift6_at_elevation_20_is_a_subset_of_the_ring() -> None:
    part = GOLDEN["ring32"]
    assert_same(get_rig("facelift6_el20").cameras(512), golden_w2c(part, [24, 20, 16, 8, 0, 28]), part)


@pytest.mark.parametrize(
    ("name", "file", "order"),
    [
        ("facelift6", "six_view_rig_opencv_cameras.json", [2, 1, 0, 5, 4, 3]),
        ("facelift32", "gslrm/sample_000/opencv_cameras.json", list(range(32))),
    ],
)
def test_rigs_reproduce_the_camera_files_as_shipped(shared: Path, name: str, file: str, order: list[int]) -> None:
    path = shared / "data" / "facelift_sample" / file
    shipped = Cameras.from_frames(json.loads(path.read_text())["frames"], str(path)).select(order)
    cameras = get_rig(name).cameras(512)
    torch.testing.assert_close(cameras.c2w.double(), shipped.c2w, atol=1e-6, rtol=0)
    torch.testing.assert_close(cameras.w2c.double(), shipped.w2c, atol=1e-6, rtol=0)
    torch.testing.assert_close(cameras.K.double(), shipped.K, atol=1e-6, rtol=1e-7)


@pytest.mark.parametrize("name", sorted(RIGS))
def test_cameras_stand_at_the_angles_and_distances_of_their_rig(name: str) -> None:
    rig = RIGS[name]
    cameras = rig.cameras(64)
    for view in range(rig.num_views):
        x, y, z = cameras.position[view].tolist()
        radius = math.sqrt(x * x + y * y + z * z)
        assert radius == pytest.approx(rig.radii[view], rel=1e-5)
        assert math.degrees(math.asin(z / radius)) == pytest.approx(rig.elevations_deg[view], abs=1e-3)
        clockwise = (-90.0 - math.degrees(math.atan2(y, x)) - rig.azimuths_deg[view] + 180.0) % 360.0 - 180.0
        assert clockwise == pytest.approx(0.0, abs=1e-3)
        assert 2 * math.degrees(math.atan(32 / float(cameras.K[view, 0, 0]))) == pytest.approx(rig.fov_deg[view])


@pytest.mark.parametrize("name", sorted(RIGS))
def test_rig_has_one_value_per_view_under_its_own_key(name: str) -> None:
    rig = RIGS[name]
    assert rig.name == name
    values = (rig.azimuths_deg, rig.elevations_deg, rig.radii, rig.fov_deg)
    assert {len(one) for one in values} == {rig.num_views}
    assert all(0.0 <= azimuth < 360.0 for azimuth in rig.azimuths_deg)
    assert rig.cameras(8).num_views == rig.num_views


@pytest.mark.parametrize("name", sorted(set(RIGS) - {"facelift32"}))
def test_view_names_are_the_nearest_direction_words(name: str) -> None:
    rig = RIGS[name]
    for view_name, azimuth in zip(rig.view_names, rig.azimuths_deg, strict=True):
        distance = abs((azimuth - DIRECTION_DEG[view_name] + 180.0) % 360.0 - 180.0)
        assert distance <= 22.5


@pytest.mark.parametrize("azimuth", [0.0, 22.0, 23.0, 44.0, 180.0, 337.0, 338.0, 359.9, -45.0, 405.0])
def test_direction_word_is_the_nearest_of_eight(azimuth: float) -> None:
    distances = {name: abs((azimuth - deg + 180.0) % 360.0 - 180.0) for name, deg in DIRECTION_DEG.items()}
    assert direction_word(azimuth) == min(distances, key=lambda name: distances[name])


def test_elevations_are_the_measured_ones() -> None:
    assert set(get_rig("facelift6").elevations_deg) == {0.0}
    assert set(get_rig("facelift6_el20").elevations_deg) == {20.0}
    assert set(get_rig("facelift32").elevations_deg) == {20.0}
    for elevation in (0, 20, 30):
        assert set(get_rig(f"even60_el{elevation}").elevations_deg) == {float(elevation)}
    assert sum(get_rig("mouse_rig6").elevations_deg) / 6 == pytest.approx(19.1, abs=0.05)


def test_facelift6_offsets_are_not_even() -> None:
    assert get_rig("facelift6").azimuths_deg == (0.0, 45.0, 90.0, 180.0, 270.0, 315.0)
    assert get_rig("even60_el0").azimuths_deg == (0.0, 60.0, 120.0, 180.0, 240.0, 300.0)


def test_ring_names_tell_its_views_apart() -> None:
    assert len(set(get_rig("facelift32").view_names)) == 32


def test_mouse_rig_is_irregular_in_every_respect() -> None:
    rig = get_rig("mouse_rig6")
    ordered = sorted(rig.azimuths_deg)
    gaps = [round(after - before, 1) for before, after in zip(ordered, [*ordered[1:], 360.0], strict=True)]
    assert gaps == [82.9, 52.8, 45.3, 52.1, 57.9, 69.0]
    assert sum(rig.radii) / 6 == pytest.approx(2.7, abs=0.005)
    assert all(34.6 < fov < 36.5 for fov in rig.fov_deg)
    assert all(len(set(values)) == 6 for values in (rig.elevations_deg, rig.radii, rig.fov_deg))


def test_unknown_rig_lists_the_rigs() -> None:
    with pytest.raises(MflabError, match="Unknown rig 'facelift7'; choose one of facelift6, facelift6_el20"):
        get_rig("facelift7")
