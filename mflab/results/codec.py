"""Records (nested dataclasses of plain values) as JSON text and back: strict, and quick for plans of 10,000 trials."""

import dataclasses
import itertools
import json
from collections.abc import Callable
from enum import Enum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mflab.errors import MflabError

Record = TypeVar("Record")
# Where a value stands: the place of what holds it, and its key or index there; a text at the top.
_Place = str | tuple[Any, str | int]
_Decoder = Callable[[Any, _Place], Any]


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
    _write(record, "\n", pieces.append)
    return "".join([*pieces, "\n"])


def decode(kind: type[Record], value: Any, source: str) -> Record:
    """Parsed JSON as a record.

    Args:
        kind: the record's class.
        value: what `json.loads` returned.
        source: name of the text in error messages.

    Raises:
        MflabError: a field is missing, unknown or ill-typed; names its place.
    """
    return _decoder(kind)(value, source)


def _write(value: Any, newline: str, write: Callable[[str], None]) -> None:
    """Writes a value whose own line starts with `newline`: a line break and its indent."""
    if dataclasses.is_dataclass(type(value)):
        value = {name: getattr(value, name) for name in _names(type(value))}
    if isinstance(value, dict):
        (start, end), items = "{}", value.values()
    elif isinstance(value, list | tuple):
        (start, end), items = "[]", value
    else:
        return write(_encoder(",").encode(value))
    inner = f"{newline}  "
    if not items:
        return write(start + end)
    if not any(_is_container(kind) for kind in set(map(type, items))):
        # The C encoder cannot indent, but what holds no containers only needs a line break at each comma.
        return write(f"{start}{inner}{_encoder(f',{inner}').encode(value)[1:-1]}{newline}{end}")
    keys = map(_key, value) if isinstance(value, dict) else itertools.repeat("", len(items))
    for number, (key, item) in enumerate(zip(keys, items, strict=True)):
        write(f"{',' if number else start}{inner}{key}")
        _write(item, inner, write)
    return write(f"{newline}{end}")


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


@cache
def _decoder(kind: Any) -> _Decoder:
    """From parsed JSON to the annotated type `kind`."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda value, place: value
    if dataclasses.is_dataclass(kind):
        return _record_decoder(kind)
    if origin in (Union, UnionType):
        some = _decoder(next(arg for arg in args if arg is not NoneType))
        is_optional = NoneType in args
        return lambda value, place: None if value is None and is_optional else some(value, place)
    if origin is tuple:
        return _tuple_decoder(kind, args[0])
    if origin is dict:
        return _dict_decoder(kind, args[1])

    def leaf(value: Any, place: _Place) -> Any:
        if type(value) is kind:
            return value
        if kind is float and type(value) is int:
            return float(value)
        if issubclass(kind, Enum) and isinstance(value, str) and value in kind.__members__:
            return kind[value]
        raise _ill_typed(kind, value, place)

    return leaf


def _tuple_decoder(kind: Any, item_kind: Any) -> _Decoder:
    item = _decoder(item_kind)

    def decode_tuple(value: Any, place: _Place) -> Any:
        if not isinstance(value, list):
            raise _ill_typed(kind, value, place)
        if set(map(type, value)) == {item_kind}:
            return tuple(value)
        return tuple([item(one, (place, index)) for index, one in enumerate(value)])

    return decode_tuple


def _dict_decoder(kind: Any, item_kind: Any) -> _Decoder:
    item = _decoder(item_kind)

    def decode_dict(value: Any, place: _Place) -> Any:
        if not isinstance(value, dict):
            raise _ill_typed(kind, value, place)
        return {key: item(one, (place, key)) for key, one in value.items()}

    return decode_dict


def _record_decoder(kind: Any) -> _Decoder:
    names, hints = _names(kind), get_type_hints(kind)
    parts = [(name, hints[name], _decoder(hints[name])) for name in names]

    def decode_record(value: Any, place: _Place) -> Any:
        if not isinstance(value, dict):
            raise MflabError(
                f"{_place_text(place)} must be an object, but got {value!r}; start the sweep again to rewrite the plan."
            )
        if value.keys() != set(names):
            raise _wrong_fields(kind, value, place)
        # Most values are of their type already, and a plan has hundreds of thousands.
        return kind(
            *[
                value[name] if type(value[name]) is part_kind else part(value[name], (place, name))
                for name, part_kind, part in parts
            ]
        )

    return decode_record


def _wrong_fields(kind: Any, value: dict[str, Any], place: _Place) -> MflabError:
    names = _names(kind)
    missing, unknown = [name for name in names if name not in value], [key for key in value if key not in names]
    problem = f"misses field {', '.join(missing)}" if missing else f"has unknown field {', '.join(unknown)}"
    return MflabError(f"{_place_text(place)} {problem}; a {kind.__name__} has {', '.join(names)}.")


def _ill_typed(kind: Any, value: Any, place: _Place) -> MflabError:
    name = kind.__name__ if isinstance(kind, type) and get_origin(kind) is None else str(kind)
    return MflabError(
        f"{_place_text(place)} must be {name}, but got {value!r}; start the sweep again to rewrite the plan."
    )


def _place_text(place: _Place) -> str:
    if isinstance(place, str):
        return place
    return _place_text(place[0]) + (f"[{place[1]}]" if isinstance(place[1], int) else f".{place[1]}")
