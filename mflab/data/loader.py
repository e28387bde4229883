"""Batches as a pure function of (seed, step): nothing to save, nothing to restore, and the same data for every arm."""

import hashlib
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mflab.data.augment import AugmentationCfg, augment
from mflab.data.scenes import SceneSource, as_float, background_value, composite
from mflab.errors import MflabError
from mflab.geometry import Cameras


class ReferenceMode(Enum):
    """Which view is the input, and whether the slots move with it.

    `fixed`: the input is slot 0. `random`: the input is a random view, slots keep their order. `rotated`: slots are
    rotated so that slot 0 shows a random view, which is the input; prompts have to rotate with them (`Batch.slots`).
    """

    fixed = "fixed"
    random = "random"
    rotated = "rotated"


@dataclass(frozen=True)
class Batch:
    """Training scenes, composited on the background.

    Attributes:
        images: colours, shape [B, V, 3, H, W], in [0, 1].
        alpha: opacity, shape [B, V, 1, H, W], in [0, 1].
        reference: slot of the input view, shape [B].
        slots: slots[b, k] is the rig's view shown in slot k, shape [B, V]; the identity unless rotated.
        is_base: whether the scene comes from the base source, shape [B].
        names: scene names.
        cameras: cameras of what the slots show, shapes [B, V, ...]; None if a scene of the batch has none.
    """

    images: Float[Tensor, "batch view 3 height width"]
    alpha: Float[Tensor, "batch view 1 height width"]
    reference: Int[Tensor, " batch"]
    slots: Int[Tensor, "batch view"]
    is_base: Bool[Tensor, " batch"]
    names: tuple[str, ...]
    cameras: Cameras | None


def generator_for(seed: int, *purpose: int | str) -> np.random.Generator:
    """A generator that depends on the seed and on every part of the purpose, and on nothing else.

    Example:
        >>> int(generator_for(0, 7, "reference").integers(100)) == int(generator_for(0, 7, "reference").integers(100))
        True
    """
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


class Loader:
    """Batches of scenes from a source, with a share from a base source.

    Sample order, reference views, base draws and augmentations come from generators of their own, keyed by seed and
    step. So arms that differ in one of these settings see the same values of all others.

    Args:
        source: training scenes.
        base_source: scenes of the base task with as many views of the same size, or None.
        batch_size: scenes per batch.
        seed: non-negative.
        background: white, black, gray or a grey level in [0, 1].

    Raises:
        MflabError: an empty source, a batch size below 1, or sources that do not fit one another.
    """

    def __init__(
        self, source: SceneSource, base_source: SceneSource | None, batch_size: int, seed: int, background: float | str
    ) -> None:
        if batch_size < 1:
            raise MflabError(f"batch_size must be at least 1, but got batch_size={batch_size}.")
        for candidate in (source, base_source):
            if candidate is not None and len(candidate) == 0:
                raise MflabError(f"A data source needs scenes, but {candidate.name} has none.")
        if base_source is not None and base_source[0].rgba.shape != source[0].rgba.shape:
            raise MflabError(
                f"Base and training scenes must have one shape [V, 4, H, W], but {base_source.name} has "
                f"{tuple(base_source[0].rgba.shape)} and {source.name} has {tuple(source[0].rgba.shape)}."
            )
        self.source = source
        self.base_source = base_source
        self.batch_size = batch_size
        self.seed = seed
        self.background = background_value(background)
        self._epoch_order = lru_cache(maxsize=2)(
            lambda epoch: generator_for(seed, epoch, "epoch").permutation(len(source))
        )

    def indices(self, step: int) -> tuple[int, ...]:
        """Scenes of the training source that step `step` takes; each epoch visits every scene once."""
        first = step * self.batch_size
        positions = (divmod(position, len(self.source)) for position in range(first, first + self.batch_size))
        return tuple(int(self._epoch_order(epoch)[within]) for epoch, within in positions)

    def batch(
        self, step: int, augmentation: AugmentationCfg, reference: ReferenceMode, base_fraction: float = 0.0
    ) -> Batch:
        """The batch of step `step`, the same whenever and wherever it is asked for.

        Args:
            step: training step, from 0.
            augmentation: applied to every scene before compositing.
            reference: how the input view is chosen.
            base_fraction: probability that a scene is replaced by one of the base source.

        Raises:
            MflabError: `base_fraction` outside [0, 1] or without a base source, or a flip that the rig does not allow.
        """
        is_base = self._draw_base(step, base_fraction)
        base_draws = generator_for(self.seed, step, "base_index").random(self.batch_size)
        images, names, cameras = [], [], []
        for row, index in enumerate(self.indices(step)):
            source, scene_index = self.source, index
            if self.base_source is not None and is_base[row]:
                source, scene_index = self.base_source, int(base_draws[row] * len(self.base_source))
            scene = source[scene_index]
            rgba, seen_by = augment(
                as_float(scene.rgba),
                scene.cameras,
                source.azimuths_deg,
                source.elevations_deg,
                augmentation,
                generator_for(self.seed, step, row, "augmentation"),
            )
            images.append(rgba)
            names.append(scene.name)
            cameras.append(seen_by)
        rgba = torch.stack(images)
        input_view, slots = self._draw_reference(step, rgba.shape[1], reference)
        if reference is ReferenceMode.rotated:
            rgba = torch.stack([scene[order] for scene, order in zip(rgba, slots, strict=True)])
        colour, alpha = composite(rgba, self.background)
        return Batch(colour, alpha, input_view, slots, torch.from_numpy(is_base), tuple(names), _stack(cameras, slots))

    def _draw_base(self, step: int, base_fraction: float) -> np.ndarray:
        if not 0.0 <= base_fraction <= 1.0:
            raise MflabError(f"base_fraction must lie in [0, 1], but got base_fraction={base_fraction}.")
        if base_fraction > 0 and self.base_source is None:
            raise MflabError(f"base_fraction needs a base source, but got base_fraction={base_fraction} without one.")
        return generator_for(self.seed, step, "is_base").random(self.batch_size) < base_fraction

    def _draw_reference(
        self, step: int, num_views: int, mode: ReferenceMode
    ) -> tuple[Int[Tensor, " batch"], Int[Tensor, "batch view"]]:
        """Slot of the input and view of each slot, per scene."""
        views = torch.from_numpy(generator_for(self.seed, step, "reference").integers(num_views, size=self.batch_size))
        slots = torch.arange(num_views).repeat(self.batch_size, 1)
        if mode is ReferenceMode.random:
            return views, slots
        if mode is ReferenceMode.rotated:
            slots = (slots + views[:, None]) % num_views
        return torch.zeros_like(views), slots


def _stack(cameras: list[Cameras | None], slots: Int[Tensor, "batch view"]) -> Cameras | None:
    """Cameras of all scenes in slot order, or None if a scene has none."""
    chosen = [one.select(order.tolist()) for one, order in zip(cameras, slots, strict=True) if one is not None]
    if len(chosen) < len(cameras):
        return None
    return Cameras.stacked(chosen)
