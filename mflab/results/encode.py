"""Records (nested dataclasses of plain values) as JSON text, quick for plans of 10,000 trials."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import cache
from typing import Any


def encode(record: object) -> str:
    """A record as JSON text: a line for each field, and for each element of a field that holds containers.

    The values are those of `dataclasses.asdict`, other enums than numbers by name; the text ends with a newline.

    Raises:
        TypeError: a value that is not plain.
        ValueError: a number that JSON lacks.

    Example:
        >>> from mflab.results.plan import FactorRecord, LevelRecord
        >>> levels = (LevelRecord("low", {"lr": 0.1}), LevelRecord("high", {"lr": 1.0}))
        >>> print(encode(FactorRecord("lr", levels)), end="")
        {
          "name": "lr",
          "levels": [
            {"name": "low", "overrides": {"lr": 0.1}},
            {"name": "high", "overrides": {"lr": 1.0}}
          ]
        }
    """
    pieces: list[str] = []
    encode_to(pieces.append, record)
    return "".join(pieces)


def encode_to(write: Callable[[str], object], record: object) -> None:
    """Hands the text of `encode` over in pieces, which takes no memory for the whole."""
    _write_block("{", "}", _members(_fields(record)), "\n", write, _write_field)
    write("\n")


def _write_field(value: Any, newline: str, write: Callable[[str], object]) -> None:
    """Writes what a field holds: a line for each element if these are containers, else one line."""
    value = _fields(value) if _is_record(type(value)) else value
    items = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list | tuple) or not any(map(_is_container, set(map(type, items)))):
        write(_ENCODER.encode(value))
    elif isinstance(value, dict):
        _write_block("{", "}", _members(value), newline, write, _write_line)
    else:
        _write_block("[", "]", (("", item) for item in value), newline, write, _write_line)


def _write_line(value: Any, newline: str, write: Callable[[str], object]) -> None:
    write(_ENCODER.encode(value))


def _write_block(
    start: str,
    end: str,
    members: Iterable[tuple[str, Any]],
    newline: str,
    write: Callable[[str], object],
    write_member: Callable[[Any, str, Callable[[str], object]], None],
) -> None:
    """Writes members on lines of their own, between the brackets of a line that starts with `newline`."""
    inner = f"{newline}  "
    before = start
    for key, value in members:
        write(f"{before}{inner}{key}")
        write_member(value, inner, write)
        before = ","
    write(f"{newline}{end}" if before != start else start + end)


def _members(values: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    return ((_ENCODER.encode({key: 0})[1:-2], value) for key, value in values.items())


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _names(type(record))}


def _plain(value: object) -> Any:
    if isinstance(value, Enum):
        return value.name
    if _is_record(type(value)):
        return _fields(value)
    raise TypeError(f"a plan holds plain values only, but got {value!r} of type {type(value).__name__}")


_ENCODER = json.JSONEncoder(allow_nan=False, default=_plain)


@cache
def _is_container(kind: type) -> bool:
    return issubclass(kind, dict | list | tuple) or _is_record(kind)


@cache
def _is_record(kind: type) -> bool:
    return dataclasses.is_dataclass(kind)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))
