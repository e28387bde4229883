"""Epipolar tangency: do the outer epipolar tangents of two silhouettes touch both of them?"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from mflab.metrics.consistency.batches import over_sets
from mflab.metrics.consistency.field import IS_INSIDE, bounding_boxes, cut_sides, restore_thin
from mflab.metrics.consistency.rays import Geometry, cast, clip, directions, other_views
from mflab.metrics.consistency.view_set import ViewSet

# A silhouette seen under more than this angle around the baseline surrounds the epipole and has no outer tangents.
MAX_SPAN = 2.6
BORDER = 1.5


class Tangency(NamedTuple):
    """Distances of tangent pixels to the other view's tangents, in % of the image width; 0 for any consistent set.

    Attributes:
        mean: over all valid tangents; NaN if there is none.
        maximum: worst tangent; NaN if there is none.
        count: number of valid tangents, at most V (V - 1).
    """

    mean: Float[Tensor, "*batch"]
    maximum: Float[Tensor, "*batch"]
    count: Int[Tensor, "*batch"]  # pyright: ignore[reportIncompatibleMethodOverride]


def epipolar_tangency(view_set: ViewSet) -> Tangency:
    """Returns how far the outer epipolar tangents of each pair of silhouettes miss each other.

    The two extreme planes through the line of two camera centres that touch the object touch both silhouettes. For each
    of them the tangent pixel of one view must lie on the line in which the other view's plane meets the image; the
    error is the mean of both distances. Left out are pairs whose epipole lies inside the object, tangents within 1.5
    pixels of the border, and tangents to parts that the other view may have cut off.

    Args:
        view_set: posed views.
    """
    return over_sets(view_set, _tangency)


def _tangency(views: ViewSet) -> Tangency:
    num_sets, num_views, width = len(views.images), views.num_views, views.width
    alpha = views.alpha.flatten(0, 1)[:, 0]
    geometry = Geometry.of(views.cameras)
    pencil = _Pencil.of(geometry, num_sets)
    view, u, v = _outline(alpha)
    angle = pencil.angles(view, directions(geometry, view, u, v))
    lowest, at_lowest = _extreme(-angle, view, u, v, len(alpha))
    highest, at_highest = _extreme(angle, view, u, v, len(alpha))
    reached = torch.stack([-lowest, highest]).view(2, num_sets, num_views, num_views)
    # A view without foreground reaches infinity and has no span below the limit.
    span = torch.nan_to_num(reached[1] - reached[0], nan=torch.inf, neginf=torch.inf)
    is_outer = torch.maximum(span, span.mT) < MAX_SPAN
    pixel = torch.stack([at_lowest, at_highest], dim=1).view(2, 2, num_sets, num_views, num_views)
    is_inner = ((pixel > BORDER) & (pixel < width - BORDER)).all(0) & ~_may_be_cut(geometry, alpha, pixel)
    is_pair = torch.ones(num_views, num_views, dtype=torch.bool, device=alpha.device).triu(1)
    is_valid = (is_outer & is_inner & is_inner.mT & is_pair).transpose(0, 1).flatten(1)
    distance = pencil.distances(geometry, reached.mT, pixel)
    error = (0.5 * (distance + distance.mT) * 100.0 / width).transpose(0, 1).flatten(1)
    error = torch.where(is_valid, error, 0.0)
    count = is_valid.sum(1)
    has_any = count > 0
    return Tangency(
        torch.where(has_any, error.sum(1) / count.clamp(min=1), torch.nan).float(),
        torch.where(has_any, error.amax(1), torch.nan).float(),
        count,
    )


def _outline(alpha: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """View and position of the foreground pixels of [N, H, W] that have a background neighbour or touch the border."""
    mask = (restore_thin(alpha) > IS_INSIDE).to(alpha)
    inner = -functional.max_pool2d(-functional.pad(mask, (1, 1, 1, 1)), 3, 1)
    view, row, column = ((mask > 0) & (inner < 1)).nonzero().unbind(1)
    return view, (column + 0.5).to(alpha), (row + 0.5).to(alpha)


class _Pencil(NamedTuple):
    """Planes through the baseline of views i and j: angle 0 meets the look-at point; each [B, V, V, 3]."""

    toward: Tensor
    across: Tensor

    @staticmethod
    def of(geometry: Geometry, num_sets: int) -> "_Pencil":
        origin = geometry.origin.view(num_sets, -1, 3)
        order = torch.arange(geometry.num_views, device=origin.device)
        # Both views of a pair share one axis, or their angles would run in opposite directions.
        sign = torch.where(order[:, None] < order, 1.0, -1.0)[..., None]
        axis = functional.normalize((origin[:, None] - origin[:, :, None]) * sign, dim=-1)
        middle = geometry.center.view(num_sets, -1, 1, 3) - 0.5 * (origin[:, None] + origin[:, :, None])
        toward = middle - (middle * axis).sum(-1, keepdim=True) * axis
        # With the look-at point on the baseline any plane may come first: the epipole is inside the object then.
        spare = torch.eye(3).to(axis)[axis.abs().argmin(-1)]
        spare = spare - (spare * axis).sum(-1, keepdim=True) * axis
        is_degenerate = toward.norm(dim=-1, keepdim=True) < 1e-6 * geometry.radius.mean()
        toward = functional.normalize(torch.where(is_degenerate, spare, toward), dim=-1)
        return _Pencil(toward, torch.linalg.cross(axis, toward))

    def angles(self, view: Tensor, direction: Tensor) -> Tensor:
        """Angle of the plane through each ray [3, R] of views [R] and the baseline to each view of its set, [R, V]."""
        toward, across = (axes.flatten(0, 1).to(direction)[view] for axes in self)
        sine, cosine = (torch.einsum("rvi,ir->rv", axes, direction) for axes in (across, toward))
        return torch.atan2(sine, cosine)

    def distances(self, geometry: Geometry, angle: Tensor, pixel: Tensor) -> Tensor:
        """Pixels from position [2, S, B, V, V] in view i to the image line of the plane at `angle` [S, B, V, V]."""
        angle = torch.nan_to_num(angle, posinf=0.0, neginf=0.0).double()[..., None]
        normal = torch.cos(angle) * self.across - torch.sin(angle) * self.toward
        matrix = geometry.to_world.view(*self.toward.shape[:2], 1, 3, 3)
        line = (normal[..., None, :] @ matrix)[..., 0, :]
        away = line[..., 0] * pixel[0] + line[..., 1] * pixel[1] + line[..., 2]
        return away.abs() / line[..., :2].norm(dim=-1).clamp(min=1e-12)


def _extreme(angle: Tensor, view: Tensor, u: Tensor, v: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """Largest angle [R, V] of each view towards each partner, [N, V], and the pixel that has it, [2, N, V].

    Equal angles are settled by the first pixel, so that the result does not depend on the device.
    """
    num_views, num_pixels = angle.shape[1], len(view)
    index = view[:, None].expand(-1, num_views)
    top = torch.full((num, num_views), -torch.inf).to(angle).scatter_reduce(0, index, angle, "amax")
    number = torch.arange(num_pixels, device=view.device)[:, None]
    number = torch.where(angle == top[view], number, num_pixels)
    first = torch.full((num, num_views), num_pixels, device=view.device).scatter_reduce(0, index, number, "amin")
    # One pixel more stands for views without foreground.
    position = functional.pad(torch.stack([u, v]), (0, 1))
    return top, position[:, first]


def _may_be_cut(geometry: Geometry, alpha: Tensor, pixel: Tensor) -> Tensor:
    """Whether what view i touches at `pixel` [2, S, B, i, j] may lie beyond a side that cuts view j off, [S, B, i, j].

    The touched point lies on the pixel's ray, between the depths that the other silhouettes allow.
    """
    num_views, width = geometry.num_views, alpha.shape[-1]
    shape = pixel.shape[1:]
    view = torch.arange(len(alpha), device=alpha.device).view(1, *shape[1:3], 1).expand(shape).flatten()
    own = view % num_views
    partner = torch.arange(num_views, device=alpha.device).expand(shape).flatten()
    rays = cast(geometry, view, pixel[0].flatten(), pixel[1].flatten(), other_views(view, num_views))
    rays = clip(rays, bounding_boxes(alpha))
    ends_u, ends_v, _ = rays.project(torch.stack([rays.near, rays.far]))
    slot = (partner - (partner > own).long()).clamp(max=num_views - 2)[None, None]
    end_u, end_v = (ends.gather(0, slot.expand(1, 2, -1))[0] for ends in (ends_u, ends_v))
    is_cut = cut_sides(alpha)[view - own + partner]
    beyond = torch.stack([end_u < 0, end_v < 0, end_u > width, end_v > width], dim=-1).any(0)
    return (beyond & is_cut).any(-1).view(shape)
