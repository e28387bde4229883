"""Named augmentations of a scene: flip with the view permutation that keeps it true, colour jitter, crop."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mflab.errors import MflabError
from mflab.geometry import Cameras

LUMA = (0.299, 0.587, 0.114)
# RGB to YIQ (FCC, NTSC 1953), in which a turn of the I-Q plane changes the hue and keeps the luma.
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])


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
        rgba, cameras = _crop(rgba, cameras, cfg.crop * draws[:, 0], draws[:, 1:])
    if max(cfg.brightness, cfg.contrast, cfg.saturation, cfg.hue) > 0:
        draws = jitter_draws if cfg.jitter_scope is Scope.view else jitter_draws[:1]
        strengths = np.array([cfg.brightness, cfg.contrast, cfg.saturation, cfg.hue])
        rgba = _jitter(rgba, torch.from_numpy((2.0 * draws - 1.0) * strengths).float())
    return rgba, cameras


def mirror_order(
    azimuths_deg: Sequence[float], elevations_deg: Sequence[float], cameras: Cameras | None, tolerance_deg: float = 1e-3
) -> tuple[int, ...]:
    """For each slot the slot whose mirrored image it shows once the world is mirrored left to right.

    The mirrored world, seen from azimuth a, is the mirror image of the world seen from -a. So a flipped image of the
    front-right view is a front-left view, and the rig stays what it was only if it holds both.

    Args:
        azimuths_deg: rig azimuth of each slot, degrees; 0 lies in the mirror plane.
        elevations_deg: elevation of each slot, degrees.
        cameras: cameras of the slots, whose distances and intrinsics must match as well; None checks angles alone.
        tolerance_deg: largest difference of angles; distances and intrinsics may differ by a share of 1e-5.

    Raises:
        MflabError: a view has no mirror partner in the rig.

    Example:
        >>> mirror_order((0.0, 45.0, 90.0, 180.0, 270.0, 315.0), (20.0,) * 6, None)
        (0, 5, 4, 3, 2, 1)
    """
    order = []
    for slot, (azimuth, elevation) in enumerate(zip(azimuths_deg, elevations_deg, strict=True)):
        partners = [
            other
            for other in range(len(azimuths_deg))
            if abs((azimuths_deg[other] + azimuth + 180.0) % 360.0 - 180.0) <= tolerance_deg
            and abs(elevations_deg[other] - elevation) <= tolerance_deg
            and (cameras is None or _mirrors(cameras, slot, other))
        ]
        if len(partners) != 1:
            raise MflabError(
                f"A flip needs a rig that is its own mirror image, but slot {slot} (azimuth {azimuth:g}, elevation "
                f"{elevation:g} deg) has {len(partners)} partners at azimuth {-azimuth % 360:g} with the same distance "
                "and optics; choose an augmentation without flip or a symmetric rig such as facelift6."
            )
        order.append(partners[0])
    return tuple(order)


def _mirrors(cameras: Cameras, slot: int, other: int) -> bool:
    """Whether two cameras have the same distance and height and intrinsics that are mirror images."""
    position, K = cameras.position.double(), cameras.K.double()
    mirrored = K[other].clone()
    mirrored[0, 2] = cameras.width - K[other, 0, 2]
    radii = position.norm(dim=-1)
    return bool(
        abs(radii[slot] - radii[other]) <= 1e-5 * radii[slot]
        and abs(position[slot, 2] - position[other, 2]) <= 1e-4 * radii[slot]
        and (K[slot] - mirrored).abs().max() <= 1e-5 * cameras.width
    )


def _crop(
    rgba: Float[Tensor, "view 4 height width"], cameras: Cameras | None, shares: np.ndarray, places: np.ndarray
) -> tuple[Float[Tensor, "view 4 height width"], Cameras | None]:
    """Cuts boxes of the image's proportions at whole pixels and resizes them back, colours premultiplied by alpha.

    Args:
        shares: share of each side removed, one per box, [1 or V].
        places: position of the box within what was removed, (horizontal, vertical) in [0, 1), [1 or V, 2].
    """
    num_views, _, height, width = rgba.shape
    premultiplied = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], dim=1)
    images, c2w, K = [], [], []
    views = [slice(0, num_views)] if len(shares) == 1 else [slice(view, view + 1) for view in range(num_views)]
    for view, share, place in zip(views, shares, places, strict=True):
        box_width, box_height = (max(1, round(side * (1.0 - float(share)))) for side in (width, height))
        left = int(place[0] * (width - box_width + 1))
        top = int(place[1] * (height - box_height + 1))
        box = premultiplied[view, :, top : top + box_height, left : left + box_width]
        images.append(functional.interpolate(box, size=(height, width), mode="bilinear", align_corners=False))
        if cameras is not None:
            chosen = cameras.select(range(num_views)[view]).cropped(left, top, box_width, box_height)
            K.append(chosen.resized(width, height).K)
            c2w.append(chosen.c2w)
    resized = torch.cat(images)
    alpha = resized[:, 3:].clamp(0.0, 1.0)
    colour = torch.where(alpha > 0, resized[:, :3] / alpha.clamp(min=1e-6), 0.0).clamp(0.0, 1.0)
    cropped = None if cameras is None else Cameras(torch.cat(c2w), torch.cat(K), width, height)
    return torch.cat([colour, alpha], dim=1), cropped


def _jitter(
    rgba: Float[Tensor, "view 4 height width"], changes: Float[Tensor, "box 4"]
) -> Float[Tensor, "view 4 height width"]:
    """Brightness, contrast, saturation and hue in this order on the straight colours; alpha stays.

    Args:
        changes: signed changes (brightness, contrast, saturation, hue), one row for all views or one per view.
    """
    colour, alpha = rgba[:, :3], rgba[:, 3:]
    brightness, contrast, saturation = (value[:, None, None, None] for value in changes[:, :3].unbind(dim=1))
    luma = torch.tensor(LUMA)[:, None, None]
    colour = colour * (1.0 + brightness)
    # The pivot is the foreground's mean grey, over all views when they change alike, so that they stay alike.
    axes = (0, 1, 2, 3) if len(changes) == 1 else (1, 2, 3)
    grey = (colour * luma).sum(dim=1, keepdim=True)
    pivot = (grey * alpha).sum(dim=axes, keepdim=True) / alpha.sum(dim=axes, keepdim=True).clamp(min=1e-6)
    colour = pivot + (1.0 + contrast) * (colour - pivot)
    grey = (colour * luma).sum(dim=1, keepdim=True)
    colour = grey + (1.0 + saturation) * (colour - grey)
    angle = 2.0 * torch.pi * changes[:, 3]
    turn = torch.eye(3).repeat(len(changes), 1, 1)
    turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
    turn[:, 1, 2], turn[:, 2, 1] = -angle.sin(), angle.sin()
    matrix = torch.linalg.inv(_YIQ) @ turn @ _YIQ
    colour = torch.einsum("vij,vjhw->vihw", matrix.expand(len(rgba), 3, 3), colour)
    return torch.cat([colour.clamp(0.0, 1.0), alpha], dim=1)
