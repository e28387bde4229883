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
from torch._utils import _flatten_dense_tensors

_DTYPES = {str(dtype): dtype for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64)}
_DTYPES |= {str(dtype): dtype for dtype in (torch.int32, torch.uint8, torch.bool)}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
# Tensors are written together up to this size.
_PART_BYTES = 2**20
# What a description says of a value that JSON has no word for: one tensor, several of one type in a list or under keys,
# a dict, a dict of dicts that all have the same keys.
_TENSOR, _TENSORS, _PAIRS, _TABLE = "tensor", "tensors", "pairs", "table"


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
        order = _order(value)
        tensors.append(value.permute(order).contiguous() if order else value)
        return {_TENSOR: [_NAMES[value.dtype], tensors[-1].shape, *([order] if order else [])]}
    if isinstance(value, dict):
        together = _describe_together(list(value.values()), tensors)
        if together is not None:
            return {_TENSORS: [list(value), *together]}
        columns = _columns(value)
        if columns:
            named = [[key, _describe(column, tensors)] for key, column in columns.items()]
            return {_TABLE: [list(value), named]}
        return {_PAIRS: [[key, _describe(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        together = _describe_together(value, tensors)
        if together is not None:
            return {_TENSORS: [None, *together]}
        return [_describe(item, tensors) for item in value]
    return value


def _describe_together(values: Sequence[Any], tensors: list[Tensor]) -> list[Any] | None:
    """Type, shapes, and order of axes of those that have one of their own; None for anything but several tensors of one
    type. A thousand tensors described by themselves would take as long as a training step."""
    types = {value.dtype if isinstance(value, Tensor) else None for value in values}
    if len(values) < 2 or len(types) > 1 or None in types:
        return None
    orders = [[place, _order(value)] for place, value in enumerate(values) if not value.is_contiguous()]
    laid = list(values)
    for place, order in orders:
        laid[place] = values[place].permute(order).contiguous()
    tensors += laid
    return [_NAMES[values[0].dtype], [value.shape for value in laid], orders]


def _order(value: Tensor) -> list[int]:
    """Axes in the order in which they lie in memory, empty if that is their own; a tensor with gaps is copied without
    them."""
    strides = value.stride()
    return [] if value.is_contiguous() else sorted(range(value.dim()), key=lambda axis: -strides[axis])


def _columns(value: dict[Any, Any]) -> dict[Any, list[Any]]:
    """The inner values of a dict of dicts by their keys; empty unless all of several have the same texts for keys."""
    rows = list(value.values())
    if len(rows) < 2 or not all(isinstance(row, dict) for row in rows):
        return {}
    keys = list(rows[0])
    # Of numbers, 1 is equal to true, but not the same.
    is_table = all(isinstance(key, str) for key in keys) and all(list(row) == keys for row in rows)
    return {key: [row[key] for row in rows] for key in keys} if is_table else {}


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
    # Without gradients, of which weights would keep track. Private, but a single call, where `cat` of flat views would
    # need one for each of a thousand tensors.
    with torch.no_grad():
        return (group[0] if len(group) == 1 else _flatten_dense_tensors(group)).cpu()


def _restore(value: Any, file: BinaryIO, device: torch.device) -> Any:
    if isinstance(value, list):
        return [_restore(item, file, device) for item in value]
    if not isinstance(value, dict):
        return value
    if _PAIRS in value:
        return {key: _restore(item, file, device) for key, item in value[_PAIRS]}
    if _TABLE in value:
        keys, columns = value[_TABLE]
        restored = {name: _restore(column, file, device) for name, column in columns}
        return {key: {name: column[place] for name, column in restored.items()} for place, key in enumerate(keys)}
    if _TENSORS in value:
        keys, name, shapes, orders = value[_TENSORS]
        own = dict(orders)
        found = [_read(name, shape, own.get(place), file, device) for place, shape in enumerate(shapes)]
        return found if keys is None else dict(zip(keys, found, strict=True))
    name, shape, *order = value[_TENSOR]
    return _read(name, shape, order[0] if order else None, file, device)


def _read(name: str, shape: list[int], order: list[int] | None, file: BinaryIO, device: torch.device) -> Tensor:
    """A tensor whose axes lie in memory in an order of their own, or in theirs if there is none."""
    tensor = torch.empty(shape, dtype=_DTYPES[name])
    content = file.read(tensor.numel() * tensor.element_size())
    _bytes(tensor)[:] = np.frombuffer(content, np.uint8)
    if order is not None:
        tensor = tensor.permute([order.index(axis) for axis in range(len(shape))])
    return tensor.to(device)


def _bytes(tensor: Tensor) -> np.ndarray:
    """The memory of a contiguous CPU tensor."""
    return tensor.reshape(-1).view(torch.uint8).numpy()
