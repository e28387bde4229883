"""Splits that keep neighbouring frames on one side, and the check that nothing is on both."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mflab.data.fingerprint import image_digest
from mflab.data.scenes import SceneSource
from mflab.errors import MflabError


class Split(NamedTuple):
    """Sample indices for training and for validation, each ascending, without common element."""

    train: tuple[int, ...]
    val: tuple[int, ...]


def split_by_block(num_samples: int, fraction: float, gap: int, num_blocks: int = 1) -> Split:
    """Holds out contiguous blocks of a recording, with a gap of unused samples on each side.

    The recording is cut into `num_blocks` equal stretches; the tail of each is held out. One block holds out the end.

    Args:
        num_samples: samples in temporal order.
        fraction: share of samples held out, in ]0, 1[.
        gap: samples dropped between training and validation, at least 0; choose it longer than a motion lasts.
        num_blocks: number of held-out blocks, at least 1.

    Raises:
        MflabError: a number out of range, or one side would be empty.

    Example:
        >>> split_by_block(10, 0.2, gap=1)
        Split(train=(0, 1, 2, 3, 4, 5, 6), val=(8, 9))
    """
    _check_fraction(fraction)
    if gap < 0 or num_blocks < 1:
        raise MflabError(
            f"gap must be at least 0 and num_blocks at least 1, but got gap={gap}, num_blocks={num_blocks}."
        )
    edges = [round(block * num_samples / num_blocks) for block in range(num_blocks + 1)]
    val = np.zeros(num_samples, dtype=bool)
    for start, end in pairwise(edges):
        val[max(start, end - max(1, round(fraction * (end - start)))) : end] = True
    near = np.zeros(num_samples, dtype=bool)
    for index in np.flatnonzero(val):
        near[max(0, index - gap) : index + gap + 1] = True
    split = Split(tuple(np.flatnonzero(~near).tolist()), tuple(np.flatnonzero(val).tolist()))
    return _check_split(split, f"num_samples={num_samples}, fraction={fraction}, gap={gap}, num_blocks={num_blocks}")


def split_by_scene(names: Sequence[str], fraction: float, generator: np.random.Generator) -> Split:
    """Holds out whole scenes at random: samples of one scene (animal, session, object) never part.

    Args:
        names: scene of each sample.
        fraction: share of scenes held out, in ]0, 1[.
        generator: source of the permutation of scenes.

    Raises:
        MflabError: fraction out of range, or one side would be empty.

    Example:
        >>> split_by_scene(["a", "a", "b", "c"], 0.3, np.random.default_rng(0)).val
        (3,)
    """
    _check_fraction(fraction)
    scenes = sorted(set(names))
    held_out = {scenes[index] for index in generator.permutation(len(scenes))[: max(1, round(fraction * len(scenes)))]}
    val = tuple(index for index, name in enumerate(names) if name in held_out)
    train = tuple(index for index, name in enumerate(names) if name not in held_out)
    return _check_split(Split(train, val), f"fraction={fraction} of {len(scenes)} scenes")


def find_leakage(train: SceneSource, val: SceneSource) -> str | None:
    """The first image that validation shares with training, as words that name both samples and views, or None."""
    seen: dict[str, str] = {}
    for source, is_train in ((train, True), (val, False)):
        for index in range(len(source)):
            scene = source[index]
            for view_name, image in zip(scene.view_names, scene.rgba, strict=True):
                digest, where = image_digest(image), f"{source.name}/{scene.name} ({view_name})"
                if is_train:
                    seen[digest] = where
                elif digest in seen:
                    return f"{where} equals {seen[digest]}"
    return None


def check_leakage(train: SceneSource, val: SceneSource) -> None:
    """Refuses a validation set that shows an image of the training set.

    Raises:
        MflabError: the same visible image content is in both; names both samples and views.
    """
    shared = find_leakage(train, val)
    if shared is not None:
        raise MflabError(
            f"Training and validation must not share images, but {shared}; split by time block or by scene."
        )


def _check_fraction(fraction: float) -> None:
    if not 0.0 < fraction < 1.0:
        raise MflabError(f"fraction must lie between 0 and 1, but got fraction={fraction}; 0.1 holds out a tenth.")


def _check_split(split: Split, settings: str) -> Split:
    if not split.train or not split.val:
        raise MflabError(
            f"Both sides of a split need samples, but got {len(split.train)} for training and {len(split.val)} for "
            f"validation with {settings}; use more samples or a smaller gap or fraction."
        )
    return split
