"""Writing datasets: the exact layout, once, whole or not at all."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mflab.data.layout import Layout
from mflab.data.reader import FolderScenes
from mflab.data.scenes import Scene
from mflab.data.writer import write_dataset, write_scene
from mflab.errors import MflabError
from mflab.geometry import Cameras, get_rig

RIG = get_rig("mouse_rig6")
LISTS = {"data_train.txt": [0, 2], "data_val.txt": [1]}
RECIPE = {"seed": 3, "rig": "mouse_rig6"}


def make_scene(seed: int) -> Scene:
    rng = torch.Generator().manual_seed(seed)
    rgba = torch.randint(1, 256, (6, 4, 8, 8), generator=rng, dtype=torch.uint8)
    rgba[:, 3, 0] = 0
    return Scene(f"scene{seed}", rgba, RIG.view_names, RIG.cameras(8))


def write(root: Path) -> str:
    return write_dataset(root, (make_scene(seed) for seed in range(3)), LISTS, RECIPE)


def test_layout_is_the_one_of_the_public_samples(tmp_path: Path) -> None:
    write(tmp_path / "set")
    files = sorted(path.relative_to(tmp_path / "set").as_posix() for path in (tmp_path / "set").rglob("*.*"))
    images = [f"sample_{sample:06d}/images/cam_{view:03d}.png" for sample in range(3) for view in range(6)]
    cameras = [f"sample_{sample:06d}/opencv_cameras.json" for sample in range(3)]
    assert files == sorted([*images, *cameras, "data_train.txt", "data_val.txt", "dataset.json"])
    assert (tmp_path / "set" / "data_train.txt").read_text() == "sample_000000\nsample_000002\n"
    frame = json.loads((tmp_path / "set" / cameras[0]).read_text())["frames"][4]
    assert set(frame) == {"w", "h", "fx", "fy", "cx", "cy", "w2c", "file_path", "view_id"}
    assert (frame["file_path"], frame["view_id"], frame["w"]) == ("images/cam_004.png", 4, 8)


def test_png_holds_the_straight_colours_even_where_invisible(tmp_path: Path) -> None:
    write(tmp_path / "set")
    with Image.open(tmp_path / "set" / "sample_000001" / "images" / "cam_002.png") as image:
        pixels = np.array(image)
    assert np.array_equal(pixels, make_scene(1).rgba[2].permute(1, 2, 0).numpy())


def test_written_world_to_camera_matrices_are_rigid_inverses_of_the_rigs(tmp_path: Path) -> None:
    folder = write_scene(tmp_path, 0, make_scene(0))
    frames = json.loads((folder / "opencv_cameras.json").read_text())["frames"]
    w2c = torch.tensor([frame["w2c"] for frame in frames])
    torch.testing.assert_close(w2c @ RIG.cameras(8).c2w, torch.eye(4).repeat(6, 1, 1), atol=1e-6, rtol=0)


def test_read_after_write_of_the_irregular_rig_is_the_identity(tmp_path: Path) -> None:
    fingerprint = write(tmp_path / "set")
    scenes = FolderScenes(tmp_path / "set", Layout(RIG))
    assert scenes.fingerprint == fingerprint
    for seed in range(3):
        cameras = scenes[seed].cameras
        assert torch.equal(scenes[seed].rgba, make_scene(seed).rgba)
        assert cameras is not None
        torch.testing.assert_close(cameras.c2w, RIG.cameras(8).c2w, atol=1e-6, rtol=0)
        torch.testing.assert_close(cameras.K, RIG.cameras(8).K, atol=1e-6, rtol=0)


def test_second_write_of_the_same_recipe_reads_no_scene(tmp_path: Path) -> None:
    def forbidden() -> Iterator[Scene]:
        raise AssertionError("a written dataset was made again")
        yield

    first = write(tmp_path / "set")
    assert write_dataset(tmp_path / "set", forbidden(), LISTS, RECIPE) == first


def test_concurrent_writers_make_the_dataset_once(tmp_path: Path) -> None:
    made: list[int] = []

    def scenes() -> Iterator[Scene]:
        for seed in range(3):
            made.append(seed)
            yield make_scene(seed)

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(write_dataset, tmp_path / "set", scenes(), LISTS, RECIPE) for _ in range(4)]
    assert len({job.result() for job in jobs}) == 1
    assert made == [0, 1, 2]


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "set")
    with pytest.raises(MflabError, match="holds one recipe"):
        write_dataset(tmp_path / "set", [make_scene(0)], LISTS, {**RECIPE, "seed": 4})


def test_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.txt").write_text("mine")
    with pytest.raises(MflabError, match=r"exists without dataset\.json"):
        write(tmp_path / "set")
    assert (tmp_path / "set" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_interrupted_write_leaves_no_dataset_and_can_be_repeated(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    def broken() -> Iterator[Scene]:
        yield make_scene(0)
        raise interruption

    with pytest.raises(interruption):
        write_dataset(tmp_path / "set", broken(), LISTS, RECIPE)
    assert not (tmp_path / "set").exists()
    assert not list(tmp_path.rglob("sample_*"))
    write(tmp_path / "set")


def test_remains_of_a_killed_writer_are_neither_read_nor_kept(tmp_path: Path) -> None:
    remains = tmp_path / ".set.writing" / "sample_000000"
    remains.mkdir(parents=True)
    (remains / "stale.png").write_text("half")
    with pytest.raises(MflabError, match="does not exist"):
        FolderScenes(tmp_path / "set", Layout(RIG))
    write(tmp_path / "set")
    assert not remains.parent.exists()
    assert not list((tmp_path / "set").rglob("stale.png"))


def test_sample_is_written_once(tmp_path: Path) -> None:
    write_scene(tmp_path, 5, make_scene(0))
    with pytest.raises(MflabError, match="sample_000005 exists"):
        write_scene(tmp_path, 5, make_scene(1))


def test_cameras_that_do_not_fit_the_images_are_refused(tmp_path: Path) -> None:
    scene = make_scene(0)
    with pytest.raises(MflabError, match="6 cameras for 16x16"):
        write_scene(tmp_path, 0, replace(scene, cameras=RIG.cameras(16)))
    three: Cameras = RIG.cameras(8).select([0, 1, 2])
    with pytest.raises(MflabError, match="3 cameras for 8x8"):
        write_scene(tmp_path, 0, replace(scene, cameras=three))
    assert not list(tmp_path.iterdir())


def test_list_beyond_the_samples_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MflabError, match=r"data_val.txt .* 2 samples, but got \[2\]"):
        write_dataset(tmp_path / "set", [make_scene(0), make_scene(1)], {"data_val.txt": [1, 2]}, RECIPE)
    assert not (tmp_path / "set").exists()


def test_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MflabError, match=r"must be writable.*set data\.root"):
        write(tmp_path / "file" / "set")
