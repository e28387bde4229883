"""Content hashes of images, samples and datasets: the same files give the same hash wherever they lie."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

CAMERA_FILE = "opencv_cameras.json"


def sample_images(folder: Path) -> list[Path]:
    """Image files `cam_*.png` of a sample, sorted: in `images/`, or beside the cameras if there is none."""
    images = folder / "images"
    return sorted((images if images.is_dir() else folder).glob("cam_*.png"))


def sample_digest(folder: Path) -> str:
    """sha256 of one sample: relative names and bytes of its images and camera file; other files do not count."""
    cameras = folder / CAMERA_FILE
    digest = hashlib.sha256()
    for path in [*sample_images(folder), *([cameras] if cameras.is_file() else [])]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def dataset_fingerprint(digests: Mapping[str, str]) -> str:
    """sha256 over the samples of a dataset in list order.

    Args:
        digests: sample name to sample digest, in list order.
    """
    lines = "".join(f"{name}\0{digest}\n" for name, digest in digests.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def image_digest(rgba: UInt8[Tensor, "4 height width"]) -> str:
    """sha256 of what is visible in an image: size, alpha, and colour where alpha is not zero."""
    visible = rgba * (rgba[3:] > 0)
    return hashlib.sha256(repr(tuple(rgba.shape)).encode() + visible.contiguous().numpy().tobytes()).hexdigest()
