"""Generic procedural objects for pre-training, mirror-symmetric and facing -y."""

import colorsys

import numpy as np

from mflab.data.ellipsoids import Body, Pattern
from mflab.data.parts import Parts, rotation_from_euler


def _colour(rng: np.random.Generator) -> np.ndarray:
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.beta(1.6, 1.6), rng.uniform(0.12, 0.88)))


def _pattern(rng: np.random.Generator) -> Pattern:
    return Pattern(int(rng.choice(4, p=[0.5, 0.2, 0.15, 0.15])))


def _creature(parts: Parts, rng: np.random.Generator) -> None:
    """A body on legs or upright, with head, eyes and perhaps ears, arms and tail."""
    main, second, detail = _colour(rng), _colour(rng), _colour(rng)
    upright = rng.random() < 0.45
    pattern = _pattern(rng)
    width, length = rng.uniform(0.18, 0.38), rng.uniform(0.3, 0.6)
    axes = (width, width * rng.uniform(0.7, 1.0), length) if upright else (width, length, width * rng.uniform(0.8, 1.2))
    parts.add((0.0, 0.0, 0.0), axes, main, second_colour=second, pattern=pattern)
    head_size = rng.uniform(0.14, 0.30)
    head = (
        np.array([0.0, -0.12, axes[2] + 0.7 * head_size])
        if upright
        else np.array([0.0, -length - 0.3 * head_size, rng.uniform(0.0, 0.4)])
    )
    head_colour = main if rng.random() < 0.6 else second
    parts.add(head, np.array([1.0, rng.uniform(0.8, 1.3), rng.uniform(0.8, 1.1)]) * head_size, head_colour)
    if rng.random() < 0.7:
        parts.add(head + (0.0, -head_size, -0.1 * head_size), np.array([0.45, 0.6, 0.4]) * head_size, detail)
    for side in (-1.0, 1.0):
        parts.add(
            head + np.array([side * 0.5, -0.75, 0.25]) * head_size, np.full(3, 0.2) * head_size, (0.05, 0.05, 0.06)
        )
    if rng.random() < 0.6:
        ear = np.array([rng.uniform(0.15, 0.5), 0.15, rng.uniform(0.3, 0.8)]) * head_size
        for side in (-1.0, 1.0):
            parts.add(head + np.array([side * 0.65, 0.1, 0.9]) * head_size, ear, detail)
    foot = -axes[2] - rng.uniform(0.1, 0.4)
    for y in (0.0,) if upright else (-0.6 * length, 0.6 * length):
        for side in (-1.0, 1.0):
            parts.add_limb(
                (side * 0.6 * width, y, -0.5 * axes[2]),
                (side * 0.75 * width, y - 0.03, foot),
                rng.uniform(0.05, 0.1),
                main,
            )
    if upright:
        reach = np.array([rng.uniform(0.2, 0.4), rng.uniform(-0.3, 0.1), rng.uniform(-0.4, 0.3)])
        for side in (-1.0, 1.0):
            shoulder = np.array([side * 0.8 * width, 0.0, 0.5 * axes[2]])
            parts.add_limb(shoulder, shoulder + reach * (side, 1.0, 1.0), rng.uniform(0.04, 0.09), second)
    elif rng.random() < 0.7:
        parts.add_limb(
            (0.0, 0.9 * length, 0.05),
            (0.0, length + rng.uniform(0.15, 0.5), rng.uniform(-0.1, 0.5)),
            rng.uniform(0.03, 0.08),
            second,
        )


def _vehicle(parts: Parts, rng: np.random.Generator) -> None:
    """A long hull with a cabin, wheels and lamps."""
    hull, cabin, trim = _colour(rng), _colour(rng), _colour(rng)
    length, width = rng.uniform(0.5, 0.8), rng.uniform(0.22, 0.36)
    parts.add(
        (0.0, 0.0, 0.0), (width, length, rng.uniform(0.12, 0.22)), hull, second_colour=trim, pattern=_pattern(rng)
    )
    parts.add(
        (0.0, rng.uniform(-0.1, 0.25), 0.18),
        (0.8 * width, length * rng.uniform(0.35, 0.6), rng.uniform(0.14, 0.26)),
        cabin,
    )
    wheel = rng.uniform(0.10, 0.17)
    for y in (-0.6 * length, 0.6 * length):
        for side in (-1.0, 1.0):
            parts.add((side * width, y, -0.14), (0.06, wheel, wheel), (0.08, 0.08, 0.09))
    for side in (-1.0, 1.0):
        parts.add((side * 0.5 * width, -0.93 * length, 0.02), (0.05, 0.05, 0.05), (0.85, 0.8, 0.45))
        parts.add((side * 0.5 * width, 0.93 * length, 0.02), (0.05, 0.05, 0.05), (0.7, 0.1, 0.1))


def _stack(parts: Parts, rng: np.random.Generator) -> None:
    """Round bodies on top of one another: vases, towers, lamps."""
    height = 0.0
    for _ in range(int(rng.integers(2, 6))):
        radius, half = rng.uniform(0.12, 0.42), rng.uniform(0.08, 0.3)
        depth = radius * (1.0 if rng.random() < 0.6 else rng.uniform(0.5, 1.2))
        parts.add(
            (0.0, 0.0, height + half),
            (radius, depth, half),
            _colour(rng),
            second_colour=_colour(rng),
            pattern=_pattern(rng),
        )
        height += 1.5 * half
    if rng.random() < 0.7:
        parts.add(
            (0.0, -rng.uniform(0.2, 0.4), rng.uniform(0.2, 0.8) * height), rng.uniform(0.05, 0.15, 3), _colour(rng)
        )


def _blob(parts: Parts, rng: np.random.Generator) -> None:
    """Mirrored pairs and single parts at random places around the middle plane."""
    parts.add(
        (0.0, 0.0, 0.0), rng.uniform(0.2, 0.5, 3), _colour(rng), second_colour=_colour(rng), pattern=_pattern(rng)
    )
    for _ in range(int(rng.integers(2, 6))):
        center, radii, colour = rng.normal(0.0, 0.33, 3), rng.uniform(0.06, 0.3, 3), _colour(rng)
        pitch = rng.normal(0.0, 0.5)
        if rng.random() < 0.4:
            parts.add(center * (0.0, 1.0, 1.0), radii, colour, rotation_from_euler(pitch, 0.0))
            continue
        yaw = rng.normal(0.0, 0.6)
        for side in (-1.0, 1.0):
            parts.add(center * (side, 1.0, 1.0), radii, colour, rotation_from_euler(pitch, side * yaw))


_FAMILIES = (_creature, _vehicle, _stack, _blob)


def generic_object(rng: np.random.Generator) -> Body:
    """A random object that faces -y (within about 10 degrees), fitting a sphere of radius 0.95 to 1.14.

    Args:
        rng: draws family, shape, colours, pattern and light.
    """
    parts = Parts()
    family = _FAMILIES[int(rng.choice(len(_FAMILIES), p=[0.5, 0.15, 0.15, 0.2]))]
    family(parts, rng)
    parts.turned(rotation_from_euler(float(rng.normal(0.0, 0.05)), float(rng.normal(0.0, 0.09))), 0, np.zeros(3))
    return parts.body(rng, pattern_scale=0.45).scaled_to(float(rng.uniform(0.95, 1.14)))
