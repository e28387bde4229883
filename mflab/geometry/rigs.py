"""Camera rigs: view order, view names, angles and optics as one object.

Azimuths of a rig run clockwise seen from above and start at the subject's front: 0 front, 45 front right, 90 right (the
subject's right), 180 back, 270 left. The world azimuth of a view is -90 minus its rig azimuth.
"""

import math
from dataclasses import dataclass

import torch

from mflab.errors import MflabError
from mflab.geometry.cameras import Cameras, orbit_c2w

DIRECTIONS = ("front", "front_right", "right", "back_right", "back", "back_left", "left", "front_left")

# World azimuth of the subject's front, degrees: subjects face -y.
FRONT_AZIMUTH_DEG = -90.0


def direction_word(azimuth_deg: float) -> str:
    """The one of eight direction words nearest to a rig azimuth.

    Example:
        >>> direction_word(0.0), direction_word(60.0), direction_word(181.0)
        ('front', 'front_right', 'back')
    """
    return DIRECTIONS[round(azimuth_deg / 45.0) % 8]


@dataclass(frozen=True)
class Rig:
    """A fixed set of views.

    Attributes:
        name: key in `RIGS`.
        view_names: one name per view, in slot order; slot 0 is the input view.
        azimuths_deg: rig azimuth per view, degrees, clockwise from the front.
        elevations_deg: elevation per view, degrees.
        radii: distance to the origin per view, scene units.
        fov_deg: horizontal and vertical field of view per view, degrees.
    """

    name: str
    view_names: tuple[str, ...]
    azimuths_deg: tuple[float, ...]
    elevations_deg: tuple[float, ...]
    radii: tuple[float, ...]
    fov_deg: tuple[float, ...]

    @property
    def num_views(self) -> int:
        return len(self.view_names)

    def cameras(self, size: int) -> Cameras:
        """Cameras of all views for square images of `size` pixels, single precision."""
        c2w = [
            orbit_c2w(FRONT_AZIMUTH_DEG - azimuth, elevation, radius)
            for azimuth, elevation, radius in zip(self.azimuths_deg, self.elevations_deg, self.radii, strict=True)
        ]
        K = []
        for fov in self.fov_deg:
            focal = 0.5 * size / math.tan(math.radians(0.5 * fov))
            K.append([[focal, 0.0, 0.5 * size], [0.0, focal, 0.5 * size], [0.0, 0.0, 1.0]])
        return Cameras(torch.stack(c2w).float(), torch.tensor(K, dtype=torch.float32), size, size)


def _rig(
    name: str,
    azimuths_deg: tuple[float, ...],
    elevations_deg: tuple[float, ...] | float,
    radii: tuple[float, ...] | float = 2.7,
    fov_deg: tuple[float, ...] | float = 50.0,
    view_names: tuple[str, ...] | None = None,
) -> Rig:
    num_views = len(azimuths_deg)

    def per_view(value: tuple[float, ...] | float) -> tuple[float, ...]:
        return value if isinstance(value, tuple) else (value,) * num_views

    names = view_names or tuple(direction_word(azimuth) for azimuth in azimuths_deg)
    return Rig(name, names, azimuths_deg, per_view(elevations_deg), per_view(radii), per_view(fov_deg))


_FACELIFT6 = (0.0, 45.0, 90.0, 180.0, 270.0, 315.0)
_EVEN60 = (0.0, 60.0, 120.0, 180.0, 240.0, 300.0)
# Focal lengths of the markerless mouse rig in pixels of its 1024-pixel centre crop.
_MOUSE_FOCAL = (1632.3, 1556.8, 1630.3, 1606.2, 1618.3, 1636.9)
# The 32-view ring starts at world azimuth 0 and runs counter-clockwise.
_RING32 = tuple((FRONT_AZIMUTH_DEG - 11.25 * index) % 360.0 for index in range(32))

RIGS: dict[str, Rig] = {
    rig.name: rig
    for rig in (
        _rig("facelift6", _FACELIFT6, 0.0),
        _rig("facelift6_el20", _FACELIFT6, 20.0),
        _rig("facelift32", _RING32, 20.0, view_names=tuple(f"az_{azimuth:06.2f}" for azimuth in _RING32)),
        _rig("even60_el0", _EVEN60, 0.0),
        _rig("even60_el20", _EVEN60, 20.0),
        _rig("even60_el30", _EVEN60, 30.0),
        # The real rig: irregular angles, distances scaled to a mean of 2.7, azimuths relative to its camera 0.
        _rig(
            "mouse_rig6",
            (0.0, 181.0, 233.1, 135.7, 291.0, 82.9),
            (14.9, 20.6, 11.3, 10.7, 26.5, 30.8),
            (2.01, 3.38, 2.96, 2.77, 2.59, 2.49),
            tuple(math.degrees(2.0 * math.atan(512.0 / focal)) for focal in _MOUSE_FOCAL),
        ),
        # Zero123++ v1.2: six target views relative to the input, elevations absolute, 30-degree field of view.
        _rig(
            "zero123pp",
            (30.0, 90.0, 150.0, 210.0, 270.0, 330.0),
            (20.0, -10.0, 20.0, -10.0, 20.0, -10.0),
            radii=4.0,
            fov_deg=30.0,
            view_names=("front_right", "right", "back_right", "back_left", "left", "front_left"),
        ),
    )
}


def get_rig(name: str) -> Rig:
    """The rig of that name.

    Raises:
        MflabError: no such rig.
    """
    if name not in RIGS:
        raise MflabError(f"Unknown rig {name!r}; choose one of {', '.join(RIGS)}.")
    return RIGS[name]
