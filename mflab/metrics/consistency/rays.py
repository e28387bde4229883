"""Rays through pixels, and where they run in the images of the other views.

A point at depth z (along the optical axis) on the ray of pixel (u, v) lies in another view at (x / w, y / w) with
(x, y, w) = z * slope + offset, where slope = K' R'^T R K^-1 (u, v, 1) and offset = K' R'^T (c - c').
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mflab.geometry import Cameras

# The ball that holds the scene, as a multiple of what a view shows at the distance of the look-at point.
BALL_SHARE = 1.6
# Array elements handled at once: keeps intermediate results in the cache of a CPU, fills a GPU.
CPU_ELEMENTS, GPU_ELEMENTS = 2**16, 2**24


@dataclass(frozen=True)
class Geometry:
    """Relations between all views of each set, flattened to N = sets * V views; double precision until used.

    Attributes:
        num_views: V.
        turn: K' R'^T R K^-1 from view n to view t of the same set, at index n * V + t, shape [N * V, 3, 3].
        shift: K' R'^T (c - c'), shape [N * V, 3].
        to_world: R K^-1 per view, pixel to a world direction of unit depth, shape [N, 3, 3].
        origin: camera position per view, shape [N, 3].
        forward: optical axis per view, world, shape [N, 3].
        center: point nearest to all optical axes of the view's set, shape [N, 3].
        radius: radius of the scene ball of the view's set, shape [N].
    """

    num_views: int
    turn: Tensor
    shift: Tensor
    to_world: Tensor
    origin: Tensor
    forward: Tensor
    center: Tensor
    radius: Tensor

    @staticmethod
    def of(cameras: Cameras) -> "Geometry":
        """Relations of cameras [B, V]."""
        c2w, K = cameras.c2w.double(), cameras.K.double()
        num_views = c2w.shape[1]
        rotation, origin = c2w[..., :3, :3], c2w[..., :3, 3]
        to_world = rotation @ torch.linalg.inv(K)
        to_pixel = K @ rotation.mT
        turn = to_pixel[:, None] @ to_world[:, :, None]
        shift = torch.einsum("btij,bstj->bsti", to_pixel, origin[:, :, None] - origin[:, None])
        center = look_at_point(origin, rotation[..., :, 2])
        reach = (origin - center[:, None]).norm(dim=-1) * 0.5 * cameras.width / K[..., 0, 0]
        return Geometry(
            num_views,
            turn.reshape(-1, 3, 3),
            shift.reshape(-1, 3),
            to_world.reshape(-1, 3, 3),
            origin.reshape(-1, 3),
            rotation[..., :, 2].reshape(-1, 3),
            center.repeat_interleave(num_views, dim=0),
            (BALL_SHARE * reach.mean(1)).repeat_interleave(num_views),
        )


def look_at_point(origin: Tensor, forward: Tensor) -> Tensor:
    """The point with the least squared distance to the optical axes of each set, [B, V, 3] to [B, 3].

    Parallel axes leave it open along their direction; the solution next to the middle of the cameras is taken.
    """
    across = torch.eye(3).to(origin) - forward[..., :, None] * forward[..., None, :]
    middle = origin.mean(1)
    target = (across @ (origin - middle[:, None])[..., None]).sum(1)
    return middle + (torch.linalg.pinv(across.sum(1), rtol=1e-6, hermitian=True) @ target)[..., 0]


@dataclass(frozen=True)
class Rays:
    """R rays, each with J other views in which it is looked up; rays come last so that lookups stay contiguous.

    Attributes:
        view: view of each ray, flat number, shape [R].
        u: pixel position, shape [R].
        v: pixel position, shape [R].
        targets: flat numbers of the other views, shape [J, R].
        slope: shape [3, J, R].
        offset: shape [3, J, R].
        near: depth at which the scene begins, shape [R].
        far: depth at which it ends; not beyond `near` where the ray misses it, shape [R].
    """

    view: Tensor
    u: Tensor
    v: Tensor
    targets: Tensor
    slope: Tensor
    offset: Tensor
    near: Tensor
    far: Tensor

    @property
    def num_rays(self) -> int:
        return self.u.shape[0]

    def take(self, index: Tensor | slice, slot: int | None = None) -> "Rays":
        """The rays of these numbers, looked up in all their other views or in the `slot`-th alone."""
        parts = (self.targets, self.slope, self.offset)
        if slot is not None:
            parts = tuple(part[..., slot : slot + 1, :] for part in parts)
        view, u, v, targets, slope, offset, near, far = (
            part[..., index] if isinstance(index, slice) else part.index_select(-1, index)
            for part in (self.view, self.u, self.v, *parts, self.near, self.far)
        )
        return Rays(view, u, v, targets, slope, offset, near, far)

    def chunks(self, samples: int) -> Iterator[slice]:
        """Ranges of rays small enough to be looked up at `samples` depths at once."""
        elements = CPU_ELEMENTS if self.u.device.type == "cpu" else GPU_ELEMENTS
        size = max(1, elements // (samples * self.targets.shape[0]))
        return (slice(start, start + size) for start in range(0, self.num_rays, size))

    def project(self, depth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Positions u, v in pixels and depth in the other views, each [J, S, R], of the points at depth [S, R]."""
        x, y, w = (self.slope[k][:, None] * depth + self.offset[k][:, None] for k in range(3))
        inverse = w.clamp(min=1e-6).reciprocal()
        return x * inverse, y * inverse, w

    def depths(self, shares: Tensor) -> Tensor:
        """Depths [S, R] at these shares [S] of the way from `near` to `far`."""
        return self.near + shares[:, None] * (self.far - self.near)


def cast(geometry: Geometry, view: Tensor, u: Tensor, v: Tensor, targets: Tensor) -> Rays:
    """Rays through pixel positions (u, v) [R] of views [R], bounded by the scene ball, to be looked up in [J, R]."""
    pair = (view * geometry.num_views + targets % geometry.num_views).flatten()
    shape = targets.shape
    turn, shift = geometry.turn.flatten(1).T.to(u), geometry.shift.T.to(u)
    terms = [turn[k].index_select(0, pair).view(shape) for k in range(9)]
    slope = torch.stack([terms[3 * k] * u + terms[3 * k + 1] * v + terms[3 * k + 2] for k in range(3)])
    offset = torch.stack([shift[k].index_select(0, pair).view(shape) for k in range(3)])
    near, far = _ball(geometry, view, u, v)
    return Rays(view, u, v, targets, slope, offset, near, far)


def directions(geometry: Geometry, view: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """World direction of unit depth through each pixel, shape [3, R]."""
    rows = geometry.to_world.flatten(1).T.to(u)
    terms = [rows[k].index_select(0, view) for k in range(9)]
    return torch.stack([terms[3 * k] * u + terms[3 * k + 1] * v + terms[3 * k + 2] for k in range(3)])


def _ball(geometry: Geometry, view: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Depths at which each ray enters and leaves the scene ball; a ray that misses it has far = near."""
    direction = directions(geometry, view, u, v)
    to_center = (geometry.center - geometry.origin).T.to(u).index_select(1, view)
    radius = geometry.radius.to(u).index_select(0, view)
    length = direction.square().sum(0)
    middle = (direction * to_center).sum(0) / length
    squared = middle.square() - (to_center.square().sum(0) - radius.square()) / length
    half = squared.clamp(min=0.0).sqrt()
    return (middle - half).clamp(min=1e-3), (middle + half).clamp(min=1e-3)


def clip(rays: Rays, boxes: Tensor) -> Rays:
    """The same rays bounded to where they run inside the bounding box [N, 4] of every silhouette they are looked up in.

    Outside the boxes some coverage is zero, so a scan loses nothing and its samples lie closer.
    """
    near, far = rays.near, rays.far
    x, y, w = rays.slope
    x0, y0, w0 = rays.offset
    left, top, right, bottom = boxes[rays.targets].unbind(-1)
    # Each side is a half-space p z + q >= 0; the last one keeps points in front of the other camera.
    sides = (
        (x - left * w, x0 - left * w0, torch.isfinite(left)),
        (right * w - x, right * w0 - x0, torch.isfinite(right)),
        (y - top * w, y0 - top * w0, torch.isfinite(top)),
        (bottom * w - y, bottom * w0 - y0, torch.isfinite(bottom)),
        (w, w0, torch.ones_like(w, dtype=torch.bool)),
    )
    for p, q, is_known in sides:
        root = -q / p
        rising, falling = is_known & (p > 0), is_known & (p < 0)
        is_outside = is_known & (p == 0) & (q < 0)
        near = torch.maximum(near, torch.where(rising, root, -torch.inf).amax(0))
        far = torch.minimum(far, torch.where(falling, root, torch.inf).amin(0))
        far = torch.where(is_outside.any(0), near, far)
    return replace(rays, near=near, far=torch.maximum(near, far))


def other_views(view: Tensor, num_views: int) -> Tensor:
    """Flat numbers of the other views of each view's set, ascending, shape [V - 1, R]."""
    slot = torch.arange(num_views - 1, device=view.device)[:, None]
    own = view % num_views
    return view - own + slot + (slot >= own).to(slot)
