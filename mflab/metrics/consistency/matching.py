"""Pairs of colours that two views give the same surface point, from a short depth search behind the hull."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mflab.metrics.consistency.field import IS_INSIDE, Field
from mflab.metrics.consistency.hull import HullSurface, hull_surface
from mflab.metrics.consistency.pairs import ColourPairs
from mflab.metrics.consistency.scan import cover_at
from mflab.metrics.consistency.view_set import ViewSet

# The search goes 0.43 object radii deep in eight steps: 0.3 scene units for the objects of the published levels.
SEARCH_SHARE, NUM_STEPS = 0.43, 8
# A view sees a point whose depth differs from its hull's by less than this share of the radius plus the step.
VISIBLE_SHARE = 0.07
MIN_COSINE = 0.15
WINDOW = 5
BLUR_SIGMA, BLUR_REACH = 1.0, 3


def match_views(views: ViewSet) -> ColourPairs:
    """Colour pairs of a flattened collection at working width, where each pixel agrees best with the other views.

    For each foreground pixel depths behind its first hull hit are tried while they lie inside the hull; the one with
    the smallest weighted colour difference over a 5 x 5 window wins. Weights are the smaller of the two cosines
    between view and hull normal; pairs with one below 0.15 do not count.
    """
    surface = hull_surface(views)
    images, alpha = views.images.flatten(0, 1), views.alpha.flatten(0, 1)
    colours = Field.of(functional.pad(object_colours(images, alpha), (1, 1, 1, 1), mode="replicate"))
    num_sets, num_views = len(views.images), views.num_views
    radius = object_radius(surface, num_sets)[surface.rays.view // num_views]
    search = _Search.of(surface, colours, radius)
    return search.pairs(search.best_step(), num_sets, num_views)


def object_colours(images: Tensor, alpha: Tensor) -> Tensor:
    """Colours of the object alone, from images [N, 3, H, W] on white with coverage [N, 1, H, W], under a Gaussian.

    White is taken out first, I - (1 - alpha), and each pixel weighs as much as it is covered: the outline does not mix
    with the background, so that scores do not depend on how dark the object is. Uncovered regions stay as they are.
    """
    taps = torch.exp(-0.5 * (torch.arange(-BLUR_REACH, BLUR_REACH + 1).to(images) / BLUR_SIGMA) ** 2)
    # Estimated coverage may leave less or more than a colour can be.
    premultiplied = torch.minimum((images - (1.0 - alpha)).clamp(min=0.0), alpha)
    blurred = torch.cat([premultiplied, alpha], dim=1)
    for axis in (2, 3):
        pad = (0, 0, BLUR_REACH, BLUR_REACH) if axis == 2 else (BLUR_REACH, BLUR_REACH)
        padded, size = functional.pad(blurred, pad), blurred.shape[axis]
        blurred = torch.stack([tap * padded.narrow(axis, k, size) for k, tap in enumerate(taps)]).sum(0)
    return torch.where(blurred[:, 3:] > 0, blurred[:, :3] / blurred[:, 3:].clamp(min=1e-12), images)


def object_radius(surface: HullSurface, num_sets: int) -> Tensor:
    """Root mean square distance of the hull's surface points from their middle, per set, shape [B]; 0 without any."""
    dense = torch.zeros(4, surface.depth.numel()).to(surface.point)
    dense = dense.index_copy(1, surface.pixel, torch.cat([surface.point, torch.ones_like(surface.start)[None]]))
    dense = dense.view(4, num_sets, -1).double()
    count = dense[3].sum(-1).clamp(min=1.0)
    middle = dense[:3].sum(-1) / count
    away = (dense[:3] - middle[..., None]).square().sum(0) * dense[3]
    return (away.sum(-1) / count).sqrt().to(surface.point)


