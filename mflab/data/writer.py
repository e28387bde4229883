"""Writer of the FaceLift on-disk layout: whole datasets or nothing.

Source: layout of the sample data of https://github.com/weijielyu/FaceLift.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from mflab.data.fingerprint import CAMERA_FILE, dataset_fingerprint, sample_digest
from mflab.data.layout import read_json
from mflab.data.reader import DATASET_FILE
from mflab.data.scenes import Scene
from mflab.errors import MflabError


def sample_name(index: int) -> str:
    """Folder name of a sample.

    Example:
        >>> sample_name(7)
        'sample_000007'
    """
    return f"sample_{index:06d}"


def write_scene(root: Path, index: int, scene: Scene) -> Path:
    """Writes one scene as `sample_%06d` below `root` and returns that folder, which appears whole or not at all.

    Raises:
        MflabError: the folder exists, or cameras and images differ in number or size.
    """
    folder = root / sample_name(index)
    if folder.exists():
        raise MflabError(f"A sample is written once, but {folder} exists; choose another index or remove it.")
    num_views, _, height, width = scene.rgba.shape
    cameras = scene.cameras
    if cameras is not None and (cameras.num_views, cameras.height, cameras.width) != (num_views, height, width):
        raise MflabError(
            f"Cameras must fit the images, but scene {scene.name} has {num_views} views of {width}x{height} pixels and "
            f"{cameras.num_views} cameras for {cameras.width}x{cameras.height}."
        )
    unfinished = root / f".{folder.name}.writing"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    (unfinished / "images").mkdir(parents=True)
    for view, image in enumerate(scene.rgba):
        pixels = image.permute(1, 2, 0).contiguous().to(torch.uint8).numpy()
        Image.fromarray(pixels).save(unfinished / "images" / f"cam_{view:03d}.png", compress_level=1)
    if cameras is not None:
        frames = [
            {**frame, "file_path": f"images/cam_{view:03d}.png", "view_id": view}
            for view, frame in enumerate(cameras.to_frames())
        ]
        (unfinished / CAMERA_FILE).write_text(json.dumps({"id": scene.name, "frames": frames}))
    unfinished.rename(folder)
    return folder


def write_dataset(
    root: Path, scenes: Iterable[Scene], lists: Mapping[str, Sequence[int]], recipe: Mapping[str, Any]
) -> str:
    """Writes a dataset once and returns its fingerprint; the folder appears complete or not at all.

    A second call with the same recipe reads no scene and returns the fingerprint on record. Concurrent writers wait for
    one another. What a killed writer left is removed by the next.

    Args:
        root: dataset folder; its parent is created.
        scenes: scenes in sample order, consumed one at a time.
        lists: list file name to sample indices, for example `data_train.txt` and `data_val.txt`.
        recipe: what made the scenes, as JSON values; stored in `dataset.json`.

    Raises:
        MflabError: the folder holds something else, a list leads outside the samples, or the folder cannot be written.
    """
    described = json.loads(json.dumps(recipe))
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with _exclusive(root.parent / f".{root.name}.lock"):
            if root.exists():
                return _written_fingerprint(root, described)
            unfinished = root.parent / f".{root.name}.writing"
            if unfinished.exists():
                shutil.rmtree(unfinished)
            unfinished.mkdir()
            try:
                fingerprint = _write_unfinished(unfinished, scenes, lists, described)
                unfinished.rename(root)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
    except OSError as error:
        raise MflabError(f"The dataset folder must be writable, but {root} is not ({error}); set data.root.") from error
    return fingerprint


def _write_unfinished(
    folder: Path, scenes: Iterable[Scene], lists: Mapping[str, Sequence[int]], recipe: dict[str, Any]
) -> str:
    digests = {}
    for index, scene in enumerate(scenes):
        sample = write_scene(folder, index, scene)
        digests[sample.name] = sample_digest(sample)
    for name, indices in lists.items():
        outside = [index for index in indices if not 0 <= index < len(digests)]
        if outside or not indices:
            raise MflabError(
                f"List {name} must name some of the {len(digests)} samples, but got {outside or 'no index'}; "
                "write as many scenes as the lists need."
            )
        (folder / name).write_text("".join(f"{sample_name(index)}\n" for index in indices))
    fingerprint = dataset_fingerprint(digests)
    content = {"fingerprint": fingerprint, "recipe": recipe, "samples": digests}
    (folder / DATASET_FILE).write_text(json.dumps(content, indent=1))
    return fingerprint


def _written_fingerprint(root: Path, recipe: dict[str, Any]) -> str:
    if not (root / DATASET_FILE).is_file():
        raise MflabError(
            f"A dataset is written into a new folder, but {root} exists without {DATASET_FILE}; remove it."
        )
    record = read_json(root / DATASET_FILE)
    if record["recipe"] != recipe:
        raise MflabError(
            f"A dataset folder holds one recipe, but {root} was written with {record['recipe']} and {recipe} is asked; "
            "set another data.root."
        )
    return str(record["fingerprint"])


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Holds the lock of `path` against other processes; the system frees it when its holder dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
