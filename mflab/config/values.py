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


def treatment(config: RootCfg) -> dict[str, Any]:
    """Everything of a config that can change the result of its trial, as JSON values.

    Labels (the `name` of a part) and the base data of a run that never draws from it are left out, so that two names
    for one treatment give one trial.
    """
    names = [item.name for item in fields(config) if item.name not in _NOT_TREATMENT]
    values = {name: plain(getattr(config, name)) for name in names}
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
    """SHA-256 of JSON values, independent of key order."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