@dataclass(frozen=True)
class _Search:
    """Depth search over R surface pixels and S = 9 depths; J = V - 1 other views.

    Attributes:
        surface: where it starts.
        colours: colours of the object, slightly smoothed.
        own: colour of each pixel, shape [3, R].
        depth: depths to try, shape [S, R].
        slack: largest difference from another view's hull depth at which it sees the point, shape [S, R].
        weight: smaller view cosine of pixel and other view, zero below the limit, shape [J, R].
    """

    surface: HullSurface
    colours: Field
    own: Tensor
    depth: Tensor
    slack: Tensor
    weight: Tensor

    @staticmethod
    def of(surface: HullSurface, colours: Field, radius: Tensor) -> "_Search":
        rays = surface.rays
        offset = SEARCH_SHARE * radius * torch.linspace(0.0, 1.0, NUM_STEPS + 1).to(radius)[:, None]
        origin = surface.geometry.origin.T.to(radius)
        views = torch.cat([rays.view[None], rays.targets])
        away = origin.index_select(1, views.flatten()).view(3, *views.shape) - surface.point[:, None]
        cosines = (away * surface.normal[:, None]).sum(0) / away.square().sum(0).sqrt()
        smaller = torch.minimum(cosines[:1], cosines[1:])
        return _Search(
            surface,
            colours,
            colours.at(rays.view, rays.u, rays.v),
            surface.start + offset,
            VISIBLE_SHARE * radius + offset,
            torch.where(smaller > MIN_COSINE, smaller, 0.0),
        )

    def look(self, slot: int, index: Tensor, depth: Tensor, slack: Tensor) -> tuple[Tensor, Tensor]:
        """Colour [3, S, n] of rays `index` [n] at depth [S, n] in their `slot`-th other view, and if it sees them."""
        rays = self.surface.rays.take(index, slot)
        u, v, z = (values[0] for values in rays.project(depth))
        size = self.surface.depth.shape[-1]
        is_in_frame = (u >= 0) & (u < size) & (v >= 0) & (v < size)
        column, row = (position.clamp(0, size - 1).long() for position in (u, v))
        pixel = (rays.targets[0] * size + row) * size + column
        hull = self.surface.depth.flatten().index_select(0, pixel.flatten()).view(z.shape)
        return self.colours.at(rays.targets[0], u, v), is_in_frame & ((z - hull).abs() < slack)

    def best_step(self) -> Tensor:
        """The depth at which each pixel's window agrees best with the other views, -1 if none sees it, shape [R]."""
        surface, rays = self.surface, self.surface.rays
        parts = [
            cover_at(rays.take(piece), surface.shapes, self.depth[:, piece]) for piece in rays.chunks(len(self.depth))
        ]
        is_inside = torch.cat([self.depth[:, :0], *parts], dim=1) > IS_INSIDE
        # The first hit lies on the hull's boundary itself.
        is_inside[0] = True
        error, total = torch.zeros_like(self.depth), torch.zeros_like(self.depth)
        for slot in range(rays.targets.shape[0]):
            index = (self.weight[slot] > 0).nonzero()[:, 0]
            depth, slack = self.depth.index_select(1, index), self.slack.index_select(1, index)
            colour, is_seen = self.look(slot, index, depth, slack)
            weight = self.weight[slot, index] * (is_seen & is_inside.index_select(1, index))
            difference = (colour - self.own.index_select(1, index)[:, None]).abs().mean(0)
            error.index_add_(1, index, weight * difference)
            total.index_add_(1, index, weight)
        window = torch.zeros(2, len(self.depth), surface.depth.numel()).to(error)
        window = window.index_copy(2, surface.pixel, torch.stack([error, total]))
        window = box_sum(window.view(2, -1, *surface.depth.shape), WINDOW).flatten(2)
        error_near, total_near = window.index_select(2, surface.pixel)
        cost = torch.where(total > 0, error_near / total_near.clamp(min=1e-12), torch.inf)
        lowest, best = cost.min(0)
        return torch.where(torch.isfinite(lowest), best, -1)

    def pairs(self, best: Tensor, num_sets: int, num_views: int) -> ColourPairs:
        """The colour pairs at the chosen depths [R]."""
        rays = self.surface.rays
        found = []
        for slot in range(rays.targets.shape[0]):
            index = ((self.weight[slot] > 0) & (best >= 0)).nonzero()[:, 0]
            step = best[index]
            colour, is_seen = self.look(slot, index, self.depth[step, index][None], self.slack[step, index][None])
            seen = is_seen[0].nonzero()[:, 0]
            index = index[seen]
            own, other = self.own.index_select(1, index), colour[:, 0].index_select(1, seen)
            group = rays.view[index] + slot * num_sets * num_views
            found.append((group, own, other, self.weight[slot, index]))
        group, own, other, weight = (torch.cat(parts, dim=-1) for parts in zip(*found, strict=True))
        return ColourPairs(num_sets, num_views, self.surface.depth.shape[-1], group, own, other, weight)


def box_sum(values: Tensor, window: int) -> Tensor:
    """Sums over a square window around each pixel of [..., H, W]; outside counts as zero."""
    reach = window // 2
    for axis in (-1, -2):
        padded = functional.pad(values, (reach, reach) if axis == -1 else (0, 0, reach, reach))
        size = values.shape[axis]
        values = padded.narrow(axis, 0, size).clone()
        for k in range(1, window):
            values += padded.narrow(axis, k, size)
    return values
