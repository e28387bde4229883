"""Perturbations of whole sets: order, cameras, controls, and changes common to all views."""

from collections.abc import Callable
from dataclasses import replace

import torch

from mflab.geometry import Cameras
from mflab.metrics.consistency import ViewSet
from mflab.metrics.consistency.orbit import Orbit
from mflab.metrics.ladder.perturbation import SPOILED, Apply, replaced
from mflab.metrics.ladder.pixels import Recolour, recoloured, with_noise
from mflab.metrics.ladder.scenes import LadderScene

NEIGHBOURS, OPPOSITE = ((2, 3), (4, 5), (0, 1)), ((2, 5), (1, 4))
FRONT, BACK = 0, 3


def swapped(pairs: tuple[tuple[int, int], ...]) -> Apply:
    """As many pairs of views as the level says in each other's place."""

    def apply(scene: LadderScene, level: float, _: torch.Generator) -> ViewSet:
        order = list(range(scene.views.num_views))
        for one, other in pairs[: round(level)]:
            order[one], order[other] = order[other], order[one]
        return ordered(scene.views, order)

    return apply


def ordered(views: ViewSet, order: list[int]) -> ViewSet:
    """The pictures in another order, the cameras as they were."""
    return ViewSet(views.images[order], views.alpha[order], views.cameras)


def mirrored(scene: LadderScene, level: float, _: torch.Generator) -> ViewSet:
    """As many views as the level says, seen in a mirror."""
    slots = SPOILED[: round(level)]
    views = scene.views
    return replaced(views, slots, views.images[list(slots)].flip(-1), views.alpha[list(slots)].flip(-1))


def janus(scene: LadderScene, _level: float, _: torch.Generator) -> ViewSet:
    """The back shows the front, mirrored: the object has two faces."""
    views = scene.views
    front = slice(FRONT, FRONT + 1)
    return replaced(views, (BACK,), views.images[front].flip(-1), views.alpha[front].flip(-1))


def claimed(cameras_of: str, sign: float = 1.0) -> Apply:
    """All cameras claimed otherwise: `elevation` or azimuth `step` off by the level in degrees, or `focal` by per cent.

    `sign` is that of the error of the claim.
    """

    def apply(scene: LadderScene, level: float, _: torch.Generator) -> ViewSet | None:
        views = scene.views
        if cameras_of == "focal":
            K = views.cameras.K.clone()
            K[..., :2, :2] *= 1.0 + 0.01 * sign * level
            return replace(views, cameras=replace(views.cameras, K=K))
        orbit = Orbit.of(one_batch(views.cameras))
        if cameras_of == "elevation":
            return replace(views, cameras=no_batch(orbit.raised(sign * level)))
        step = orbit.step
        return None if step is None else replace(views, cameras=no_batch(orbit.restepped(step + sign * level)))

    return apply


def one_batch(cameras: Cameras) -> Cameras:
    return replace(cameras, c2w=cameras.c2w[None], K=cameras.K[None])


def no_batch(cameras: Cameras) -> Cameras:
    return replace(cameras, c2w=cameras.c2w[0], K=cameras.K[0])


def same_image(scene: LadderScene, _level: float, _: torch.Generator) -> ViewSet:
    """The first view in every place."""
    return ordered(scene.views, [0] * scene.views.num_views)


def noise_in_masks(scene: LadderScene, _level: float, generator: torch.Generator) -> ViewSet:
    """True silhouettes filled with noise."""
    views = scene.views
    grey = torch.lerp(torch.ones_like(views.images), torch.full_like(views.images, 0.5), views.alpha)
    return replaced(views, tuple(range(views.num_views)), *with_noise(grey, views.alpha, 0.25, generator))


def full_frame_noise(scene: LadderScene, _level: float, generator: torch.Generator) -> ViewSet:
    """Noise everywhere, with masks that cover everything."""
    noise = torch.rand(scene.views.images.shape, generator=generator)
    return ViewSet(noise, torch.ones_like(scene.views.alpha), scene.views.cameras)


def reversed_order(scene: LadderScene, _level: float, _: torch.Generator) -> ViewSet:
    """The views run the other way round."""
    return ordered(scene.views, [-slot % scene.views.num_views for slot in range(scene.views.num_views)])


def all_recoloured(change: Callable[[float], Recolour]) -> Apply:
    """The same change of colour in all views, made from the level."""

    def apply(scene: LadderScene, level: float, _: torch.Generator) -> ViewSet:
        views = scene.views
        pictures = recoloured(views.images, views.alpha, change(level))
        return replaced(views, tuple(range(views.num_views)), *pictures)

    return apply


def eight_bit(scene: LadderScene, _level: float, _: torch.Generator) -> ViewSet:
    """Colours and masks in 8 bits."""
    views = scene.views
    return ViewSet((views.images * 255.0).round() / 255.0, (views.alpha * 255.0).round() / 255.0, views.cameras)


def black_background(scene: LadderScene, _level: float, _: torch.Generator) -> ViewSet:
    """Stored in 8 bits over black, then put on white again by its stored mask."""
    views = scene.views
    stored = views.images - (1.0 - views.alpha)
    stored, alpha = ((part.clamp(0.0, 1.0) * 255.0).round() / 255.0 for part in (stored, views.alpha))
    return ViewSet((stored + 1.0 - alpha).clamp(0.0, 1.0), alpha, views.cameras)


def other_resolution(scene: LadderScene, level: float, _: torch.Generator) -> ViewSet | None:
    """`level` times as many pixels across; None where files have no more."""
    return scene.at_width(round(level * scene.views.width))


def is_regular(cameras: Cameras) -> bool:
    """Whether every view can take the place of its neighbour by a turn of the world."""
    return len(Orbit.of(one_batch(cameras)).rolls()) == cameras.num_views


def rolled(scene: LadderScene, level: float, _: torch.Generator) -> ViewSet | None:
    """All views moved on by `level` places: a turn of the object; None for irregular views."""
    if not is_regular(scene.views.cameras):
        return None
    return ordered(
        scene.views, [(slot + round(level)) % scene.views.num_views for slot in range(scene.views.num_views)]
    )


def mirrored_object(scene: LadderScene, level: float, generator: torch.Generator) -> ViewSet | None:
    """Every view mirrored and the order reversed: the views of a mirrored object; None for irregular views."""
    if not is_regular(scene.views.cameras):
        return None
    views = reversed_order(scene, level, generator)
    return ViewSet(views.images.flip(-1), views.alpha.flip(-1), views.cameras)
