"""What a perturbation is: a fault, a lie about cameras, a control or a change that no measure may mind."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from mflab.metrics.consistency import ViewSet
from mflab.metrics.ladder.scenes import LadderScene

# The view that faults of one view spoil.
VIEW = 2
# Views that faults of one, two and three views spoil.
SPOILED = (2, 4, 0)
# Width at which strengths in pixels are stated.
REFERENCE_WIDTH = 128

Apply = Callable[[LadderScene, float, torch.Generator], ViewSet | None]


class Kind(Enum):
    """What a measure should make of a perturbation.

    fault: the views disagree. camera: the views agree, but not with their cameras. control: gross errors that must be
    refused. invariance: the same change of all views, which must raise no alarm. gauge: views and cameras changed
    together so that they still describe an object; nothing can see it.
    """

    fault = "fault"
    camera = "camera"
    control = "control"
    invariance = "invariance"
    gauge = "gauge"


@dataclass(frozen=True)
class Perturbation:
    """One way to spoil a set, at rising strength.

    Attributes:
        name: unique in the ladder.
        kind: what should be made of it.
        unit: of the levels.
        levels: strengths, ascending, positive; for controls and invariances just different cases.
        apply: scene, level and generator to the spoiled set; None where a scene cannot have it.
        meaning: what it does, in words.
    """

    name: str
    kind: Kind
    unit: str
    levels: tuple[float, ...]
    apply: Apply
    meaning: str

    def at(self, scene: LadderScene, level: float, seed: int) -> ViewSet | None:
        """Returns the set of `scene` at a strength; level zero is the true views themselves.

        Random parts are drawn once per seed, scene and perturbation, so that levels differ in strength alone.
        """
        if level == 0:
            return scene.views
        name = f"{seed}/{scene.name}/{self.name}"
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
        return self.apply(scene, level, torch.Generator().manual_seed(number))


def replaced(views: ViewSet, slots: tuple[int, ...], images: Tensor, alpha: Tensor) -> ViewSet:
    """The set with the pictures [N] of some slots replaced; rounding beyond [0, 1] is cut off."""
    all_images, all_alpha = views.images.clone(), views.alpha.clone()
    all_images[list(slots)], all_alpha[list(slots)] = images.clamp(0.0, 1.0), alpha.clamp(0.0, 1.0)
    return ViewSet(all_images, all_alpha, views.cameras)


def on_one(change: Callable[[Tensor, Tensor, float, torch.Generator], tuple[Tensor, Tensor]]) -> Apply:
    """The change of one view."""
    return _on((VIEW,), change)


def on_all(change: Callable[[Tensor, Tensor, float, torch.Generator], tuple[Tensor, Tensor]]) -> Apply:
    """The change of every view, with random parts of its own for each."""
    return _on(None, change)


def on_some(change: Callable[[Tensor, Tensor, float, torch.Generator], tuple[Tensor, Tensor]]) -> Apply:
    """The change at full strength of as many views as the level says."""

    def apply(scene: LadderScene, level: float, generator: torch.Generator) -> ViewSet:
        slots = SPOILED[: round(level)]
        images, alpha = scene.views.images[list(slots)], scene.views.alpha[list(slots)]
        return replaced(scene.views, slots, *change(images, alpha, 1.0, generator))

    return apply


def _on(
    slots: tuple[int, ...] | None,
    change: Callable[[Tensor, Tensor, float, torch.Generator], tuple[Tensor, Tensor]],
) -> Apply:
    def apply(scene: LadderScene, level: float, generator: torch.Generator) -> ViewSet:
        chosen = tuple(range(scene.views.num_views)) if slots is None else slots
        images, alpha = scene.views.images[list(chosen)], scene.views.alpha[list(chosen)]
        return replaced(scene.views, chosen, *change(images, alpha, level, generator))

    return apply
