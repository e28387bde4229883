"""Training states as bytes: a description in JSON, then every tensor's numbers one after another.

`torch.save` spends more time on a thousand small tensors than on their content. Large tensors are not held twice: they
are written from their own memory and read into it. Memory layouts (channels last) come back as they were, since kernels
choose by them.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

_DTYPES = {str(dtype): dtype for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64)}
_DTYPES |= {str(dtype): dtype for dtype in (torch.int32, torch.uint8, torch.bool)}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
# Tensors are written together up to this size.
_PART_BYTES = 2**20
_TENSOR, _PAIRS = "tensor", "pairs"


class PackedState:
    """Nested dicts, lists and tuples of tensors and plain values, ready to be written front to back.

    It refers to the tensors: what changes them before they are written is written.

    Args:
        content: dicts may have keys of any plain type; tuples come back as lists.
    """

    def __init__(self, content: Any) -> None:
        self._tensors: list[Tensor] = []
        self._head = json.dumps(_describe(content, self._tensors)).encode()
        self._sizes = [tensor.numel() * tensor.element_size() for tensor in self._tensors]

    @property
    def num_bytes(self) -> int:
        """Number of bytes that `write` writes."""
        return 8 + len(self._head) + sum(self._sizes)

    def write(self, file: BinaryIO) -> None:
        """Writes the description and all numbers."""
        file.write(struct.pack("<Q", len(self._head)) + self._head)
        for part in _parts(self._tensors, self._sizes):
            file.write(_bytes(part).data)


def read_state(file: BinaryIO, device: torch.device) -> Any:
    """What `PackedState` wrote, with tensors on a device."""
    (size,) = struct.unpack("<Q", file.read(8))
    return _restore(json.loads(file.read(size)), file, device)


def _describe(value: Any, tensors: list[Tensor]) -> Any:
    if isinstance(value, Tensor):
        if value.is_contiguous():
            tensors.append(value)
            return {_TENSOR: [_NAMES[value.dtype], list(value.shape)]}
        # Axes in the order in which they lie in memory; a tensor with gaps is copied without them.
        strides = value.stride()
        order = sorted(range(value.dim()), key=lambda axis: -strides[axis])
        in_memory = value.permute(order).contiguous()
        tensors.append(in_memory)
        return {_TENSOR: [_NAMES[value.dtype], list(in_memory.shape), order]}
    if isinstance(value, dict):
        return {_PAIRS: [[key, _describe(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_describe(item, tensors) for item in value]
    return value


def _parts(tensors: Sequence[Tensor], sizes: Sequence[int]) -> Iterator[Tensor]:
    """The same numbers in fewer tensors on the CPU: a call per small tensor would cost more than its content."""
    group: list[Tensor] = []
    total = 0
    for tensor, size in zip(tensors, sizes, strict=True):
        if group and (total + size > _PART_BYTES or tensor.dtype is not group[0].dtype):
            yield _joined(group)
            group, total = [], 0
        group.append(tensor)
        total += size
    if group:
        yield _joined(group)


def _joined(group: list[Tensor]) -> Tensor:
    return (group[0] if len(group) == 1 else torch.cat([tensor.ravel() for tensor in group])).detach().cpu()


def _restore(value: Any, file: BinaryIO, device: torch.device) -> Any:
    if isinstance(value, list):
        return [_restore(item, file, device) for item in value]
    if not isinstance(value, dict):
        return value
    if _PAIRS in value:
        return {key: _restore(item, file, device) for key, item in value[_PAIRS]}
    # A tensor whose axes lie in memory in their own order has no third entry.
    name, shape, *order = value[_TENSOR]
    tensor = torch.empty(shape, dtype=_DTYPES[name])
    content = file.read(tensor.numel() * tensor.element_size())
    _bytes(tensor)[:] = np.frombuffer(content, np.uint8)
    if order:
        tensor = tensor.permute([order[0].index(axis) for axis in range(len(shape))])
    return tensor.to(device)


def _bytes(tensor: Tensor) -> np.ndarray:
    """The memory of a contiguous CPU tensor."""
    return tensor.reshape(-1).view(torch.uint8).numpy()
