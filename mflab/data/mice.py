"""Articulated procedural mice: torso, head, ears, eyes, limbs and tail; coat, pose and light vary."""

import colorsys

import numpy as np

from mflab.data.ellipsoids import Body, Pattern
from mflab.data.parts import Parts, rotation_from_euler

# Hue, saturation and value of common coats: agouti, black, grey, beige, cinnamon, chocolate, albino cream.
_COATS = (
    (0.08, 0.45, 0.48),
    (0.07, 0.15, 0.16),
    (0.60, 0.06, 0.52),
    (0.10, 0.35, 0.75),
    (0.06, 0.60, 0.60),
    (0.05, 0.50, 0.32),
    (0.09, 0.12, 0.84),
)
_PINK = np.array([0.85, 0.58, 0.56])


def _coat(rng: np.random.Generator) -> np.ndarray:
    hue, saturation, value = _COATS[rng.integers(len(_COATS))]
    hue = (hue + rng.normal(0.0, 0.012)) % 1.0
    saturation = float(np.clip(saturation + rng.normal(0.0, 0.06), 0.0, 0.9))
    value = float(np.clip(value + rng.normal(0.0, 0.05), 0.08, 0.88))
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def _add_head(parts: Parts, rng: np.random.Generator, neck: np.ndarray, coat: np.ndarray) -> None:
    first = len(parts.centers)
    skin = _PINK * rng.uniform(0.8, 1.05)
    head = neck + np.array([0.0, -0.20, 0.02])
    parts.add(head, (0.165, 0.21, 0.155), coat)
    parts.add(head + (0.0, -0.17, -0.04), (0.085, 0.13, 0.08), coat)
    parts.add(head + (0.0, -0.295, -0.045), (0.03, 0.03, 0.026), skin)
    ear = rng.uniform(0.095, 0.135)
    for side in (-1.0, 1.0):
        tilt = rotation_from_euler(0.15, 0.0, side * 0.35)
        parts.add(head + (side * 0.13, 0.05, 0.15), (ear, 0.03, ear * 1.1), 0.6 * coat + 0.4 * skin, tilt)
        parts.add(head + (side * 0.13, 0.03, 0.15), (ear * 0.7, 0.022, ear * 0.8), skin, tilt)
        parts.add(head + (side * 0.105, -0.115, 0.05), (0.032, 0.032, 0.032), (0.04, 0.03, 0.03))
    turn = rotation_from_euler(rng.normal(0.0, 0.15), rng.normal(0.0, 0.22), rng.normal(0.0, 0.08))
    parts.turned(turn, first, neck)


def _add_legs(parts: Parts, rng: np.random.Generator, torso: float, coat: np.ndarray) -> None:
    skin = _PINK * rng.uniform(0.85, 1.05)
    for y, spread, thick in ((-0.30, 0.17, 0.055), (0.28 + 0.5 * (torso - 0.45), 0.22, 0.085)):
        phase = rng.normal(0.0, 0.10)
        for side in (-1.0, 1.0):
            hip = np.array([side * spread, y, 0.0])
            knee = hip + (side * 0.04, -0.05 + side * phase, -0.16)
            foot = knee + (side * 0.01, -0.03 + 0.5 * side * phase, -0.12)
            parts.add_limb(hip, knee, thick, coat)
            parts.add_limb(knee, foot, 0.6 * thick, 0.5 * coat + 0.5 * skin)
            parts.add(foot + (0.0, -0.045, -0.01), (0.04, 0.085, 0.025), skin)


def _add_tail(parts: Parts, rng: np.random.Generator, root: np.ndarray) -> None:
    skin = _PINK * rng.uniform(0.6, 0.95)
    heading, lift = rng.normal(0.0, 0.35), rng.normal(0.05, 0.2)
    bend, curl = rng.normal(0.0, 0.22), rng.normal(0.03, 0.06)
    position = root
    num_joints, length = 9, float(rng.uniform(0.055, 0.075))
    for joint in range(num_joints):
        step = np.array([np.sin(heading) * np.cos(lift), np.cos(heading) * np.cos(lift), np.sin(lift)]) * length
        parts.add_limb(position, position + step, 0.036 * (1.0 - 0.7 * joint / num_joints), skin)
        position, heading, lift = position + step, heading + bend, lift + curl


def mouse(rng: np.random.Generator) -> Body:
    """A random mouse that faces -y (within about 15 degrees), fitting a sphere of radius 1.14.

    That is the largest sphere that a view of 50 degrees shows whole from a distance of 2.7.

    Args:
        rng: draws size, pose, coat, pattern and light.
    """
    parts = Parts()
    coat = _coat(rng)
    second = _coat(rng) if rng.random() < 0.5 else np.clip(coat * 0.5 + 0.42, 0.0, 0.9)
    pattern = Pattern(int(rng.choice(4, p=[0.3, 0.25, 0.1, 0.35])))
    torso, girth = float(rng.uniform(0.40, 0.52)), float(rng.uniform(0.21, 0.28))
    bend = rotation_from_euler(0.0, rng.normal(0.0, 0.18))
    parts.add((0.0, 0.0, 0.02), (girth, torso, girth * 0.95), coat, second_colour=second, pattern=pattern)
    rump = bend @ np.array([0.0, 0.62 * torso, 0.02])
    parts.add(rump, (girth * 1.18, 0.30, girth * 1.1), coat, bend, second, pattern)
    parts.add(
        (0.0, -0.62 * torso, 0.01), (girth * 0.82, 0.22, girth * 0.85), coat, second_colour=second, pattern=pattern
    )
    _add_legs(parts, rng, torso, coat)
    _add_tail(parts, rng, rump + bend @ np.array([0.0, 0.26, 0.0]))
    hooded = second if rng.random() < 0.2 else coat
    neck = np.array([0.0, -0.85 * torso, 0.07])
    _add_head(parts, rng, neck, hooded)
    rear_up = max(float(rng.normal(0.0, 0.12)), -0.1)
    parts.turned(rotation_from_euler(rear_up, float(rng.normal(0.0, 0.13))), 0, np.zeros(3))
    return parts.body(rng, pattern_scale=0.35).scaled_to(1.14)
