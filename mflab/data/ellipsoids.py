"""Bodies of coloured ellipsoids and their exact pictures by analytic ray-ellipsoid intersection.

A ray o + t d meets the ellipsoid {c + R diag(r) u : |u| = 1} where |A (o + t d - c)|^2 = 1 with A = diag(1/r) R^T, a
quadratic in t. Its outline in the image is a conic whose extent bounds the pixels that have to be tested.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from jaxtyping import Float, Int, UInt8

from mflab.geometry import Cameras


class Pattern(IntEnum):
    """How the two colours of a part are laid out in its object's own frame."""

    plain = 0
    patches = 1
    stripes = 2
    belly = 3


@dataclass(frozen=True)
class Body:
    """An object made of ellipsoids, z up, facing -y, scene units.

    Attributes:
        centers: shape [E, 3].
        rotations: orthonormal, columns are the axes, shape [E, 3, 3].
        radii: positive, shape [E, 3].
        colours: first colour, in [0, 1], shape [E, 3].
        second_colours: second colour, in [0, 1], shape [E, 3].
        patterns: a `Pattern` per ellipsoid, shape [E].
        pattern_waves: wave vectors of the pattern, shape [W, 3], radians per scene unit.
        pattern_phases: shape [W], radians.
        light: unit vector towards the light, shape [3].
        ambient: share of light that does not depend on the normal, in [0, 1].
    """

    centers: Float[np.ndarray, "part 3"]
    rotations: Float[np.ndarray, "part 3 3"]
    radii: Float[np.ndarray, "part 3"]
    colours: Float[np.ndarray, "part 3"]
    second_colours: Float[np.ndarray, "part 3"]
    patterns: Int[np.ndarray, " part"]
    pattern_waves: Float[np.ndarray, "wave 3"]
    pattern_phases: Float[np.ndarray, " wave"]
    light: Float[np.ndarray, " 3"]
    ambient: float

    def mirrored(self) -> "Body":
        """The same body seen in a mirror that swaps left and right (x -> -x), light and pattern included."""
        flip = np.diag([-1.0, 1.0, 1.0])
        return replace(
            self,
            centers=self.centers @ flip,
            rotations=flip @ self.rotations @ flip,
            pattern_waves=self.pattern_waves @ flip,
            light=self.light @ flip,
        )

    def scaled_to(self, radius: float) -> "Body":
        """The body centred on the origin and scaled so that it just fits a sphere of that radius."""
        reach = np.sqrt(np.einsum("eij,ej->ei", self.rotations**2, self.radii**2))
        low, high = (self.centers - reach).min(axis=0), (self.centers + reach).max(axis=0)
        middle = 0.5 * (low + high)
        extent = np.linalg.norm(self.centers - middle, axis=1) + self.radii.max(axis=1)
        scale = radius / extent.max()
        return replace(
            self,
            centers=(self.centers - middle) * scale,
            radii=self.radii * scale,
            pattern_waves=self.pattern_waves / scale,
        )


