"""A folder of posed views, in the FaceLift layout, as scenes of the ladder."""

from pathlib import Path

import torch

from mflab.data.fingerprint import CAMERA_FILE
from mflab.data.images import AlphaMode, read_image
from mflab.data.layout import read_json
from mflab.data.scenes import composite
from mflab.errors import MflabError
from mflab.geometry import Cameras, check_cameras
from mflab.metrics.consistency import ViewSet
from mflab.metrics.ladder.scenes import REAL, LadderScene, strangers

NUM_VIEWS, STEP_DEG = 6, 60.0
# Where sets of one ring start, as numbers of its views: sets that share no image.
STARTS = (0, 2)


def read_ring(folder: Path) -> ViewSet:
    """Returns all posed views of a sample at their own size.

    Args:
        folder: holds images/cam_000.png and so on, with alpha, and opencv_cameras.json with one frame per image.

    Raises:
        MflabError: a missing, broken or unfitting image or camera, or fewer than six views.
    """
    path = folder / CAMERA_FILE
    frames = read_json(path).get("frames")
    if not isinstance(frames, list) or len(frames) < NUM_VIEWS:
        raise MflabError(
            f"The ladder needs at least {NUM_VIEWS} posed views, but {path} has "
            f"{len(frames) if isinstance(frames, list) else 'none'}; name a folder with more."
        )
    cameras = Cameras.from_frames(frames, str(path))
    check_cameras(cameras, str(path))
    directory = folder / "images" if (folder / "images").is_dir() else folder
    images = [read_image(directory / f"cam_{number:03d}.png", AlphaMode.straight) for number in range(len(frames))]
    sizes = {tuple(image.shape[-2:]) for image in images}
    if sizes != {(cameras.height, cameras.width)}:
        raise MflabError(
            f"Images must have the size of their cameras, {cameras.width}x{cameras.height}, but {directory} holds "
            f"{sorted(sizes)}; write images and cameras together."
        )
    cameras = Cameras(cameras.c2w.float(), cameras.K.float(), cameras.width, cameras.height)
    return ViewSet(*composite(torch.stack(images), "white"), cameras)


def real_scenes(folder: Path, width: int, seed: int) -> list[LadderScene]:
    """Returns up to two sets of six views, as nearly 60 degrees apart as the folder has them, without common images.

    Args:
        folder: as for `read_ring`.
        width: working width, at most that of the images.
        seed: of the objects that stand in as other identities.

    Raises:
        MflabError: as `read_ring`, or views that all stand on one side.
    """
    ring = read_ring(folder)
    others = strangers(seed)
    scenes: list[LadderScene] = []
    for start in STARTS if ring.num_views >= 2 * NUM_VIEWS else STARTS[:1]:
        places = nearest_steps(azimuths_deg(ring.cameras), start)
        if len(set(places)) < NUM_VIEWS:
            raise MflabError(
                f"The ladder needs {NUM_VIEWS} views around the object, but those of {folder} are not spread enough; "
                "name a folder with views from all sides."
            )
        views = ring.select(places).resized(width)
        scenes.append(LadderScene(f"{folder.name}_view{start}", REAL, views, None, others, ring, places))
    return scenes


def azimuths_deg(cameras: Cameras) -> list[float]:
    """World azimuth of each camera, in [0, 360[ degrees."""
    position = cameras.position.double()
    return (torch.rad2deg(torch.atan2(position[:, 1], position[:, 0])) % 360.0).tolist()


def nearest_steps(azimuths: list[float], start: int) -> tuple[int, ...]:
    """The views nearest to six steps of 60 degrees from view `start`.

    >>> nearest_steps([11.25 * view for view in range(32)], 0)
    (0, 5, 11, 16, 21, 27)
    """
    return tuple(nearest_view(azimuths, azimuths[start] + STEP_DEG * number)[0] for number in range(NUM_VIEWS))


def nearest_view(azimuths: list[float], wanted: float) -> tuple[int, float]:
    """The view nearest to an azimuth, and how far off it is, degrees."""
    away = [abs((azimuth - wanted + 180.0) % 360.0 - 180.0) for azimuth in azimuths]
    best = min(range(len(away)), key=lambda view: round(away[view], 3))
    return best, away[best]
