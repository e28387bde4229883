"""Claimed cameras as an orbit about the object, and the same cameras claimed otherwise.

All is measured against the cameras' own look-at point and vertical, so that a turn of the whole world changes nothing.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mflab.errors import MflabError
from mflab.geometry import Cameras
from mflab.metrics.consistency.rays import look_at_point

# Sideways axes that spread less than this, as a share of the largest, leave the vertical open.
MIN_SPREAD = 1e-2
# Steps of a regular ring, and cameras that may stand for one another, differ by less, degrees; radii by less, share.
SAME_DEG, SAME_RADIUS = 1.0, 0.02


@dataclass(frozen=True)
class Orbit:
    """Where B sets of V cameras stand about their look-at points; double precision.

    Attributes:
        cameras: the claimed cameras, [B, V].
        center: look-at point, world, shape [B, 3].
        up: unit vector upwards, world, shape [B, 3].
        azimuths: clockwise seen from above, zero at view 0, degrees, shape [B, V].
        elevations: degrees, shape [B, V].
        radii: distance to the look-at point, scene units, shape [B, V].
    """

    cameras: Cameras
    center: Tensor
    up: Tensor
    azimuths: Tensor
    elevations: Tensor
    radii: Tensor

    @staticmethod
    def of(cameras: Cameras) -> "Orbit":
        """The orbit of cameras [B, V].

        The vertical is the direction that the sideways axes of all views are most nearly square to.

        Raises:
            MflabError: all cameras stand in one vertical plane, or one stands above or below the object.
        """
        c2w = cameras.c2w.double()
        right, down, forward, origin = c2w[..., :3, :].unbind(-1)
        center = look_at_point(origin, forward)
        spread, axes = torch.linalg.eigh(torch.einsum("bvi,bvj->bij", right, right))
        if bool((spread[:, 1] < MIN_SPREAD * spread[:, 2]).any()):
            raise MflabError(
                f"A camera check needs views from different sides, but all {cameras.num_views} cameras stand in one "
                "vertical plane; add views."
            )
        up = axes[..., 0]
        up = torch.where((up[:, None] * down).sum((1, 2), keepdim=True)[:, 0] > 0, -up, up)
        offset = origin - center[:, None]
        height = (offset * up[:, None]).sum(-1)
        level = offset - height[..., None] * up[:, None]
        distance = offset.norm(dim=-1)
        if bool((level.norm(dim=-1) < MIN_SPREAD * distance).any()):
            raise MflabError(
                "A camera check needs views from the side, but a camera stands straight above or below the object; "
                "leave that view out."
            )
        ahead = level[:, :1]
        beside = torch.linalg.cross(ahead, up[:, None])
        azimuths = torch.rad2deg(torch.atan2((level * beside).sum(-1), (level * ahead).sum(-1)))
        elevations = torch.rad2deg(torch.asin((height / distance).clamp(-1.0, 1.0)))
        return Orbit(cameras, center, up, azimuths, elevations, distance)

    @property
    def elevation(self) -> float:
        """Mean elevation of all views, degrees."""
        return float(self.elevations.mean())

    @property
    def step(self) -> float | None:
        """Clockwise azimuth step from view to view where all steps are alike, degrees; None for irregular views."""
        steps = (self.azimuths.diff(dim=-1) + 180.0) % 360.0 - 180.0
        mean = float(steps.mean())
        return mean if bool(((steps - mean).abs() < SAME_DEG).all()) else None

    def raised(self, offset_deg: float) -> Cameras:
        """The cameras with every elevation moved by the same offset; look-at point and radius stay."""
        position = self.cameras.position.double() - self.center[:, None]
        axis = torch.linalg.cross(position, self.up[:, None].expand_as(position))
        axis = axis / axis.norm(dim=-1, keepdim=True)
        return self._moved(axis, torch.full_like(self.azimuths, offset_deg))

    def restepped(self, step_deg: float) -> Cameras:
        """The cameras with view k at k steps clockwise from view 0."""
        number = torch.arange(self.azimuths.shape[-1]).to(self.azimuths)
        return self._turned(number * step_deg - self.azimuths)

    def stretched(self, ratio: float) -> Cameras:
        """The cameras with every azimuth from view 0 on, counted from view to view, that many times as large."""
        steps = (self.azimuths.diff(dim=-1) + 180.0) % 360.0 - 180.0
        counted = torch.cat([torch.zeros_like(self.azimuths[:, :1]), steps.cumsum(-1)], dim=-1)
        return self._turned(counted * ratio - self.azimuths)

    def turned_back(self) -> Cameras:
        """The cameras going round the other way from view 0."""
        return self._turned(-2.0 * self.azimuths)

    def rolls(self) -> list[int]:
        """Numbers of places by which views can move on while all cameras keep their places, up to a turn of the world.

        All of 0 to V - 1 for a full regular ring, 0 alone for irregular views.
        """
        found = []
        for places in range(self.azimuths.shape[-1]):
            turn = self.azimuths.roll(-places, -1) - self.azimuths
            off_turn = ((turn - turn[:, :1] + 180.0) % 360.0 - 180.0).abs().max()
            off_rise = (self.elevations.roll(-places, -1) - self.elevations).abs().max()
            off_radius = (self.radii.roll(-places, -1) / self.radii - 1.0).abs().max()
            if float(torch.maximum(off_turn, off_rise)) < SAME_DEG and float(off_radius) < SAME_RADIUS:
                found.append(places)
        return found

    def _turned(self, clockwise_deg: Tensor) -> Cameras:
        """The cameras after turns [B, V] about the vertical."""
        return self._moved(self.up[:, None].expand(*clockwise_deg.shape, 3), -clockwise_deg)

    def _moved(self, axis: Tensor, angle_deg: Tensor) -> Cameras:
        """The cameras after right-handed turns [B, V] about unit axes [B, V, 3] through the look-at point."""
        x, y, z = axis.unbind(-1)
        zero = torch.zeros_like(x)
        cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
        turn = torch.linalg.matrix_exp(torch.deg2rad(angle_deg)[..., None, None] * cross)
        c2w = self.cameras.c2w.double().clone()
        center = self.center[:, None, :, None]
        c2w[..., :3, :3] = turn @ c2w[..., :3, :3]
        c2w[..., :3, 3:] = center + turn @ (c2w[..., :3, 3:] - center)
        return replace(self.cameras, c2w=c2w.to(self.cameras.c2w))
