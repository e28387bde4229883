"""Runs a measure over collections of view sets in pieces that fit the device."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from mflab.metrics.consistency.view_set import ViewSet

Result = TypeVar("Result", bound=tuple[Tensor, ...])
# Sets measured at once: one keeps intermediate results in a CPU's cache, several fill a GPU.
CPU_SETS, GPU_SETS = 1, 16


def over_sets(view_set: ViewSet, measure: Callable[[ViewSet], Result]) -> Result:
    """Returns what `measure` says of every set, with the batch of `view_set` as leading axes of every field.

    Args:
        view_set: one or more sets.
        measure: named tuple of tensors [B, ...] for a flattened collection of B sets; independent between sets.
    """
    views = view_set.flattened()
    size = CPU_SETS if views.images.device.type == "cpu" else GPU_SETS
    numbers = range(len(views.images))
    results = [measure(views.take(numbers[start : start + size])) for start in numbers[::size]]
    fields: list[Any] = [
        torch.cat(parts).reshape((*view_set.batch_shape, *parts[0].shape[1:])) for parts in zip(*results, strict=True)
    ]
    return type(results[0])(*fields)
