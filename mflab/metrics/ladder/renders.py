"""Faults that take other pictures of the truth: wrong camera positions, other objects, missing parts."""

from dataclasses import replace

import numpy as np
import torch

from mflab.data.ellipsoids import Body, render_rgba
from mflab.geometry import Cameras, orbit_c2w
from mflab.metrics.consistency import ViewSet
from mflab.metrics.ladder.perturbation import SPOILED, VIEW, replaced
from mflab.metrics.ladder.real import azimuths_deg, nearest_view
from mflab.metrics.ladder.scenes import LadderScene, render

# A file's view stands for a wrong azimuth if it is no farther off, degrees.
NEAR_DEG = 1.5
# Parts that cover less of the silhouette by themselves are no limbs.
MIN_PART = 0.003
# Width at which the areas of parts are measured.
PART_WIDTH = 64


def wrong_azimuth(scene: LadderScene, level: float, _: torch.Generator) -> ViewSet | None:
    """One view taken `level` degrees further round; files must have a view there."""
    if scene.ring is None:
        return _seen_from(scene, level, 0.0)
    azimuths = azimuths_deg(scene.ring.cameras)
    place, off = nearest_view(azimuths, azimuths[scene.places[VIEW]] + level)
    if off > NEAR_DEG:
        return None
    picture = scene.ring.select([place, place]).resized(scene.views.width)
    return replaced(scene.views, (VIEW,), picture.images[:1], picture.alpha[:1])


def wrong_elevation(scene: LadderScene, level: float, _: torch.Generator) -> ViewSet | None:
    """One view taken `level` degrees higher up; only of objects that can be rendered."""
    return _seen_from(scene, 0.0, level)


def _seen_from(scene: LadderScene, azimuth_deg: float, elevation_deg: float) -> ViewSet | None:
    if scene.body is None:
        return None
    cameras = scene.views.cameras.select([VIEW])
    moved = moved_about_origin(cameras, azimuth_deg, elevation_deg)
    return replaced(scene.views, (VIEW,), *render(scene.body, moved))


def moved_about_origin(cameras: Cameras, azimuth_deg: float, elevation_deg: float) -> Cameras:
    """Cameras that look at the origin, moved round it by these angles."""
    poses = []
    for place in cameras.position.double():
        radius = float(place.norm())
        azimuth = float(torch.rad2deg(torch.atan2(place[1], place[0])))
        elevation = float(torch.rad2deg(torch.asin(place[2] / radius)))
        poses.append(orbit_c2w(azimuth + azimuth_deg, elevation + elevation_deg, radius))
    return replace(cameras, c2w=torch.stack(poses).to(cameras.c2w))


def other_identity(scene: LadderScene, level: float, _: torch.Generator) -> ViewSet:
    """As many views as the level says show another object."""
    slots = SPOILED[: round(level)]
    images, alpha = scene.stranger
    return replaced(scene.views, slots, images[list(slots)], alpha[list(slots)])


def blended_identity(scene: LadderScene, level: float, _: torch.Generator) -> ViewSet:
    """One view mixed with that of another object, `level` per cent of it, as if both were there half-transparent."""
    images, alpha = (part[VIEW : VIEW + 1] for part in scene.stranger)
    own_images, own_alpha = scene.views.images[VIEW : VIEW + 1], scene.views.alpha[VIEW : VIEW + 1]
    share = 0.01 * level
    return replaced(scene.views, (VIEW,), torch.lerp(own_images, images, share), torch.lerp(own_alpha, alpha, share))


def unrelated(scene: LadderScene, _level: float, _: torch.Generator) -> ViewSet:
    """Every view shows another object."""
    num_views = scene.views.num_views
    pictures = [
        render(scene.strangers[slot % len(scene.strangers)], scene.views.cameras.select([slot]))
        for slot in range(num_views)
    ]
    images, alpha = torch.cat([one[0] for one in pictures]), torch.cat([one[1] for one in pictures])
    return replaced(scene.views, tuple(range(num_views)), images, alpha)


def missing_parts(scene: LadderScene, level: float, _: torch.Generator) -> ViewSet | None:
    """One view of the object without limbs that make up at least `level` per cent of its silhouette.

    Small parts go first and the largest part stays; None where that is not enough, and for files.
    """
    if scene.body is None:
        return None
    cameras = scene.views.cameras.select([VIEW])
    order = limbs(scene.body, cameras)
    for count in range(1, len(order) + 1):
        rest = without_parts(scene.body, order[:count])
        if 100.0 * lost_share(scene.body, rest, cameras) >= level:
            return replaced(scene.views, (VIEW,), *render(rest, cameras))
    return None


def limbs(body: Body, cameras: Cameras) -> list[int]:
    """Parts by the silhouette area that they alone cover, ascending, without negligible ones and the largest."""
    count = len(body.centers)
    if count < 2:
        return []
    shares = [lost_share(body, without_parts(body, [part]), cameras) for part in range(count)]
    order = sorted(range(count), key=lambda part: shares[part])
    largest = int(np.prod(body.radii, axis=1).argmax())
    return [part for part in order if shares[part] >= MIN_PART and part != largest]


def without_parts(body: Body, lost: list[int]) -> Body:
    """The body without some of its parts."""
    kept = [part for part in range(len(body.centers)) if part not in lost]
    fields = ("centers", "rotations", "radii", "colours", "second_colours", "patterns")
    return replace(body, **{name: getattr(body, name)[kept] for name in fields})


def lost_share(body: Body, rest: Body, cameras: Cameras) -> float:
    """Share of the silhouette's area that `rest` does not cover any more."""
    small = cameras.resized(PART_WIDTH, PART_WIDTH)
    before, after = (float(render_rgba(one, small)[:, 3].astype(np.float64).sum()) for one in (body, rest))
    return 1.0 - after / before
