"""The surface of the visual hull as every view sees it: depth and normals per pixel."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mflab.metrics.consistency.batches import over_sets
from mflab.metrics.consistency.field import IS_INSIDE, Silhouettes, silhouettes
from mflab.metrics.consistency.rays import Geometry, Rays, cast, clip, other_views
from mflab.metrics.consistency.scan import first_hit
from mflab.metrics.consistency.view_set import ViewSet

# Views are compared at this width: scores depend on resolution.
WORKING_WIDTH = 128


class HullDepth(NamedTuple):
    """First surface of the visual hull of all views along each foreground pixel.

    Attributes:
        depth: along the optical axis, scene units, infinite where a pixel is background or its ray misses the hull,
            shape [..., V, S, S].
        normal: unit vector towards the camera, world, zero where there is none, shape [..., V, 3, S, S].
    """

    depth: Float[Tensor, "*batch view size size"]
    normal: Float[Tensor, "*batch view 3 size size"]


def hull_depth(view_set: ViewSet, width: int = WORKING_WIDTH) -> HullDepth:
    """Returns the surface of the visual hull of all views, seen from each of them.

    The hull holds every object with these silhouettes, so the true surface lies on it or behind it.

    Args:
        view_set: posed views.
        width: wider views are averaged down to it first.
    """
    return over_sets(view_set.resized(min(width, view_set.width)), _maps)


def _maps(views: ViewSet) -> HullDepth:
    surface = hull_surface(views)
    shape = (len(views.images), views.num_views)
    _, normal = surface_points(surface.geometry, surface.depth)
    return HullDepth(surface.depth.unflatten(0, shape), normal.transpose(0, 1).unflatten(0, shape))


@dataclass(frozen=True)
class HullSurface:
    """First surface of the hull along R foreground pixels of N = sets * V views.

    Attributes:
        geometry: relations between the views.
        shapes: their silhouettes.
        depth: along the optical axis, infinite where there is none, shape [N, S, S].
        rays: one ray per pixel with a surface, looked up in the other V - 1 views.
        pixel: number of each ray's pixel in [N, S, S], shape [R].
        start: depth of each ray's surface point, shape [R].
        point: surface points, world, shape [3, R].
        normal: unit normals towards the camera, world, zero where neighbours are missing, shape [3, R].
    """

    geometry: Geometry
    shapes: Silhouettes
    depth: Tensor
    rays: Rays
    pixel: Tensor
    start: Tensor
    point: Tensor
    normal: Tensor


def hull_surface(views: ViewSet) -> HullSurface:
    """The hull of a flattened collection of view sets, seen from its own views."""
    alpha = views.alpha.flatten(0, 1)[:, 0]
    geometry, shapes = Geometry.of(views.cameras), silhouettes(alpha, 0)
    rays, pixel = pixel_rays(geometry, alpha > IS_INSIDE)
    start = first_hit(clip(rays, shapes.boxes), shapes)
    depth = torch.full_like(alpha, torch.inf).flatten().index_copy(0, pixel, start).view(alpha.shape)
    hit = torch.isfinite(start).nonzero()[:, 0]
    pixel = pixel[hit]
    point, normal = (values.flatten(1).index_select(1, pixel) for values in surface_points(geometry, depth))
    return HullSurface(geometry, shapes, depth, rays.take(hit), pixel, start[hit], point, normal)


def pixel_rays(geometry: Geometry, mask: Tensor) -> tuple[Rays, Tensor]:
    """Rays through the centres of the set pixels of [N, S, S], looked up in all other views, and their numbers."""
    view, row, column = mask.nonzero().unbind(1)
    u, v = (column + 0.5).float(), (row + 0.5).float()
    size = mask.shape[-1]
    return cast(geometry, view, u, v, other_views(view, geometry.num_views)), (view * size + row) * size + column


def surface_points(geometry: Geometry, depth: Tensor) -> tuple[Tensor, Tensor]:
    """World points and unit normals of depth maps [N, S, S], each [3, N, S, S]; a zero normal where there is none.

    Differences between neighbours are central where both exist and one-sided else.
    """
    center = torch.arange(depth.shape[-1]).to(depth) + 0.5
    matrix, origin = geometry.to_world.to(depth), geometry.origin.to(depth)
    has = torch.isfinite(depth)
    z = torch.where(has, depth, 0.0)
    coordinates = []
    for axis in range(3):
        a, b, c = (matrix[:, axis, k, None, None] for k in range(3))
        coordinates.append((a * center + (b * center[:, None] + c)) * z + origin[:, axis, None, None])
    point = torch.stack(coordinates)
    along, has_along = _difference(point, has, 2)
    down, has_down = _difference(point, has, 1)
    normal = torch.linalg.cross(down, along, dim=0)
    length = normal.square().sum(0).sqrt()
    is_known = has & has_along & has_down & (length > 0)
    return point, torch.where(is_known, normal / length.clamp(min=1e-20), 0.0)


def _difference(point: Tensor, has: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Slope of points [3, N, S, S] along an axis of [N, S, S] up to a positive factor, and where it exists."""
    size = has.shape[axis]
    pad = (0, 1) if axis == 2 else (0, 0, 0, 1)
    pair = has.narrow(axis, 0, size - 1) & has.narrow(axis, 1, size - 1)
    after = functional.pad(pair, pad, value=False)
    step = torch.where(after, functional.pad(point.diff(dim=axis + 1), pad), 0.0)
    # The last entry along the axis is padding, so rolling it to the front leaves the first pixel without a forerunner.
    return step + step.roll(1, axis + 1), after | after.roll(1, axis)
