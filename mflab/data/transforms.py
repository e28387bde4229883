"""The transforms that augmentations are made of: the mirror's order of views, crop and colour jitter."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mflab.errors import MflabError
from mflab.geometry import Cameras

_LUMA = (0.299, 0.587, 0.114)
# RGB to YIQ (FCC, NTSC 1953), in which a turn of the I-Q plane changes the hue and keeps the luma.
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])


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


def crop(
    rgba: Float[Tensor, "view 4 height width"], cameras: Cameras | None, shares: np.ndarray, places: np.ndarray
) -> tuple[Float[Tensor, "view 4 height width"], Cameras | None]:
    """Cuts boxes of the image's proportions at whole pixels and resizes them back, colours premultiplied by alpha.

    Args:
        rgba: images with straight alpha in [0, 1].
        cameras: cameras of the views, or None.
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


def jitter(
    rgba: Float[Tensor, "view 4 height width"], changes: Float[Tensor, "box 4"]
) -> Float[Tensor, "view 4 height width"]:
    """Brightness, contrast, saturation and hue in this order on the straight colours; alpha stays.

    Args:
        rgba: images with straight alpha in [0, 1].
        changes: signed changes (brightness, contrast, saturation, hue), one row for all views or one per view.
    """
    colour, alpha = rgba[:, :3], rgba[:, 3:]
    brightness, contrast, saturation = (value[:, None, None, None] for value in changes[:, :3].unbind(dim=1))
    luma = torch.tensor(_LUMA)[:, None, None]
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
