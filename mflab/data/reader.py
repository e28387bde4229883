"""Reader of the FaceLift on-disk layout: `sample_*/images/cam_%03d.png` (or flat) and `opencv_cameras.json`.

Source: layout of the sample data of https://github.com/weijielyu/FaceLift.
"""

from collections import OrderedDict
from pathlib import Path

import torch

from mflab.data.fingerprint import dataset_fingerprint, sample_digest
from mflab.data.images import read_image, shrink
from mflab.data.layout import CameraSource, Layout, read_json, views_and_cameras
from mflab.data.scenes import Scene
from mflab.errors import MflabError

DATASET_FILE = "dataset.json"


class FolderScenes:
    """Scenes of a dataset folder, every one checked when the dataset is opened.

    Decoded scenes are kept in memory up to `cache_mb`; do not write into their tensors.

    Args:
        root: dataset folder.
        layout: how files become views.
        listing: list file, one sample folder a line, relative to the list file's own folder or absolute; itself
            relative to `root` or absolute. None takes all `sample_*` folders of `root`, sorted.
        cache_mb: memory for decoded scenes, MiB.
        name: name of the source; None takes the folder's.

    Raises:
        MflabError: anything missing, broken, of the wrong size or order, with its path.
    """

    def __init__(
        self, root: Path, layout: Layout, listing: str | None = None, cache_mb: float = 256.0, name: str | None = None
    ) -> None:
        self.root = root
        self.layout = layout
        self.name = root.name if name is None else name
        self.view_names = layout.rig.view_names
        self.azimuths_deg = layout.rig.azimuths_deg
        self.elevations_deg = layout.rig.elevations_deg
        self.folders = find_samples(root, listing)
        self.scene_names = tuple(self.folders)
        self._cache: OrderedDict[int, Scene] = OrderedDict()
        self._cache_bytes = int(cache_mb * 2**20)
        self._cached_bytes = 0
        self.fingerprint = self.check()

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, index: int) -> Scene:
        if not 0 <= index < len(self):
            raise IndexError(f"Scene index must be in [0, {len(self)}), but got {index}.")
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        name = self.scene_names[index]
        scene = read_scene(self.folders[name], self.layout, name)
        self._cache[index] = scene
        self._cached_bytes += scene.rgba.numel()
        while self._cached_bytes > self._cache_bytes:
            self._cached_bytes -= self._cache.popitem(last=False)[1].rgba.numel()
        return scene

    def check(self) -> str:
        """The dataset's fingerprint, after reading every scene once and comparing it with the written record, if any.

        Raises:
            MflabError: a sample is broken, differs in size from the first, or changed since the dataset was written.
        """
        size = None
        digests = {}
        for index, (name, folder) in enumerate(self.folders.items()):
            scene_size = tuple(self[index].rgba.shape[-2:])
            size = scene_size if size is None else size
            if scene_size != size:
                raise MflabError(
                    f"All samples must have one image size, but {folder} has {scene_size[1]}x{scene_size[0]} pixels "
                    f"and the first sample {size[1]}x{size[0]}; set data.size."
                )
            digests[name] = sample_digest(folder)
        record = self.root / DATASET_FILE
        if record.is_file():
            written = read_json(record)
            if "samples" not in written:
                raise MflabError(f"{record} must list the samples it describes, but has none; write the dataset again.")
            for name, digest in digests.items():
                if written["samples"].get(name) != digest:
                    raise MflabError(
                        f"A written dataset must stay as it was, but {self.folders[name]} differs from {record}; "
                        "write the dataset again."
                    )
        return dataset_fingerprint(digests)


def find_samples(root: Path, listing: str | None) -> dict[str, Path]:
    """Sample folders of a dataset by name, in list order.

    Raises:
        MflabError: no such folder or list, an empty or repeating list, or a line that leads nowhere.
    """
    if not root.is_dir():
        raise MflabError(f"A dataset must be a folder, but {root} does not exist; set data.root.")
    if listing is None:
        folders = sorted(path for path in root.glob("sample_*") if path.is_dir())
        if not folders:
            raise MflabError(f"A dataset must hold sample_* folders, but {root} has none; set data.root.")
        return {folder.name: folder for folder in folders}
    list_path = root / listing
    if not list_path.is_file():
        raise MflabError(f"A list file must exist, but {list_path} does not; name a list of {root}.")
    lines = [
        (number, line.strip()) for number, line in enumerate(list_path.read_text().splitlines(), 1) if line.strip()
    ]
    if not lines:
        raise MflabError(f"A list file must name at least one sample folder, but {list_path} is empty.")
    found: dict[str, Path] = {}
    for number, line in lines:
        folder = list_path.parent / line
        if not folder.is_dir():
            raise MflabError(
                f"Each line of a list must be a sample folder, but line {number} of {list_path} leads to {folder}, "
                "which does not exist; lines are relative to the list's own folder."
            )
        resolved = folder.resolve()
        inside = resolved.is_relative_to(root.resolve())
        name = resolved.relative_to(root.resolve()).as_posix() if inside else resolved.name
        if name in found:
            raise MflabError(f"Each sample may be listed once, but line {number} of {list_path} repeats {line}.")
        found[name] = folder
    return found


def read_scene(folder: Path, layout: Layout, name: str | None = None) -> Scene:
    """One sample as a scene in the rig's slot order.

    Raises:
        MflabError: a missing, broken or unfitting image or camera, with its path.
    """
    indices, cameras = views_and_cameras(folder, layout)
    directory = folder / "images" if (folder / "images").is_dir() else folder
    paths = [directory / f"cam_{index:03d}.png" for index in indices]
    images = [read_image(path, layout.alpha) for path in paths]
    sizes = [tuple(image.shape[-2:]) for image in images]
    height, width = sizes[0] if cameras is None else (cameras.height, cameras.width)
    for path, size in zip(paths, sizes, strict=True):
        if size != (height, width):
            raise MflabError(
                f"Images must have the size of their cameras and siblings, {width}x{height}, but {path} has "
                f"{size[1]}x{size[0]}; write images and cameras together."
            )
    if layout.size is not None and height != width:
        raise MflabError(f"Images must be square to be resized, but {folder} has {width}x{height}; crop them first.")
    rgba = torch.stack(images)
    if layout.size is not None:
        rgba = shrink(rgba, layout.size)
        cameras = None if cameras is None else cameras.resized(layout.size, layout.size)
    if layout.cameras is CameraSource.rig:
        if height != width:
            raise MflabError(f"Rig cameras are for square images, but {folder} has {width}x{height}; crop them first.")
        cameras = layout.rig.cameras(rgba.shape[-1])
    return Scene(folder.name if name is None else name, rgba, layout.rig.view_names, cameras)
