"""Named augmentations of a scene: flip with the view permutation that keeps it true, colour jitter, crop."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mflab.data.transforms import crop, jitter, mirror_order
from mflab.errors import MflabError
from mflab.geometry import Cameras


class Scope(Enum):
    """Whether the views of a scene share their random values or draw their own."""

    scene = "scene"
    view = "view"


@dataclass
class AugmentationCfg:
    """One augmentation; everything off by default.

    Attributes:
        name: what reports call it.
        flip: probability of mirroring the scene left to right.
        brightness: factor drawn from [1 - b, 1 + b].
        contrast: factor about the mean grey of the foreground, from [1 - c, 1 + c].
        saturation: factor about the grey of each pixel, from [1 - s, 1 + s].
        hue: turn in the I-Q plane as a share of the full circle, from [-h, h], h at most 0.5.
        jitter_scope: colours change alike in all views of a scene, or view by view.
        crop: largest share of the image side cut away before resizing back, in [0, 0.9].
        crop_scope: one crop for all views of a scene, or view by view.
    """

    name: str = "none"
    flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    jitter_scope: Scope = Scope.scene
    crop: float = 0.0
    crop_scope: Scope = Scope.scene


_JITTER = AugmentationCfg("jitter", brightness=0.2, contrast=0.2, saturation=0.2, hue=0.03)
_CROP = AugmentationCfg("crop", crop=0.2)

_STRENGTHS = ("brightness", "contrast", "saturation", "hue", "crop")

AUGMENTATIONS: dict[str, AugmentationCfg] = {
    cfg.name: cfg
    for cfg in (
        AugmentationCfg("none"),
        AugmentationCfg("flip", flip=0.5),
        _JITTER,
        replace(_JITTER, name="jitter_per_view", jitter_scope=Scope.view),
        _CROP,
        replace(_CROP, name="crop_per_view", crop_scope=Scope.view),
        AugmentationCfg("mild", flip=0.5, brightness=0.1, contrast=0.1, saturation=0.1, hue=0.02, crop=0.1),
        AugmentationCfg("strong", flip=0.5, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, crop=0.25),
    )
}


def get_augmentation(name: str) -> AugmentationCfg:
    """The shipped augmentation of that name, or `name*factor`: the same with colour and crop strengths scaled.

    Raises:
        MflabError: no such augmentation, a factor that is no number of at least 0, or a strength out of range.

    Example:
        >>> get_augmentation("jitter*0.5").brightness
        0.1
    """
    base, star, text = name.partition("*")
    if base not in AUGMENTATIONS:
        options = ", ".join(AUGMENTATIONS)
        raise MflabError(f"Unknown augmentation {base!r}; choose one of {options}, each also as name*factor.")
    if not star:
        return AUGMENTATIONS[base]
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0.0 <= factor < math.inf:
        raise MflabError(f"The factor of an augmentation must be a number of at least 0, but got {name!r}.")
    scaled = {field: factor * getattr(AUGMENTATIONS[base], field) for field in _STRENGTHS}
    cfg = replace(AUGMENTATIONS[base], name=name, **scaled)
    check_augmentation(cfg)
    return cfg


def check_augmentation(cfg: AugmentationCfg) -> None:
    """Refuses strengths out of range.

    Raises:
        MflabError: with the field, its range and its value.
    """
    limits = {"flip": 1.0, "brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5, "crop": 0.9}
    for field, limit in limits.items():
        value = getattr(cfg, field)
        if not 0.0 <= value <= limit:
            raise MflabError(f"{field} must lie in [0, {limit}], but got {field}={value} in augmentation {cfg.name}.")


def augment(
    rgba: Float[Tensor, "view 4 height width"],
    cameras: Cameras | None,
    azimuths_deg: Sequence[float],
    elevations_deg: Sequence[float],
    cfg: AugmentationCfg,
    generator: np.random.Generator,
) -> tuple[Float[Tensor, "view 4 height width"], Cameras | None]:
    """The scene after flip, crop and colour jitter, with the cameras that now see it.

    The number of random values drawn does not depend on `cfg`: augmentations under one seed share their values.

    Args:
        rgba: images with straight alpha in [0, 1], in slot order.
        cameras: cameras of the slots, or None.
        azimuths_deg: rig azimuth of each slot, degrees, clockwise from the front.
        elevations_deg: elevation of each slot, degrees.
        cfg: strengths.
        generator: source of randomness.

    Raises:
        MflabError: a strength is out of range, or a flip is asked of a rig that has no mirror image of itself.
    """
    check_augmentation(cfg)
    num_views = rgba.shape[0]
    flip_draw = float(generator.random())
    crop_draws = generator.random((num_views, 3))
    jitter_draws = generator.random((num_views, 4))
    if cfg.flip > 0:
        order = mirror_order(azimuths_deg, elevations_deg, cameras)
        if flip_draw < cfg.flip:
            rgba = rgba.flip(-1)[list(order)]
    if cfg.crop > 0:
        draws = crop_draws if cfg.crop_scope is Scope.view else crop_draws[:1]
        rgba, cameras = crop(rgba, cameras, cfg.crop * draws[:, 0], draws[:, 1:])
    if max(cfg.brightness, cfg.contrast, cfg.saturation, cfg.hue) > 0:
        draws = jitter_draws if cfg.jitter_scope is Scope.view else jitter_draws[:1]
        strengths = np.array([cfg.brightness, cfg.contrast, cfg.saturation, cfg.hue])
        rgba = jitter(rgba, torch.from_numpy((2.0 * draws - 1.0) * strengths).float())
    return rgba, cameras
