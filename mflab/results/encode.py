"""Records (nested dataclasses of plain values) as JSON text, quick for plans of 10,000 trials."""

import dataclasses
import itertools
import json
from collections.abc import Callable
from enum import Enum
from functools import cache, lru_cache
from typing import Any


def encode(record: object) -> str:
    """A record as `json.dumps(dataclasses.asdict(record), indent=2)` writes it, enums by name, newline at the end.

    Raises:
        TypeError: a value that is not plain.
        ValueError: a number that JSON lacks.

    Example:
        >>> from mflab.results.plan import DesignRecord
        >>> print(encode(DesignRecord("one_factor", (0, 1))), end="")
        {
          "kind": "one_factor",
          "seeds": [
            0,
            1
          ]
        }
    """
    pieces: list[str] = []
    encode_to(pieces.append, record)
    return "".join(pieces)


def encode_to(write: Callable[[str], object], record: object) -> None:
    """Hands the text of `encode` over in pieces, which takes no memory for the whole."""
    _write(record, "\n", write)
    write("\n")


def _write(value: Any, newline: str, write: Callable[[str], object]) -> None:
    """Writes a value whose own line starts with `newline`: a line break and its indent."""
    if dataclasses.is_dataclass(type(value)):
        value = {name: getattr(value, name) for name in _names(type(value))}
    if isinstance(value, dict):
        (start, end), items = "{}", value.values()
    elif isinstance(value, list | tuple):
        (start, end), items = "[]", value
    else:
        write(_encoder(",").encode(value))
        return
    inner = f"{newline}  "
    if not items:
        write(start + end)
        return
    if not any(_is_container(kind) for kind in set(map(type, items))):
        # The C encoder cannot indent, but what holds no containers only needs a line break at each comma.
        write(f"{start}{inner}{_encoder(f',{inner}').encode(value)[1:-1]}{newline}{end}")
        return
    keys = map(_key, value) if isinstance(value, dict) else itertools.repeat("", len(items))
    for number, (key, item) in enumerate(zip(keys, items, strict=True)):
        write(f"{',' if number else start}{inner}{key}")
        _write(item, inner, write)
    write(f"{newline}{end}")


@cache
def _encoder(separator: str) -> json.JSONEncoder:
    return json.JSONEncoder(allow_nan=False, separators=(separator, ": "), default=_encode_leaf)


@lru_cache(maxsize=1024, typed=True)
def _key(key: Any) -> str:
    return _encoder(",").encode({key: 0})[1:-2]


def _encode_leaf(value: object) -> str:
    if isinstance(value, Enum):
        return value.name
    raise TypeError(f"a plan holds plain values only, but got {value!r} of type {type(value).__name__}")


@cache
def _is_container(kind: type) -> bool:
    return issubclass(kind, dict | list | tuple) or dataclasses.is_dataclass(kind)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))
