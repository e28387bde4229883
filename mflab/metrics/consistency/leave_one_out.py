"""Leave-one-out re-render: how well the other views predict a view, with no training."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mflab.errors import MflabError
from mflab.metrics.consistency.batches import over_sets
from mflab.metrics.consistency.field import IS_INSIDE, Field, Silhouettes, silhouettes
from mflab.metrics.consistency.hull import pixel_rays, surface_points
from mflab.metrics.consistency.rays import Geometry, Rays, cast, clip, other_views
from mflab.metrics.consistency.scan import first_hit
from mflab.metrics.consistency.view_set import ViewSet

WIDTH = 64
# A view sees a hull point whose depth differs from its own hull's by less than this share of the scene ball's radius.
VISIBLE_SHARE = 0.04
# Views that face the surface dominate; a trace of all others colours what none of them sees.
COSINE_POWER, TRACE = 4.0, 1e-3
# PSNR of an image without error, dB.
CEILING_DB = 100.0


class LeaveOneOut(NamedTuple):
    """Views predicted from the others: hull of the others, coloured by those of them that see it.

    Attributes:
        per_view: PSNR over the view's foreground, dB, at most 100, shape [..., V]; NaN without foreground.
        mean: over views; clean sets reach 15 to 20 dB, so compare sets of one object only.
        minimum: worst view.
        hull_iou: overlap of the others' hull with the silhouette, shape [..., V]; describes the hull, not consistency.
        predicted: the predicted views on white, shape [..., V, 3, S, S].
    """

    per_view: Float[Tensor, "*batch view"]
    mean: Float[Tensor, "*batch"]
    minimum: Float[Tensor, "*batch"]
    hull_iou: Float[Tensor, "*batch view"]
    predicted: Float[Tensor, "*batch view 3 size size"]


def leave_one_out(view_set: ViewSet, width: int = WIDTH) -> LeaveOneOut:
    """Returns how well each view is predicted by the visual hull and the colours of the others.

    Args:
        view_set: posed views, at least three.
        width: wider views are averaged down to it first.

    Raises:
        MflabError: fewer than three views.
    """
    if view_set.num_views < 3:
        raise MflabError(
            f"Leave-one-out needs at least 3 views, but got {view_set.num_views}; measure such a set with "
            "with_leave_one_out=False."
        )
    return over_sets(view_set.resized(min(width, view_set.width)), _render)


def _render(views: ViewSet) -> LeaveOneOut:
    num_sets, num_views = len(views.images), views.num_views
    images, alpha = views.images.flatten(0, 1), views.alpha.flatten(0, 1)[:, 0]
    geometry, shapes = Geometry.of(views.cameras), silhouettes(alpha, 0)
    rays, pixel = pixel_rays(geometry, torch.ones_like(alpha, dtype=torch.bool))
    depth = first_hit(clip(rays, shapes.boxes), shapes)
    hit = torch.isfinite(depth).nonzero()[:, 0]
    point, normal = (
        values.flatten(1).index_select(1, hit) for values in surface_points(geometry, depth.view(alpha.shape))
    )
    rays = rays.take(hit)
    u, v, z = (values[:, 0] for values in rays.project(depth[hit][None]))
    seen_depth = _depth_without(geometry, shapes, alpha)
    weight = _weights(geometry, rays, (u, v, z), point, normal, seen_depth)
    colours = Field.of(functional.pad(images, (1, 1, 1, 1), mode="replicate")).at(rays.targets, u, v)
    blended = (colours * weight).sum(1) / weight.sum(0)
    predicted = torch.ones_like(images).transpose(0, 1).flatten(1).index_copy(1, pixel[hit], blended)
    predicted = predicted.view(3, *alpha.shape).transpose(0, 1)
    mask, hull = alpha > IS_INSIDE, torch.isfinite(depth).view(alpha.shape)
    error = ((predicted - images).square().mean(1) * mask).sum((1, 2)) / mask.sum((1, 2))
    decibels = (-10.0 * error.log10()).clamp(max=CEILING_DB).view(num_sets, num_views)
    iou = (mask & hull).sum((1, 2)) / (mask | hull).sum((1, 2))
    return LeaveOneOut(
        decibels,
        decibels.mean(-1),
        decibels.amin(-1),
        iou.view(num_sets, num_views),
        predicted.unflatten(0, (num_sets, num_views)),
    )


def _depth_without(geometry: Geometry, shapes: Silhouettes, alpha: Tensor) -> Tensor:
    """Depth in view k of the hull without view i, at number k * V + i of [N * V, S, S]; infinite for k = i."""
    num_views, size = geometry.num_views, alpha.shape[-1]
    view, row, column = (alpha > IS_INSIDE).nonzero().unbind(1)
    left_out = torch.arange(num_views - 1, device=view.device).repeat_interleave(len(view))
    view, row, column = (values.repeat(num_views - 1) for values in (view, row, column))
    others = other_views(view, num_views)
    slot = torch.arange(num_views - 2, device=view.device)[:, None]
    targets = others.gather(0, slot + (slot >= left_out).long())
    number = view * num_views + others.gather(0, left_out[None])[0] % num_views
    rays = cast(geometry, view, (column + 0.5).to(alpha), (row + 0.5).to(alpha), targets)
    depth = torch.full((len(alpha) * num_views * size * size,), torch.inf).to(alpha)
    return depth.index_copy(0, (number * size + row) * size + column, first_hit(clip(rays, shapes.boxes), shapes))


def _weights(
    geometry: Geometry,
    rays: Rays,
    projected: tuple[Tensor, Tensor, Tensor],
    point: Tensor,
    normal: Tensor,
    seen_depth: Tensor,
) -> Tensor:
    """Weight of each other view for the colour of each hull point, shape [V - 1, R]."""
    u, v, z = projected
    num_views = geometry.num_views
    size = round((seen_depth.numel() / (len(geometry.origin) * num_views)) ** 0.5)
    is_in_frame = (u >= 0) & (u < size) & (v >= 0) & (v < size)
    column, row = (position.clamp(0, size - 1).long() for position in (u, v))
    number = rays.targets * num_views + rays.view % num_views
    hull = seen_depth.index_select(0, ((number * size + row) * size + column).flatten()).view(z.shape)
    is_seen = is_in_frame & ((z - hull).abs() < VISIBLE_SHARE * geometry.radius.to(z)[rays.view])
    origin = geometry.origin.T.to(z).index_select(1, rays.targets.flatten()).view(3, *rays.targets.shape)
    away = origin - point[:, None]
    cosine = ((away * normal[:, None]).sum(0) / away.square().sum(0).sqrt()).clamp(min=0.0)
    return cosine**COSINE_POWER * is_seen + TRACE * (is_in_frame + TRACE)
