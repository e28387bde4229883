"""Fingerprints: equal for equal content anywhere, different for any change that matters."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from mflab.data.fingerprint import image_digest, sample_digest
from mflab.data.layout import CameraSource, Layout
from mflab.data.reader import FolderScenes
from mflab.data.scenes import Scene
from mflab.data.writer import write_dataset
from mflab.errors import MflabError
from mflab.geometry import get_rig

RIG = get_rig("facelift6")
LISTS = {"forward.txt": [0, 1], "backward.txt": [1, 0], "one.txt": [1]}


def make_scene(seed: int) -> Scene:
    rng = torch.Generator().manual_seed(seed)
    rgba = torch.randint(1, 256, (6, 4, 4, 4), generator=rng, dtype=torch.uint8)
    return Scene(f"scene{seed}", rgba, RIG.view_names, RIG.cameras(4))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "set", [make_scene(0), make_scene(1)], LISTS, {})
    return tmp_path / "set"


def fingerprint(root: Path, listing: str | None = None) -> str:
    return FolderScenes(root, Layout(RIG), listing).fingerprint


def test_place_and_time_do_not_count(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(root, copy)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
    assert fingerprint(copy) == fingerprint(root)
    (copy / "absolute.txt").write_text("".join(f"{copy / name}\n" for name in ("sample_000000", "sample_000001")))
    assert fingerprint(copy, "absolute.txt") == fingerprint(root)


def test_choice_and_order_of_samples_count(root: Path) -> None:
    assert fingerprint(root, "forward.txt") == fingerprint(root)
    assert len({fingerprint(root, listing) for listing in LISTS}) == 3


def test_same_scenes_written_twice_have_one_fingerprint(root: Path, tmp_path: Path) -> None:
    again = write_dataset(tmp_path / "again", [make_scene(0), make_scene(1)], {}, {"other": "recipe"})
    assert again == fingerprint(root)


@pytest.mark.parametrize("name", ["images/cam_002.png", "opencv_cameras.json"])
def test_one_changed_byte_changes_the_sample_digest(root: Path, name: str) -> None:
    before = sample_digest(root / "sample_000000")
    path = root / "sample_000000" / name
    path.write_bytes(path.read_bytes() + b" ")
    assert sample_digest(root / "sample_000000") != before


def test_swapped_or_renamed_images_change_the_sample_digest(root: Path) -> None:
    before = sample_digest(root / "sample_000000")
    images = root / "sample_000000" / "images"
    (images / "cam_000.png").rename(images / "swap")
    (images / "cam_001.png").rename(images / "cam_000.png")
    (images / "swap").rename(images / "cam_001.png")
    assert sample_digest(root / "sample_000000") != before


def test_files_that_are_no_data_do_not_count(root: Path) -> None:
    before = fingerprint(root)
    (root / "sample_000000" / "metadata.json").write_text("{}")
    (root / "notes.txt").write_text("x")
    assert fingerprint(root) == before


def test_dataset_changed_after_writing_stops_with_the_sample(root: Path) -> None:
    path = root / "sample_000001" / "opencv_cameras.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(MflabError, match=r"sample_000001 differs from .*dataset\.json"):
        fingerprint(root)
    with pytest.raises(MflabError, match="sample_000001"):
        FolderScenes(root, Layout(RIG, cameras=CameraSource.rig))


def test_record_without_samples_is_refused(root: Path) -> None:
    (root / "dataset.json").write_text(json.dumps({"fingerprint": "0"}))
    with pytest.raises(MflabError, match="must list the samples"):
        fingerprint(root)


def test_image_digest_sees_visible_content_and_shape_only() -> None:
    image = make_scene(0).rgba[0]
    image[3, 0] = 0
    hidden, shown, faded = image.clone(), image.clone(), image.clone()
    hidden[:3, 0] = 9
    shown[0, 1, 1] += 1
    faded[3, 2, 2] -= 1
    assert image_digest(hidden) == image_digest(image)
    assert len({image_digest(other) for other in (image, shown, faded, image.reshape(4, 2, 8))}) == 4