def _outline_boxes(body: Body, w2c: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Pixel boxes (left, top, right, bottom) of every part in every view, shape [V, E, 4].

    The dual conic of the outline is P Q* P^T with the dual quadric Q* of the ellipsoid (Hartley & Zisserman, Multiple
    View Geometry, 2nd ed., eq. 8.5); its extent along an axis solves a quadratic.
    """
    shape = np.einsum("eij,ej,ekj->eik", body.rotations, body.radii**2, body.rotations)
    dual = np.zeros((len(body.centers), 4, 4))
    dual[:, :3, :3] = shape - body.centers[:, :, None] * body.centers[:, None, :]
    dual[:, :3, 3] = dual[:, 3, :3] = -body.centers
    dual[:, 3, 3] = -1.0
    projection = K @ w2c[:, :3, :]
    conic = np.einsum("vij,ejk,vlk->veil", projection, dual, projection)
    scale = conic[..., 2, 2]
    boxes = np.empty((*scale.shape, 4))
    for axis in (0, 1):
        middle = conic[..., axis, 2] / scale
        half = np.sqrt(np.maximum(middle**2 - conic[..., axis, axis] / scale, 0.0))
        boxes[..., axis], boxes[..., axis + 2] = middle - half, middle + half
    return boxes


def _nearest_hits(body: Body, cameras: Cameras, samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ray parameter [V, h, w], part index [V, h, w] (-1 empty), ray directions [V, h, w, 3] and origins [V, 3].

    Directions have unit depth, so that the ray parameter is the depth along the optical axis.
    """
    c2w = cameras.c2w.numpy().astype(np.float64)
    K = cameras.K.numpy().astype(np.float64)
    w2c = cameras.w2c.numpy().astype(np.float64)
    height, width = cameras.height * samples, cameras.width * samples
    boxes = _outline_boxes(body, w2c, K) * samples
    columns, rows = (np.arange(width) + 0.5) / samples, (np.arange(height) + 0.5) / samples
    directions = np.empty((len(c2w), height, width, 3), dtype=np.float32)
    depth = np.full((len(c2w), height, width), np.inf, dtype=np.float32)
    part = np.full((len(c2w), height, width), -1, dtype=np.int32)
    inverse = (body.rotations / body.radii[:, None, :]).transpose(0, 2, 1)
    for view in range(len(c2w)):
        x = (columns - K[view, 0, 2]) / K[view, 0, 0]
        y = (rows - K[view, 1, 2]) / K[view, 1, 1]
        rotation = c2w[view, :3, :3]
        directions[view] = x[None, :, None] * rotation[:, 0] + y[:, None, None] * rotation[:, 1] + rotation[:, 2]
        origins = np.einsum("eij,ej->ei", inverse, c2w[view, :3, 3] - body.centers).astype(np.float32)
        for index in range(len(body.centers)):
            left, top, right, bottom = boxes[view, index]
            window = (
                slice(max(int(top) - 1, 0), min(int(bottom) + 2, height)),
                slice(max(int(left) - 1, 0), min(int(right) + 2, width)),
            )
            d = directions[view][window] @ inverse[index].T.astype(np.float32)
            if d.size == 0:
                continue
            o = origins[index]
            a = np.einsum("hwi,hwi->hw", d, d)
            b = d @ o
            discriminant = b * b - a * (o @ o - 1.0)
            t = (-b - np.sqrt(np.maximum(discriminant, 0.0))) / a
            nearest = depth[view][window]
            hit = (discriminant > 0) & (t > 0) & (t < nearest)
            nearest[hit] = t[hit]
            part[view][window][hit] = index
    return depth, part, directions, c2w[:, :3, 3]


def _shade(body: Body, points: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Lambert-shaded colour of surface points [N, 3] on parts [N], in [0, 1]."""
    rotation, radii = body.rotations[part].astype(np.float32), body.radii[part].astype(np.float32)
    local = np.einsum("nij,ni->nj", rotation, points - body.centers[part].astype(np.float32))
    normal = np.einsum("nij,nj->ni", rotation, local / radii**2)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    waves = np.sin(points @ body.pattern_waves.T.astype(np.float32) + body.pattern_phases.astype(np.float32))
    kind = body.patterns[part]
    weight = np.zeros(len(points), dtype=np.float32)
    for pattern, value in (
        (Pattern.patches, waves.mean(axis=1) * 12.0),
        (Pattern.stripes, waves[:, 0] * 6.0),
        (Pattern.belly, (-normal[:, 2] - 0.25) * 6.0),
    ):
        chosen = kind == pattern
        weight[chosen] = 1.0 / (1.0 + np.exp(-value[chosen]))
    albedo = body.colours[part] * (1.0 - weight[:, None]) + body.second_colours[part] * weight[:, None]
    # Half-Lambert: dark sides keep their form instead of going black.
    diffuse = (0.5 + 0.5 * normal @ body.light.astype(np.float32)) ** 2
    return np.clip(albedo * (body.ambient + (1.0 - body.ambient) * diffuse)[:, None], 0.0, 1.0)


def render_rgba(body: Body, cameras: Cameras, samples: int = 2) -> UInt8[np.ndarray, "view 4 height width"]:
    """Pictures of a body from posed cameras.

    Args:
        body: the object.
        cameras: V views of H x W pixels.
        samples: colour and alpha average samples x samples rays per pixel, at least 1.

    Returns:
        Straight colour and alpha (coverage), shape [V, 4, H, W].
    """
    depth, part, directions, origins = _nearest_hits(body, cameras, samples)
    mask = part >= 0
    view, row, column = np.nonzero(mask)
    points = origins[view].astype(np.float32) + depth[mask][:, None] * directions[view, row, column]
    colour = np.zeros((*part.shape, 3), dtype=np.float32)
    colour[mask] = _shade(body, points, part[mask])
    blocks = (len(part), cameras.height, samples, cameras.width, samples)
    coverage = mask.reshape(blocks).mean(axis=(2, 4), dtype=np.float32)
    mean = colour.reshape(*blocks, 3).mean(axis=(2, 4)) / np.maximum(coverage, 1e-6)[..., None]
    rgba = np.concatenate([mean, coverage[..., None]], axis=-1).transpose(0, 3, 1, 2)
    return np.round(255.0 * np.clip(rgba, 0.0, 1.0)).astype(np.uint8)


def render_depth(body: Body, cameras: Cameras) -> Float[np.ndarray, "view height width"]:
    """Exact depth along the optical axis at pixel centres, scene units, inf where the ray meets nothing."""
    return _nearest_hits(body, cameras, 1)[0]
