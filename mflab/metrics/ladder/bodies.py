"""Objects that are hard for one measure or another: symmetric, thin-legged, concave, without texture."""

import math
from dataclasses import replace

import numpy as np

from mflab.data.ellipsoids import Body, Pattern
from mflab.data.objects import generic_object
from mflab.data.parts import Parts

RED, BLUE, SAND, GREEN = (0.75, 0.2, 0.15), (0.15, 0.3, 0.7), (0.8, 0.7, 0.45), (0.2, 0.55, 0.3)
RADIUS = 1.1


def vase(rng: np.random.Generator) -> Body:
    """Round bodies on one vertical axis: every silhouette of a ring of cameras is the same."""
    parts = Parts()
    for height, radius, half, colour in ((0.0, 0.42, 0.32, BLUE), (0.42, 0.24, 0.26, SAND), (0.72, 0.34, 0.1, RED)):
        parts.add((0.0, 0.0, height), (radius, radius, half), colour, second_colour=SAND, pattern=Pattern.patches)
    return parts.body(rng, pattern_scale=0.45).scaled_to(RADIUS)


def ball(rng: np.random.Generator) -> Body:
    """A patched sphere, of which silhouettes show nothing but its place and size."""
    parts = Parts()
    parts.add((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), RED, second_colour=SAND, pattern=Pattern.patches)
    return parts.body(rng, pattern_scale=0.4).scaled_to(0.7)


def stool(rng: np.random.Generator) -> Body:
    """A patched seat on three thin legs of different colours."""
    parts = Parts()
    parts.add((0.05, 0.0, 0.5), (0.5, 0.4, 0.12), SAND, second_colour=RED, pattern=Pattern.patches)
    for angle, colour in ((0.3, BLUE), (2.3, GREEN), (4.4, RED)):
        side = np.array([math.cos(angle), math.sin(angle), 0.0])
        parts.add_limb(0.3 * side + (0.0, 0.0, 0.45), 0.55 * side + (0.0, 0.0, -0.6), 0.04, colour)
    return parts.body(rng, pattern_scale=0.35).scaled_to(RADIUS)


def basket(rng: np.random.Generator) -> Body:
    """A floor with a raised rim of unequal lumps, and a handle: its inside is concave."""
    parts = Parts()
    parts.add((0.0, 0.0, -0.2), (0.55, 0.45, 0.1), SAND, second_colour=BLUE, pattern=Pattern.patches)
    for number in range(10):
        angle = 2.0 * math.pi * number / 10.0
        place = (0.55 * math.cos(angle), 0.45 * math.sin(angle), 0.0)
        height = 0.2 + 0.12 * (number % 3)
        parts.add(
            place, (0.17, 0.17, height), GREEN if number % 2 else RED, second_colour=SAND, pattern=Pattern.stripes
        )
    parts.add_limb((0.5, -0.3, 0.2), (0.95, -0.6, 0.55), 0.06, BLUE)
    return parts.body(rng, pattern_scale=0.35).scaled_to(RADIUS)


def statue(rng: np.random.Generator) -> Body:
    """A creature in one plain colour: shading is all its texture."""
    body = generic_object(rng)
    colour = np.tile(np.array([[0.62, 0.5, 0.42]]), (len(body.centers), 1))
    plain = np.full(len(body.centers), int(Pattern.plain))
    return replace(body, colours=colour, second_colours=colour, patterns=plain)
