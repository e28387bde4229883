"""Faults of single pictures: moved, bent, recoloured, blurred, with parts erased or added.

All functions take images [N, 3, H, W] on white with masks [N, 1, H, W] and return such a pair. Strength zero changes
nothing but rounding.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Recolour = Callable[[Tensor], Tensor]
Pair = tuple[Tensor, Tensor]
_YIQ = ((0.299, 0.587, 0.114), (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))
# Cells of the coarse grid from which smooth random fields are drawn.
FIELD_CELLS, TEXTURE_CELLS = 4, 16


def own_colours(images: Tensor, alpha: Tensor) -> Tensor:
    """Colours of the object without the white behind it; arbitrary where nothing covers the pixel."""
    return ((images - (1.0 - alpha)) / alpha.clamp(min=1e-4)).clamp(0.0, 1.0)


def moved(images: Tensor, alpha: Tensor, source: Tensor) -> Pair:
    """Each pixel taken from position `source` [N, H, W, 2], pixels (u, v) with centres at +0.5; white from outside."""
    height, width = images.shape[-2:]
    size = torch.tensor([width, height]).to(images)
    grid = 2.0 * source / size - 1.0
    layers = torch.cat([1.0 - images, alpha], dim=1)
    layers = functional.grid_sample(layers, grid, padding_mode="zeros", align_corners=False).clamp(0.0, 1.0)
    return 1.0 - layers[:, :3], layers[:, 3:]


def pixel_centers(images: Tensor) -> Tensor:
    """Positions (u, v) of all pixels, shape [N, H, W, 2]."""
    height, width = images.shape[-2:]
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([u, v], dim=-1).to(images).expand(len(images), -1, -1, -1)


def shifted(images: Tensor, alpha: Tensor, share: float, generator: torch.Generator) -> Pair:
    """Moved by `share` of the width in a random direction, another one for each picture."""
    angle = 2.0 * math.pi * torch.rand(len(images), 1, 1, generator=generator)
    step = share * images.shape[-1] * torch.stack([angle.cos(), angle.sin()], dim=-1)
    return moved(images, alpha, pixel_centers(images) - step)


def warped(images: Tensor, alpha: Tensor, share: float, generator: torch.Generator) -> Pair:
    """Bent by a smooth random field whose root mean square length is `share` of the width."""
    field = smooth_field(len(images), 2, FIELD_CELLS, images.shape[-1], generator)
    field = field / field.square().sum(1, keepdim=True).mean((2, 3), keepdim=True).sqrt()
    return moved(images, alpha, pixel_centers(images) + share * images.shape[-1] * field.movedim(1, -1))


def turned(images: Tensor, alpha: Tensor, angle_deg: float, scale: float = 1.0) -> Pair:
    """Turned about the middle of the frame and made `scale` times as large."""
    middle = 0.5 * images.shape[-1]
    c, s = math.cos(math.radians(angle_deg)) / scale, math.sin(math.radians(angle_deg)) / scale
    matrix = torch.tensor([[c, s], [-s, c]]).to(images)
    return moved(images, alpha, (pixel_centers(images) - middle) @ matrix.T + middle)


def smooth_field(count: int, channels: int, cells: int, width: int, generator: torch.Generator) -> Tensor:
    """Smooth Gaussian noise, shape [N, C, width, width]."""
    coarse = torch.randn(count, channels, cells, cells, generator=generator)
    return functional.interpolate(coarse, (width, width), mode="bicubic", align_corners=False)


def recoloured(images: Tensor, alpha: Tensor, change: Recolour) -> Pair:
    """The object's own colours changed, its mask and the white behind it kept."""
    own = change(own_colours(images, alpha)).clamp(0.0, 1.0)
    return own * alpha + 1.0 - alpha, alpha


