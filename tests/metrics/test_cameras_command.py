"""`python -m mflab.metrics cameras`: datasets, samples and plain folders; exit status, sentences and JSON."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from mflab.data.procedural import ProceduralScenes, World
from mflab.data.scenes import composite
from mflab.data.writer import write_scene
from mflab.geometry import RIGS
from mflab.metrics.command import COMMANDS, main

TRUE = RIGS["facelift6_el20"]
AZIMUTHS = ["--azimuths", *(str(azimuth) for azimuth in TRUE.azimuths_deg)]


def write(root: Path, claimed: str = "facelift6_el20", count: int = 1) -> Path:
    """Mice seen from 20 degrees above, with the camera files of a rig."""
    scenes = ProceduralScenes(World.mice, TRUE, 64, 3, count)
    for index in range(count):
        write_scene(root, index, replace(scenes[index], cameras=RIGS[claimed].cameras(64)))
    return root


def pictures(folder: Path, order: list[int], mode: str = "RGB") -> Path:
    """The same views as plain pictures without cameras; names that only sort as numbers."""
    folder.mkdir()
    rgba = ProceduralScenes(World.mice, TRUE, 64, 3, 1)[0].rgba
    colours, _ = composite(rgba, "white")
    for place, view in enumerate(order):
        pixels = (colours[view] * 255).round().to(torch.uint8) if mode == "RGB" else rgba[view]
        Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()).save(folder / f"view_{8 + place}.png")
    return folder


def checked(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any], str]:
    status = main(["cameras", *map(str, arguments)])
    output = capsys.readouterr().out
    return status, json.loads(output.splitlines()[-1]), output


def test_true_cameras_of_a_dataset_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, result, output = checked(capsys, write(tmp_path, count=2), "--max-sets", 1)
    assert status == 0 and not result["mismatch"] and result["decidable"]
    assert result["elevation"]["estimated"] == pytest.approx(20, abs=2.5)
    assert (result["sets"], result["sets_found"], result["names"]) == (1, 2, ["sample_000000"])
    assert result["mask_source"] == "alpha" and result["azimuth_step"] is None
    assert "The azimuth step was not checked: the cameras of views 0, 1, 2, 3, 4, 5 do not step equally." in output
    assert "Looked at 1 of 2 sets" in output and "The images fit the claimed cameras" in output


def test_horizontal_camera_files_of_images_from_above_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path, "facelift6", count=2)
    (tmp_path / "second.txt").write_text("sample_000001\n")
    status, result, output = checked(capsys, root, "--list", "second.txt")
    assert status == 1 and result["mismatch"] and result["names"] == ["sample_000001"]
    (finding,) = result["findings"]
    assert finding.endswith("degrees of elevation, but the cameras claim 0.0.") and finding in output


def test_plain_pictures_need_only_angles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pictures(tmp_path / "plain", list(range(6)))
    status, result, output = checked(capsys, folder, *AZIMUTHS, "--elevation", 20)
    assert status == 0 and result["mask_source"] == "estimated"
    assert result["order"]["moved"] == [] and result["camera_source"] == "the command line"
    assert "masks were estimated from colours on white" in output


def test_swapped_pictures_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pictures(tmp_path / "plain", [0, 1, 3, 2, 4, 5], "RGBA")
    status, result, output = checked(capsys, folder, *AZIMUTHS, "--elevation", 20, "--json")
    assert status == 1 and result["order"]["moved"] == [2, 3] and not result["order"]["reversed"]
    assert len(output.splitlines()) == 1


def ring(root: Path, swapped: dict[int, int]) -> Path:
    """A mouse from 32 sides, some of its images under one another's cameras."""
    scene = ProceduralScenes(World.mice, RIGS["facelift32"], 64, 3, 1)[0]
    order = [swapped.get(view, view) for view in range(32)]
    write_scene(root, 0, replace(scene, rgba=scene.rgba[order]))
    return root


def test_views_of_a_ring_are_named_by_their_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, result, output = checked(capsys, ring(tmp_path, {5: 10, 10: 5}))
    assert status == 1 and result["views"] == [0, 5, 10, 15, 20, 25] and result["num_views"] == 32
    (finding,) = result["findings"]
    assert "cameras 5 and 10 have one another's images, and the order 0, 10, 5, 15, 20, 25 fits." in finding
    assert finding in output and "0 10 5 15 20 25" in output and "all, once" in output
    assert result["azimuth_step"]["claimed"] == pytest.approx(-56.25, abs=0.1)


def test_views_beside_those_that_are_searched_are_judged_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, result, output = checked(capsys, ring(tmp_path, {6: 7, 7: 6}))
    assert status == 1 and result["strays"] == [{"view": 6, "fits": 7}, {"view": 7, "fits": 6}]
    assert result["findings"] == ["Not all images fit the others: cameras 6 and 7 have one another's images."]
    assert "not 6 7" in output and "20, 25, which judge the others." in output


def test_unusable_input_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = pictures(tmp_path / "plain", list(range(6)))
    mixed, empty = pictures(tmp_path / "mixed", list(range(6))), tmp_path / "empty"
    empty.mkdir()
    short = write(tmp_path / "short") / "sample_000000"
    (short / "images" / "cam_005.png").unlink()
    Image.new("RGBA", (64, 64)).save(mixed / "view_9.png")
    for arguments, message in (
        ([tmp_path / "missing"], "missing does not exist; check the path"),
        ([plain / "view_8.png"], "view_8.png is a file; check the path"),
        ([empty], "empty holds neither; give the folder that does"),
        ([short], "has 5 images for 6 cameras; put cam_005.png back, or write the camera of every"),
        ([plain], "has no opencv_cameras.json; add it, or give --azimuths"),
        ([plain, "--azimuths", "0", "60"], "got --azimuths alone; set --elevation"),
        (
            [plain, "--azimuths", "0", "60", "--elevation", "0"],
            "has 6 images for 2 cameras; give one azimuth per image",
        ),
        ([plain, *AZIMUTHS, "--elevation", "90"], "elevation must lie in"),
        ([plain, *AZIMUTHS, "--elevation", "0", "--max-sets", "0"], "max_sets must be at least 1"),
        ([mixed, *AZIMUTHS, "--elevation", "0"], "All images must be RGBA, or all RGB on white"),
    ):
        assert main(["cameras", *map(str, arguments)]) == 2
        captured = capsys.readouterr()
        assert message in captured.err and len(captured.err.splitlines()) == 1 and not captured.out


def test_loader_lists_every_command() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "mflab.metrics", "--help"], capture_output=True, text=True, check=True, timeout=120
    )
    assert all(name in found.stdout for name in COMMANDS)
