"""Collects ellipsoids part by part into a `Body`, with mirrored pairs."""

from dataclasses import dataclass, field

import numpy as np

from mflab.data.ellipsoids import Body, Pattern

Vector = tuple[float, float, float] | np.ndarray


def rotation_from_euler(pitch: float, yaw: float, roll: float = 0.0) -> np.ndarray:
    """Rotation that rolls about y, then pitches about x (nose up), then yaws about z; radians, shape [3, 3]."""
    cp, sp, cy, sy, cr, sr = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    return about_z @ about_x @ about_y


def rotation_to_axis(direction: np.ndarray) -> np.ndarray:
    """Rotation whose second column (the long axis of a part) points along `direction`, shape [3, 3]."""
    long_axis = direction / np.linalg.norm(direction)
    spare = np.array([0.0, 0.0, 1.0]) if abs(long_axis[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    side = np.cross(long_axis, spare)
    side /= np.linalg.norm(side)
    return np.stack([side, long_axis, np.cross(side, long_axis)], axis=1)


@dataclass
class Parts:
    """A growing list of ellipsoids."""

    centers: list[np.ndarray] = field(default_factory=list)
    rotations: list[np.ndarray] = field(default_factory=list)
    radii: list[np.ndarray] = field(default_factory=list)
    colours: list[np.ndarray] = field(default_factory=list)
    second_colours: list[np.ndarray] = field(default_factory=list)
    patterns: list[int] = field(default_factory=list)

    def add(
        self,
        center: Vector,
        radii: Vector,
        colour: Vector,
        rotation: np.ndarray | None = None,
        second_colour: Vector | None = None,
        pattern: Pattern = Pattern.plain,
    ) -> None:
        """Adds one ellipsoid; colours in [0, 1], lengths in scene units."""
        self.centers.append(np.asarray(center, dtype=np.float64))
        self.radii.append(np.asarray(radii, dtype=np.float64))
        self.rotations.append(np.eye(3) if rotation is None else rotation)
        self.colours.append(np.asarray(colour, dtype=np.float64))
        self.second_colours.append(np.asarray(colour if second_colour is None else second_colour, dtype=np.float64))
        self.patterns.append(int(pattern))

    def add_limb(self, start: Vector, end: Vector, thickness: float, colour: Vector) -> None:
        """Adds an ellipsoid stretched between two points."""
        start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        half = 0.5 * float(np.linalg.norm(end - start)) + 0.5 * thickness
        self.add(0.5 * (start + end), (thickness, half, thickness), colour, rotation_to_axis(end - start))

    def turned(self, rotation: np.ndarray, first: int, pivot: np.ndarray) -> None:
        """Turns all parts from index `first` on about a pivot."""
        for index in range(first, len(self.centers)):
            self.centers[index] = rotation @ (self.centers[index] - pivot) + pivot
            self.rotations[index] = rotation @ self.rotations[index]

    def body(self, rng: np.random.Generator, pattern_scale: float) -> Body:
        """The collected parts under a random light from above, with a random pattern of about `pattern_scale` units."""
        azimuth, height = rng.uniform(-np.pi, np.pi), rng.uniform(0.35, 0.95)
        light = np.array([np.cos(azimuth) * np.sqrt(1 - height**2), np.sin(azimuth) * np.sqrt(1 - height**2), height])
        waves = rng.standard_normal((4, 3)) * (2.0 / pattern_scale)
        return Body(
            np.stack(self.centers),
            np.stack(self.rotations),
            np.stack(self.radii),
            np.stack(self.colours),
            np.stack(self.second_colours),
            np.asarray(self.patterns),
            waves,
            rng.uniform(0.0, 2.0 * np.pi, 4),
            light,
            float(rng.uniform(0.45, 0.75)),
        )
