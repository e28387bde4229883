"""Scans along rays through the visual hull: how well it covers a pixel, and where it begins.

Both sample depths in two levels and drop a ray as soon as it is decided, so that few rays pay for the fine level.
"""

import torch
from torch import Tensor

from mflab.metrics.consistency.field import IS_INSIDE, Silhouettes
from mflab.metrics.consistency.rays import Rays

COARSE, FINE = 32, 128
# A ray whose coarse cover reaches this (or its own coverage) is not scanned finely.
ENOUGH = 0.97
BISECTIONS = 4


def cover(rays: Rays, shapes: Silhouettes, wanted: Tensor) -> Tensor:
    """Largest coverage that all looked-up views agree on along each ray: max over z of min over views, shape [R].

    Args:
        rays: clipped rays.
        shapes: coverage of the views.
        wanted: coverage of each ray in its own view, shape [R]; a ray that reaches it is dropped.
    """
    best = torch.zeros_like(rays.u)
    active = (rays.far > rays.near).nonzero()[:, 0]
    for count, group, limit in ((COARSE, 4, wanted), (FINE, 16, wanted.clamp(max=ENOUGH))):
        active = active[best[active] < wanted[active].clamp(max=ENOUGH)]
        for shares in spread(count, group, rays.u):
            chosen = rays.take(active)
            found = [
                cover_at(part, shapes, part.depths(shares)).amax(0)
                for part in (chosen.take(piece) for piece in chosen.chunks(len(shares)))
            ]
            raised = torch.maximum(best[active], torch.cat([best[:0], *found]))
            best = best.index_copy(0, active, raised)
            active = active[raised < limit[active]]
    return best


def cover_at(rays: Rays, shapes: Silhouettes, depth: Tensor) -> Tensor:
    """Coverage that all looked-up views agree on at depth [S, R], shape [S, R]."""
    u, v, _ = rays.project(depth)
    return shapes.at(rays.targets[:, None], u, v).amin(0)


def first_hit(rays: Rays, shapes: Silhouettes) -> Tensor:
    """Depth at which each clipped ray enters the hull of the looked-up views, infinite if it does not, shape [R]."""
    low, high = torch.zeros_like(rays.u), torch.full_like(rays.u, torch.inf)
    remaining = (rays.far > rays.near).nonzero()[:, 0]
    for count in (COARSE, FINE):
        for shares in ((torch.arange(count).to(rays.u) + 0.5) / count).split(8):
            chosen = rays.take(remaining)
            found = [
                torch.where(cover_at(part, shapes, part.depths(shares)) > IS_INSIDE, shares[:, None], torch.inf).amin(0)
                for part in (chosen.take(piece) for piece in chosen.chunks(len(shares)))
            ]
            share = torch.cat([high[:0], *found])
            is_hit = torch.isfinite(share)
            hit = remaining[is_hit]
            high = high.index_copy(0, hit, share[is_hit])
            low = low.index_copy(0, hit, (share[is_hit] - 1.0 / count).clamp(min=0.0))
            remaining = remaining[~is_hit]
    return _crossing(rays, shapes, low, high)


def _crossing(rays: Rays, shapes: Silhouettes, low: Tensor, high: Tensor) -> Tensor:
    """Depth at which coverage crosses 0.5 between an outer share `low` and an inner share `high`, by bisection."""
    index = torch.isfinite(high).nonzero()[:, 0]
    chosen, outer, inner = rays.take(index), low[index], high[index]
    found = []
    for piece in chosen.chunks(1):
        some, a, b = chosen.take(piece), outer[piece], inner[piece]
        span = some.far - some.near
        for _ in range(BISECTIONS):
            middle = 0.5 * (a + b)
            is_inside = cover_at(some, shapes, (some.near + middle * span)[None])[0] > IS_INSIDE
            a, b = torch.where(is_inside, a, middle), torch.where(is_inside, middle, b)
        at_a, at_b = (cover_at(some, shapes, (some.near + share * span)[None])[0] for share in (a, b))
        step = ((IS_INSIDE - at_a) / (at_b - at_a).clamp(min=1e-6)).clamp(0.0, 1.0)
        found.append(some.near + (a + step * (b - a)) * span)
    depth = torch.full_like(high, torch.inf)
    return depth.index_copy(0, index, torch.cat([high[:0], *found]))


def spread(count: int, group: int, like: Tensor) -> list[Tensor]:
    """`count` shares of a range in groups, each spread evenly over all of it, so that most rays end early.

    >>> [shares.tolist() for shares in spread(4, 2, torch.zeros(1))]
    [[0.125, 0.625], [0.375, 0.875]]
    """
    shares = (torch.arange(count).to(like) + 0.5) / count
    step = count // group
    return [shares[start::step] for start in range(step)]
