"""A configuration as plain values: for JSON, for hashes, and for telling whether two trials are the same treatment."""

import hashlib
import json
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType
from typing import Any

from mflab.config.schema import RootCfg

# What is its own JSON value; most values of a config are.
_ATOMS = frozenset((str, int, float, bool, NoneType))
# Fields that cannot change the result of a trial.
_NOT_TREATMENT = ("sweep", "paths", "store")


def plain(value: Any) -> Any:
    """Dataclasses, enums and tuples as JSON values."""
    if type(value) in _ATOMS:
        return value
    names = _field_names(type(value))
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    return tuple(item.name for item in fields(kind)) if is_dataclass(kind) else None


def fields_of(part: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, as they are: what `fingerprint` takes is not worth a copy all the way down."""
    return dict(vars(part))


def treatment(config: RootCfg) -> dict[str, Any]:
    """Everything of a config that can change the result of its trial, for `fingerprint` and `plain`.

    Labels (the `name` of a part) and the base data of a run that never draws from it are left out, so that two names
    for one treatment give one trial.
    """
    values = {name: value for name, value in vars(config).items() if name not in _NOT_TREATMENT}
    for part in ("data", "base_data", "model", "curriculum", "prompts", "train"):
        values[part] = fields_of(values[part])
    for part in ("data", "base_data", "model", "curriculum"):
        values[part].pop("name")
        for key in ("root", "cache_mb"):
            values[part].pop(key, None)
    values["train"].pop("checkpoint_every")
    values["train"].pop("keep_weights")
    if all(stage.base_fraction == 0.0 for stage in config.curriculum.stages):
        values.pop("base_data")
        values["train"].pop("base_style")
    return values


def fingerprint(values: Any) -> str:
    """SHA-256 of values as JSON, dataclasses and enums as `plain` writes them; independent of the order of keys."""
    return hashlib.sha256(json_text(values).encode()).hexdigest()


def json_text(values: Any) -> str:
    """What `fingerprint` hashes: `plain` and the text in one pass."""
    return _ENCODER.encode(values)


def _json_value(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if _field_names(type(value)) is not None:
        return vars(value)
    raise TypeError(f"a config holds plain values only, but got {value!r} of type {type(value).__name__}")


# A plan hashes a hundred thousand small things; `json.dumps` would make an encoder for each.
_ENCODER = json.JSONEncoder(sort_keys=True, default=_json_value)
