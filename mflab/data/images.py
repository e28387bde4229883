"""Reading one image file without guessing, and shrinking images that carry alpha."""

import zlib
from enum import Enum
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from mflab.errors import MflabError


class AlphaMode(Enum):
    """What the image files promise: `straight` alpha in a fourth channel, or `opaque` pictures without one."""

    straight = "straight"
    opaque = "opaque"


def read_image(path: Path, alpha: AlphaMode) -> UInt8[Tensor, "4 height width"]:
    """The image as stored, with straight alpha (255 everywhere for a declared opaque one).

    An RGB file may hide its background, an RGBA file shows it when alpha is dropped: so neither is converted to the
    other, and what the files are has to be declared.

    Raises:
        MflabError: missing, truncated or undecodable file, channels other than declared, or alpha zero everywhere.
    """
    if not path.is_file():
        raise MflabError(f"Every view needs its image, but {path} does not exist; restore it or leave the sample out.")
    try:
        with Image.open(path) as image:
            mode = image.mode
            pixels = np.array(image)
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error, Image.DecompressionBombError) as error:
        raise MflabError(
            f"Images must be whole, but {path} cannot be decoded ({error}); write it again or leave the sample out."
        ) from error
    expected = "RGBA" if alpha is AlphaMode.straight else "RGB"
    if mode != expected:
        remedy = {
            "RGB": "add the mask as alpha, or declare alpha=opaque if the background belongs to the picture",
            "RGBA": "declare alpha=straight",
        }.get(mode, f"save it as 8-bit {expected}")
        raise MflabError(f"Images must be {expected} for alpha={alpha.name}, but {path} is {mode}; {remedy}.")
    rgba = torch.from_numpy(pixels).permute(2, 0, 1)
    if alpha is AlphaMode.opaque:
        return torch.cat([rgba, torch.full_like(rgba[:1], 255)])
    if not bool(rgba[3].any()):
        raise MflabError(
            f"An image must show its object, but alpha is zero everywhere in {path}; leave the sample out."
        )
    return rgba.contiguous()


def area_matrix(source: int, target: int) -> Float[Tensor, "target source"]:
    """Weights that average `source` pixels into `target` equal boxes, exact for any ratio; each row sums to 1.

    Example:
        >>> area_matrix(3, 2)
        tensor([[0.6667, 0.3333, 0.0000],
                [0.0000, 0.3333, 0.6667]])
    """
    ratio = source / target
    left = torch.arange(target, dtype=torch.float64)[:, None] * ratio
    pixel = torch.arange(source, dtype=torch.float64)[None, :]
    overlap = torch.minimum(left + ratio, pixel + 1.0) - torch.maximum(left, pixel)
    return (overlap.clamp(min=0.0) / ratio).float()


def shrink(rgba: UInt8[Tensor, "view 4 height width"], size: int) -> UInt8[Tensor, "view 4 size size"]:
    """Images of `size` x `size` pixels by box averages of the premultiplied colours.

    Averaging straight colours would bleed the invisible colour of transparent pixels into the outline.

    Raises:
        MflabError: `size` is not positive or larger than the images.
    """
    height, width = rgba.shape[-2:]
    if not 1 <= size <= min(height, width):
        raise MflabError(
            f"size must be between 1 and the image size, but got size={size} for {width}x{height} pixels; "
            "images are never enlarged."
        )
    if (height, width) == (size, size):
        return rgba
    alpha = rgba[:, 3:].float() / 255.0
    premultiplied = torch.cat([rgba[:, :3].float() * alpha, alpha], dim=1)
    small = area_matrix(height, size) @ premultiplied @ area_matrix(width, size).T
    colour = torch.where(small[:, 3:] > 0, small[:, :3] / small[:, 3:].clamp(min=1e-12), 0.0)
    values = torch.cat([colour, 255.0 * small[:, 3:]], dim=1)
    return values.round().clamp(0, 255).to(torch.uint8)
