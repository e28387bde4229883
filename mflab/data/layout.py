"""How the files of a sample become the views of a rig: file numbers, camera files, and checks of both."""

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import torch

from mflab.data.fingerprint import CAMERA_FILE, sample_images
from mflab.data.images import AlphaMode
from mflab.errors import MflabError
from mflab.geometry import Cameras, Rig, check_cameras


class CameraSource(Enum):
    """Where cameras come from: each sample's own file, one shared file, the rig, or nowhere."""

    sample = "sample"
    file = "file"
    rig = "rig"
    none = "none"


@dataclass(frozen=True)
class Layout:
    """How the files of each sample become the views of a rig.

    Attributes:
        rig: view names and angles; slot k of a scene is view k of the rig.
        size: side of the images handed out, pixels; None keeps the stored size.
        view_indices: for each slot the number of its image file (and of its frame in the sample's camera file);
            None means file order, which needs exactly as many images as the rig has views.
        alpha: what the image files promise.
        cameras: where the cameras come from.
        camera_file: the shared camera file, for `cameras=file` only.
        camera_indices: for each slot its frame in the shared camera file; None means file order.
        angle_tolerance_deg: largest difference between a camera's direction, relative to slot 0, and the rig's.
    """

    rig: Rig
    size: int | None = None
    view_indices: tuple[int, ...] | None = None
    alpha: AlphaMode = AlphaMode.straight
    cameras: CameraSource = CameraSource.sample
    camera_file: Path | None = None
    camera_indices: tuple[int, ...] | None = None
    angle_tolerance_deg: float = 1.0

    def __post_init__(self) -> None:
        for field, order in (("view_indices", self.view_indices), ("camera_indices", self.camera_indices)):
            if order is None:
                continue
            if len(order) != self.rig.num_views or len(set(order)) != len(order) or min(order) < 0:
                raise MflabError(
                    f"{field} must be {self.rig.num_views} different file numbers for rig {self.rig.name}, "
                    f"but got {list(order)}."
                )
        if (self.cameras is CameraSource.file) != (self.camera_file is not None):
            raise MflabError(
                f"camera_file goes with cameras=file and only with it, but got cameras={self.cameras.name}, "
                f"camera_file={self.camera_file}."
            )


def views_and_cameras(folder: Path, layout: Layout) -> tuple[tuple[int, ...], Cameras | None]:
    """File number of each slot, and its cameras where they come from a file."""
    rig = layout.rig
    found = {path.stem.removeprefix("cam_") for path in sample_images(folder)}
    if not found:
        raise MflabError(f"A sample must hold images cam_000.png and so on, but {folder} has none.")
    frames = _read_frames(folder / CAMERA_FILE) if layout.cameras is CameraSource.sample else None
    num_files = max(rig.num_views if layout.view_indices is None else max(layout.view_indices) + 1, len(found))
    num_files = num_files if frames is None else max(num_files, len(frames))
    missing = [index for index in range(num_files) if f"{index:03d}" not in found]
    if frames is not None and len(frames) < len(found):
        raise MflabError(
            f"A camera file must have one frame per image, but {folder / CAMERA_FILE} has {len(frames)} of "
            f"{len(found)}; write the cameras of all views."
        )
    if missing:
        path = (folder / "images" if (folder / "images").is_dir() else folder) / f"cam_{missing[0]:03d}.png"
        raise MflabError(f"Every view needs its image, but {path} does not exist; restore it or leave the sample out.")
    if layout.view_indices is None and len(found) != rig.num_views:
        raise MflabError(
            f"File order needs one image per view of rig {rig.name}, {rig.num_views}, but {folder} has {len(found)}; "
            "set data.view_indices."
        )
    indices = tuple(range(rig.num_views)) if layout.view_indices is None else layout.view_indices
    if frames is not None:
        return indices, _slot_cameras(frames, indices, layout, folder / CAMERA_FILE)
    if layout.camera_file is not None:
        order = tuple(range(rig.num_views)) if layout.camera_indices is None else layout.camera_indices
        return indices, _slot_cameras(_read_frames(layout.camera_file), order, layout, layout.camera_file)
    return indices, None


def _slot_cameras(frames: list[dict[str, Any]], order: tuple[int, ...], layout: Layout, path: Path) -> Cameras:
    """Cameras in slot order, checked by themselves and against the rig's angles."""
    if max(order) >= len(frames):
        raise MflabError(f"Slot order {list(order)} needs {max(order) + 1} frames, but {path} has {len(frames)}.")
    try:
        cameras = Cameras.from_frames(frames, str(path)).select(order)
    except MflabError:
        raise
    except (TypeError, ValueError) as error:
        raise MflabError(f"Camera frames must hold numbers, but {path} does not ({error}); write it again.") from error
    check_cameras(cameras, str(path))
    rig, position = layout.rig, cameras.position
    azimuth = torch.rad2deg(torch.atan2(position[:, 1], position[:, 0]))
    elevation = torch.rad2deg(torch.asin(position[:, 2] / position.norm(dim=-1)))
    for slot, view_name in enumerate(rig.view_names):
        turn = float(azimuth[0] - azimuth[slot]) % 360.0
        expected = (rig.azimuths_deg[slot] - rig.azimuths_deg[0]) % 360.0
        rise = float(elevation[slot])
        turn_error = abs((turn - expected + 180.0) % 360.0 - 180.0)
        if max(turn_error, abs(rise - rig.elevations_deg[slot])) > layout.angle_tolerance_deg:
            raise MflabError(
                f"Cameras must stand where rig {rig.name} says, but slot {slot} ({view_name}) of {path} is {turn:.1f} "
                f"deg from slot 0 at elevation {rise:.1f}, not {expected:.1f} at {rig.elevations_deg[slot]:.1f}; "
                "set the order of views or the rig."
            )
    return Cameras(cameras.c2w.float(), cameras.K.float(), cameras.width, cameras.height)


def _read_frames(path: Path) -> list[dict[str, Any]]:
    """Frames of a camera file; a frame that names its image must stand at that image's number."""
    frames = read_json(path).get("frames")
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise MflabError(f"A camera file must have a list `frames` with one mapping per view, but {path} has none.")
    for index, frame in enumerate(frames):
        if "file_path" in frame and Path(str(frame["file_path"])).name != f"cam_{index:03d}.png":
            raise MflabError(
                f"Frame {index} must belong to cam_{index:03d}.png, but {path} gives it {frame['file_path']}; a view "
                "was dropped or moved, write the cameras of all views in file order."
            )
    return frames


def read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MflabError(f"A camera or dataset file must exist, but {path} does not; restore it or set data.cameras.")
    try:
        content = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise MflabError(f"{path} must be valid JSON, but is not ({error}); write it again.") from error
    if not isinstance(content, dict):
        raise MflabError(f"{path} must hold a JSON object, but holds {type(content).__name__}; write it again.")
    return content
