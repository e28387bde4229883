"""Training states as bytes: a description in JSON, then every tensor's numbers one after another.

`torch.save` spends more time on a thousand small tensors than on their content. Large tensors are not held twice: they
are written from their own memory and read into it. Memory layouts (channels last) come back as they were, since kernels
choose by them.
"""

import json
import struct
from collections.abc import Iterable, Iterator
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


def write_state(file: BinaryIO, content: Any) -> None:
    """Writes nested dicts, lists and tuples of tensors and plain values, front to back.

    Args:
        file: where to.
        content: dicts may have keys of any plain type; tuples come back as lists.
    """
    tensors: list[Tensor] = []
    head = json.dumps(_describe(content, tensors)).encode()
    file.write(struct.pack("<Q", len(head)) + head)
    for part in _parts(tensors):
        file.write(_bytes(part).data)


def read_state(file: BinaryIO, device: torch.device) -> Any:
    """The inverse of `write_state`, with tensors on a device."""
    (size,) = struct.unpack("<Q", file.read(8))
    return _restore(json.loads(file.read(size)), file, device)


def _describe(value: Any, tensors: list[Tensor]) -> Any:
    if isinstance(value, Tensor):
        in_memory, order = value.detach(), list(range(value.dim()))
        if not in_memory.is_contiguous():
            # Axes in the order in which they lie in memory; a tensor with gaps is copied without them.
            strides = value.stride()
            order.sort(key=lambda axis: -strides[axis])
            in_memory = in_memory.permute(order).contiguous()
        tensors.append(in_memory)
        return {_TENSOR: [_NAMES[value.dtype], list(in_memory.shape), order]}
    if isinstance(value, dict):
        return {_PAIRS: [[key, _describe(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_describe(item, tensors) for item in value]
    return value


def _parts(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    """The same numbers in fewer tensors on the CPU: a call per small tensor would cost more than its content."""
    group: list[Tensor] = []
    size = 0
    for tensor in tensors:
        num_bytes = tensor.numel() * tensor.element_size()
        if group and (size + num_bytes > _PART_BYTES or tensor.dtype is not group[0].dtype):
            yield _joined(group)
            group, size = [], 0
        group.append(tensor.reshape(-1))
        size += num_bytes
    if group:
        yield _joined(group)


def _joined(group: list[Tensor]) -> Tensor:
    return (group[0] if len(group) == 1 else torch.cat(group)).cpu()


def _restore(value: Any, file: BinaryIO, device: torch.device) -> Any:
    if isinstance(value, list):
        return [_restore(item, file, device) for item in value]
    if not isinstance(value, dict):
        return value
    if _PAIRS in value:
        return {key: _restore(item, file, device) for key, item in value[_PAIRS]}
    name, shape, order = value[_TENSOR]
    tensor = torch.empty(shape, dtype=_DTYPES[name])
    content = file.read(tensor.numel() * tensor.element_size())
    _bytes(tensor)[:] = np.frombuffer(content, np.uint8)
    return tensor.permute([order.index(axis) for axis in range(len(order))]).to(device)


def _bytes(tensor: Tensor) -> np.ndarray:
    """The memory of a contiguous CPU tensor."""
    return tensor.reshape(-1).view(torch.uint8).numpy()
