"""Comparison with stored reference values of PSNR and SSIM.

Format: `metrics*.npz` with `target` and `prediction`, uint8 RGB [N, H, W, 3], beside a JSON file of the same stem with
`pairs` (a `psnr` and an `ssim` each, in array order) and `mean_psnr`, `mean_ssim`.
"""

import json
import math
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mflab.errors import MflabError
from mflab.metrics.image import psnr, ssim

LIMITS = {"psnr": 1e-4, "ssim": 1e-5}


class GoldenFile(NamedTuple):
    """Result of one reference file.

    Attributes:
        name: file name of the arrays.
        num_pairs: image pairs compared.
        errors: largest absolute error per metric, over pairs and their mean; dB for PSNR.
    """

    name: str
    num_pairs: int
    errors: dict[str, float]

    @property
    def is_within_limits(self) -> bool:
        """Whether each error is at most its limit; an undefined error is not."""
        return all(self.errors[metric] <= limit for metric, limit in LIMITS.items())


def check_golden(folder: Path) -> list[GoldenFile]:
    """Returns the errors of our PSNR and official SSIM against each reference file of `folder`, in order of name.

    Raises:
        MflabError: the folder has no reference file, or one is incomplete or damaged.
    """
    arrays = sorted(folder.glob("metrics*.npz"))
    if not arrays:
        raise MflabError(
            f"A golden folder must hold metrics*.npz with metrics*.json, but {folder} has none; check the path."
        )
    return [_check_file(path) for path in arrays]


def _check_file(path: Path) -> GoldenFile:
    target, prediction = _read_images(path)
    expected = _read_values(path.with_suffix(".json"), len(target))
    found = {"psnr": psnr(prediction, target), "ssim": ssim(prediction, target, variant="official")}
    errors = {
        metric: max(
            _distance(ours, theirs)
            for ours, theirs in zip([*values.tolist(), float(values.mean())], expected[metric], strict=True)
        )
        for metric, values in found.items()
    }
    return GoldenFile(path.name, len(target), errors)


def _distance(ours: float, theirs: float) -> float:
    """Returns |ours - theirs|, 0 for equal infinities and infinity where it is undefined."""
    if ours == theirs:
        return 0.0
    distance = abs(ours - theirs)
    return math.inf if math.isnan(distance) else distance


def _read_images(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns target and prediction as float32 in [0, 1], shape [N, 3, H, W]."""
    try:
        # np.load leaves a damaged archive open when it opens the path itself.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            stored = {name: file[name] for name in ("target", "prediction")}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise MflabError(f"{path} must hold the arrays target and prediction, but reading failed: {error}.") from error
    for name, images in stored.items():
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise MflabError(
                f"{name} in {path} must be uint8 of shape [N, H, W, 3], but got {images.dtype} {list(images.shape)}."
            )
    target, prediction = (
        torch.from_numpy(stored[name]).movedim(-1, 1).float() / 255 for name in ("target", "prediction")
    )
    return target, prediction


def _read_values(path: Path, num_pairs: int) -> dict[str, list[float]]:
    """Returns per metric the stored values of the pairs, then their mean."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        values = {m: [*(float(pair[m]) for pair in stored["pairs"]), float(stored[f"mean_{m}"])] for m in LIMITS}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise MflabError(f"{path} must hold pairs, mean_psnr and mean_ssim, but reading failed: {error!r}.") from error
    if len(stored["pairs"]) != num_pairs:
        raise MflabError(f"{path} must describe each of the {num_pairs} image pairs, but has {len(stored['pairs'])}.")
    return values
