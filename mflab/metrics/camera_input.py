"""Reads sets of views and the cameras they claim, for the camera check: a dataset, a sample or a plain folder."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from mflab.data.fingerprint import CAMERA_FILE, sample_images
from mflab.data.images import AlphaMode, read_image
from mflab.data.layout import CameraSource, Layout, read_json
from mflab.data.reader import find_samples, read_scene
from mflab.data.scenes import Scene, composite
from mflab.errors import MflabError
from mflab.geometry import Cameras, Rig, check_cameras
from mflab.metrics.consistency import CHECK_WIDTH, ViewSet, estimate_alpha, evenly

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
MODES = {"RGBA": AlphaMode.straight, "RGB": AlphaMode.opaque}


@dataclass(frozen=True)
class CameraInput:
    """What the check looks at.

    Attributes:
        views: batch [S, V] of sets of one rig.
        names: name of each set.
        num_found: sets in the folder or list.
        has_alpha: masks come from the images' alpha, else they were estimated from colours on white.
        source: where the cameras come from, for people.
    """

    views: ViewSet
    names: tuple[str, ...]
    num_found: int
    has_alpha: bool
    source: str


def read_camera_input(folder: Path, listing: Path | None, rig: Rig | None, max_sets: int) -> CameraInput:
    """Returns evenly chosen sets of a folder with the cameras they claim.

    Args:
        folder: a dataset of `sample_*` folders, one sample, or a folder of images, which sort by the numbers in their
            names.
        listing: list file of sample folders of a dataset.
        rig: claimed cameras; None takes those of the samples' camera files.
        max_sets: number of sets to read at most, at least 1.

    Raises:
        MflabError: anything missing, broken or of another rig, with its path.
    """
    if max_sets < 1:
        raise MflabError(f"max_sets must be at least 1, but got {max_sets}; set --max-sets.")
    samples = _find_sets(folder, listing)
    names = [list(samples)[index] for index in evenly(len(samples), max_sets)]
    files = {name: _images(samples[name]) for name in names}
    alpha = _alpha_mode([path for paths in files.values() for path in paths])
    first = samples[names[0]]
    claimed = rig if rig is not None else _claimed_rig(first)
    scenes = [_read(samples[name], files[name], claimed, rig is not None, alpha) for name in names]
    sizes = {scene.rgba.shape[-1] for scene in scenes}
    if len(sizes) > 1:
        raise MflabError(f"All sets must have one image size, but got widths {sorted(sizes)} in {folder}; resize them.")
    sets = [_view_set(scene, alpha) for scene in scenes]
    return CameraInput(
        ViewSet.stacked(sets),
        tuple(names),
        len(samples),
        alpha is AlphaMode.straight,
        f"{CAMERA_FILE} of each sample" if rig is None else "the command line",
    )


def claimed_rig(azimuths_deg: Sequence[float], elevation_deg: float, fov_deg: float, radius: float) -> Rig:
    """The rig that a command line claims: clockwise azimuths from the front, one elevation, field of view and radius.

    Raises:
        MflabError: fewer than two azimuths, an elevation at the vertical, or impossible optics.
    """
    num_views = len(azimuths_deg)
    if num_views < 2 or not all(map(math.isfinite, azimuths_deg)):
        raise MflabError(f"A rig needs at least 2 finite azimuths, but got {list(azimuths_deg)}; set --azimuths.")
    if not -85.0 <= elevation_deg <= 85.0:
        raise MflabError(f"elevation must lie in [-85, 85] degrees, but got {elevation_deg:g}; set --elevation.")
    if not (0.0 < fov_deg < 170.0 and 0.0 < radius < math.inf):
        raise MflabError(
            f"fov must lie in ]0, 170[ degrees and radius be positive, but got fov={fov_deg:g}, radius={radius:g}; set "
            "--fov and --radius."
        )
    names = tuple(f"view_{view:03d}" for view in range(num_views))
    per_view = [(value,) * num_views for value in (elevation_deg, radius, fov_deg)]
    return Rig("of the command line", names, tuple(azimuths_deg), *per_view)


def _find_sets(folder: Path, listing: Path | None) -> dict[str, Path]:
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise MflabError(f"Images must lie in a folder, but {folder} {problem}; check the path.")
    if listing is not None:
        return find_samples(folder, str(listing))
    if _images(folder):
        return {folder.name: folder}
    if not any(folder.glob("sample_*")):
        raise MflabError(
            f"A folder must hold images or sample_* folders, but {folder} holds neither; give the folder that does."
        )
    return find_samples(folder, None)


def _images(folder: Path) -> list[Path]:
    """Images of a sample, or of a plain folder in the order of the numbers in their names."""
    found = sample_images(folder)
    if found:
        return found
    paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    # Text and numbers take turns in the parts of every name, so that like is compared with like.
    return sorted(paths, key=lambda path: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", path.name)])


def _alpha_mode(paths: Sequence[Path]) -> AlphaMode:
    """What all images are: with alpha, or colours on white."""
    modes: dict[str, Path] = {}
    for path in paths:
        try:
            with Image.open(path) as image:
                modes.setdefault(image.mode, path)
        except OSError as error:
            raise MflabError(f"Images must be whole, but {path} cannot be opened ({error}); write it again.") from error
    if len(modes) != 1 or not set(modes) <= set(MODES):
        found = ", ".join(f"{mode} ({path})" for mode, path in modes.items()) or "none"
        raise MflabError(f"All images must be RGBA, or all RGB on white, but got {found}; save them alike.")
    return MODES[next(iter(modes))]


def _claimed_rig(folder: Path) -> Rig:
    """The rig of a sample's own camera file."""
    path = _camera_file(folder)
    frames = read_json(path).get("frames")
    if not isinstance(frames, list) or len(frames) < 2:
        raise MflabError(f"A camera file must list at least 2 frames, but {path} does not; write it again.")
    cameras = Cameras.from_frames(frames, str(path))
    check_cameras(cameras, str(path))
    x, y, z = cameras.position.unbind(-1)
    azimuths = torch.rad2deg(torch.atan2(y[0], x[0]) - torch.atan2(y, x)) % 360.0
    radii = cameras.position.norm(dim=-1)
    fov = torch.rad2deg(2.0 * torch.atan(0.5 * cameras.width / cameras.K[:, 0, 0]))
    names = tuple(f"view_{view:03d}" for view in range(cameras.num_views))
    angles = (azimuths, torch.rad2deg(torch.asin(z / radii)), radii, fov)
    return Rig(f"of {path}", names, *(tuple(values.tolist()) for values in angles))


