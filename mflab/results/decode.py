"""Parsed JSON as records (nested dataclasses of plain values): strict, and quick for plans of 10,000 trials."""

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mflab.errors import MflabError

Record = TypeVar("Record")
# Where a value stands: the place of what holds it, and its key or index there; a text at the top.
_Place = str | tuple[Any, str | int]
_Decoder = Callable[[Any, _Place], Any]


def decode(kind: type[Record], value: Any, source: str) -> Record:
    """Parsed JSON as a record.

    Args:
        kind: the record's class.
        value: what `json.loads` returned.
        source: name of the text in error messages.

    Raises:
        MflabError: a field without a default is missing, or one is unknown or ill-typed; names its place.
    """
    return _decoder(kind)(value, source)


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
    hints = get_type_hints(kind)
    parts = [(item.name, hints[item.name], _decoder(hints[item.name])) for item in dataclasses.fields(kind)]
    known = {name for name, _, _ in parts}

    def decode_record(value: Any, place: _Place) -> Any:
        if not isinstance(value, dict):
            raise MflabError(
                f"{_place_text(place)} must be an object, but got {value!r}; start the sweep again to rewrite the plan."
            )
        if value.keys() != known:
            value = _with_defaults(kind, value, place)
        # Most values are of their type already, and a plan has hundreds of thousands.
        return kind(
            *[
                value[name] if type(value[name]) is part_kind else part(value[name], (place, name))
                for name, part_kind, part in parts
            ]
        )

    return decode_record


def _with_defaults(kind: Any, value: dict[str, Any], place: _Place) -> dict[str, Any]:
    """The fields of a record of an earlier version, which lacks what was added with a default since.

    Raises:
        MflabError: a field without a default is missing, or one is unknown.
    """
    defaults = {item.name: item.default for item in dataclasses.fields(kind) if item.default is not MISSING}
    names = [item.name for item in dataclasses.fields(kind)]
    missing = [name for name in names if name not in value and name not in defaults]
    unknown = [key for key in value if key not in names]
    if missing or unknown:
        problem = f"misses field {', '.join(missing)}" if missing else f"has unknown field {', '.join(unknown)}"
        raise MflabError(f"{_place_text(place)} {problem}; a {kind.__name__} has {', '.join(names)}.")
    return {**defaults, **value}


def _ill_typed(kind: Any, value: Any, place: _Place) -> MflabError:
    name = kind.__name__ if isinstance(kind, type) and get_origin(kind) is None else str(kind)
    return MflabError(
        f"{_place_text(place)} must be {name}, but got {value!r}; start the sweep again to rewrite the plan."
    )


def _place_text(place: _Place) -> str:
    if isinstance(place, str):
        return place
    return _place_text(place[0]) + (f"[{place[1]}]" if isinstance(place[1], int) else f".{place[1]}")
