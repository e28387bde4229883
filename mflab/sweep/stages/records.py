"""What the store keeps beside states: histories of training, evaluations and their pictures, as bytes."""

import io
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Float

from mflab.results import MetricRow

_MAGIC = b"arrays 1\n"


@dataclass(frozen=True)
class History:
    """Every step of a chain up to a state; `seconds` is what each step took.

    Example:
        >>> history = History(*(np.array([1.0, 2.0]) for _ in range(4)))
        >>> History.from_bytes(history.to_bytes()).seconds.tolist(), history.extended(history).num_steps
        ([1.0, 2.0], 4)
    """

    loss: Float[np.ndarray, " step"]
    lr: Float[np.ndarray, " step"]
    grad_norm: Float[np.ndarray, " step"]
    seconds: Float[np.ndarray, " step"]

    @classmethod
    def empty(cls) -> "History":
        return cls(*(np.zeros(0) for _ in fields(cls)))

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[float, float, float, float]]) -> "History":
        """From one row a step: loss, lr, grad_norm, seconds."""
        table = np.array(rows, np.float64).reshape(-1, 4)
        return cls(*table.T.copy())

    @property
    def num_steps(self) -> int:
        return len(self.loss)

    def extended(self, other: "History") -> "History":
        """This history and what came after it."""
        pairs = ((getattr(self, item.name), getattr(other, item.name)) for item in fields(self))
        return History(*(np.concatenate(pair) for pair in pairs))

    def to_bytes(self) -> bytes:
        return _pack({item.name: getattr(self, item.name) for item in fields(self)})

    @classmethod
    def from_bytes(cls, content: bytes) -> "History":
        arrays = _unpack(content)
        return cls(*(arrays[item.name] for item in fields(cls)))


class Evaluation(NamedTuple):
    """Rows of one validation, and the seconds that it took."""

    rows: list[MetricRow]
    seconds: float


def pack_evaluation(rows: Sequence[MetricRow], seconds: float) -> bytes:
    """The rows of one validation, without its step, and the seconds that it took."""
    return _pack(
        {
            "seconds": np.array(seconds),
            "scene": np.array([row.scene for row in rows]),
            "view": np.array([row.view for row in rows]),
            "metric": np.array([row.metric for row in rows]),
            "seen": np.array([row.seen for row in rows]),
            "value": np.array([row.value for row in rows]),
        }
    )


def unpack_evaluation(step: int) -> Callable[[BinaryIO], Evaluation]:
    """A reader of `pack_evaluation` that gives the rows their step."""

    def read(file: BinaryIO) -> Evaluation:
        arrays = _unpack(file.read())
        columns = (arrays[name].tolist() for name in ("scene", "view", "seen", "metric", "value"))
        rows = [MetricRow(step, *values) for values in zip(*columns, strict=True)]
        return Evaluation(rows, float(arrays["seconds"]))

    return read


def pack_pictures(pictures: Mapping[str, bytes]) -> bytes:
    """Files by name."""
    names = np.array(list(pictures)) if pictures else np.zeros(0, "<U1")
    files = [np.frombuffer(content, np.uint8) for content in pictures.values()]
    return _pack({"names": names, **{f"file{place}": content for place, content in enumerate(files)}})


def unpack_pictures(file: BinaryIO) -> dict[str, bytes]:
    """The inverse of `pack_pictures`."""
    arrays = _unpack(file.read())
    return {str(name): arrays[f"file{place}"].tobytes() for place, name in enumerate(arrays["names"])}


def _pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A description in JSON, then the numbers of one array after another: a zip archive takes ten times as long.

    Raises:
        ValueError: an array of objects, which has addresses in place of numbers.
    """
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise ValueError(f"Stored arrays must hold numbers or texts, but {', '.join(objects)} holds objects.")
    head = json.dumps([[name, array.dtype.str, array.shape] for name, array in arrays.items()]).encode()
    return b"".join([_MAGIC, struct.pack("<Q", len(head)), head, *(array.tobytes() for array in arrays.values())])


def _unpack(packed: bytes) -> dict[str, np.ndarray]:
    """Read-only arrays by name."""
    if not packed.startswith(_MAGIC):
        # Entries of older stores are archives.
        with np.load(io.BytesIO(packed), allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    start = len(_MAGIC) + 8
    (size,) = struct.unpack("<Q", packed[len(_MAGIC) : start])
    arrays: dict[str, np.ndarray] = {}
    place = start + size
    for name, kind, shape in json.loads(packed[start:place]):
        arrays[name] = np.ndarray(shape, np.dtype(kind), packed, place)
        place += arrays[name].nbytes
    return arrays