def hue_turn(angle_deg: float) -> Recolour:
    """Turns colours about the grey axis, by chrominance in YIQ."""
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    turn = torch.tensor([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
    yiq = torch.tensor(_YIQ)
    matrix = torch.linalg.inv(yiq) @ turn @ yiq
    return lambda own: torch.einsum("ij,njhw->nihw", matrix.to(own), own)


def with_noise(images: Tensor, alpha: Tensor, strength: float, generator: torch.Generator) -> Pair:
    """Gaussian noise of standard deviation `strength` on the object's colours."""
    noise = strength * torch.randn(images.shape, generator=generator)
    return recoloured(images, alpha, lambda own: own + noise.to(own))


def with_texture(images: Tensor, alpha: Tensor, share: float, generator: torch.Generator) -> Pair:
    """`share` of the object's colours replaced by a random pattern of the same shape."""
    pattern = 0.5 + 0.25 * smooth_field(len(images), 3, TEXTURE_CELLS, images.shape[-1], generator)
    return recoloured(images, alpha, lambda own: torch.lerp(own, pattern.clamp(0.0, 1.0).to(own), share))


def blurred(images: Tensor, alpha: Tensor, sigma: float) -> Pair:
    """Under a Gaussian of `sigma` pixels, the mask as well."""
    if sigma == 0:
        return images, alpha
    reach = max(1, math.ceil(3.0 * sigma))
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1).to(images) / sigma) ** 2)
    taps = taps / taps.sum()
    layers = torch.cat([1.0 - images, alpha], dim=1)
    for shape in ((1, 1, -1, 1), (1, 1, 1, -1)):
        kernel = taps.view(shape).expand(layers.shape[1], -1, -1, -1)
        layers = functional.conv2d(layers, kernel, padding="same", groups=layers.shape[1])
    layers = layers.clamp(0.0, 1.0)
    return 1.0 - layers[:, :3], layers[:, 3:]


def erased(images: Tensor, alpha: Tensor, share: float) -> Pair:
    """`share` of each silhouette's area removed, in a disc about its tip: the pixel farthest from its middle."""
    kept = []
    for mask, positions in zip(alpha[:, 0], pixel_centers(images), strict=True):
        inside = mask > 0.5
        points = positions[inside]
        if not len(points):
            kept.append(torch.ones_like(mask))
            continue
        tip = points[(points - points.mean(0)).norm(dim=-1).argmax()]
        away = (positions - tip).norm(dim=-1)
        num_lost = round(share * len(points))
        radius = float(away[inside].sort().values[num_lost - 1]) if num_lost else -1.0
        kept.append((away > radius).to(mask))
    keep = torch.stack(kept)[:, None]
    return 1.0 - (1.0 - images) * keep, alpha * keep


def with_blob(images: Tensor, alpha: Tensor, share: float) -> Pair:
    """A disc of `share` of the silhouette's area beside the object, in its mean colour."""
    width = images.shape[-1]
    added = [_blob(*pair, share, width) for pair in zip(images, alpha[:, 0], pixel_centers(images), strict=True)]
    disc, colour = torch.stack([one[0] for one in added])[:, None], torch.stack([one[1] for one in added])
    return torch.lerp(images, colour[:, :, None, None].expand_as(images), disc), torch.maximum(alpha, disc)


def _blob(image: Tensor, mask: Tensor, positions: Tensor, share: float, width: int) -> Pair:
    inside = mask > 0.5
    points = positions[inside]
    if not len(points) or share == 0:
        return torch.zeros_like(mask), torch.zeros(3).to(image)
    radius = math.sqrt(share * len(points) / math.pi)
    grid = positions[::4, ::4].reshape(-1, 2)
    fits = ((grid > radius + 1.0) & (grid < width - radius - 1.0)).all(-1)
    away = torch.cdist(grid, points).amin(-1)
    # Near the object, but clear of it where the frame has room: a part that came loose.
    place = grid[torch.where(fits, -(away - radius - 3.0).abs(), -torch.inf).argmax()]
    distance = (positions - place).norm(dim=-1)
    return (radius + 0.5 - distance).clamp(0.0, 1.0), image[:, inside].mean(-1)