def _camera_file(folder: Path) -> Path:
    path = folder / CAMERA_FILE
    if not path.is_file():
        raise MflabError(
            f"Cameras must be known to be checked, but {folder} has no {CAMERA_FILE}; add it, or give "
            "--azimuths and --elevation."
        )
    return path


def _read(folder: Path, paths: list[Path], rig: Rig, is_declared: bool, alpha: AlphaMode) -> Scene:
    if len(paths) != rig.num_views:
        names = {path.name for path in paths}
        missing = [name for name in (f"cam_{view:03d}.png" for view in range(rig.num_views)) if name not in names]
        remedy = f"write the camera of every image to {CAMERA_FILE}"
        if is_declared:
            remedy = "give one azimuth per image"
        elif missing:
            remedy = f"put {missing[0]} back, or {remedy}"
        raise MflabError(
            f"Every image needs its camera, but {folder} has {len(paths)} images for {rig.num_views} cameras; {remedy}."
        )
    if sample_images(folder):
        if not is_declared:
            _camera_file(folder)
        source = CameraSource.rig if is_declared else CameraSource.sample
        return read_scene(folder, Layout(rig, alpha=alpha, cameras=source))
    images = [read_image(path, alpha) for path in paths]
    sizes = {tuple(image.shape[-2:]) for image in images}
    height, width = images[0].shape[-2:]
    if len(sizes) > 1 or height != width:
        raise MflabError(
            f"Images must be square and of one size, but got {sorted(sizes)} in {folder}; crop or resize them."
        )
    return Scene(folder.name, torch.stack(images), rig.view_names, rig.cameras(width))


def _view_set(scene: Scene, alpha: AlphaMode) -> ViewSet:
    assert scene.cameras is not None
    colours, mask = composite(scene.rgba, "white")
    views = ViewSet(colours, mask if alpha is AlphaMode.straight else estimate_alpha(colours), scene.cameras)
    # The check looks no closer, and many views of many sets take much memory.
    return views.resized(min(CHECK_WIDTH, views.width))
