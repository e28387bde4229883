"""Hydra's errors in one line: what is wrong, and what was probably meant."""

import re
from dataclasses import is_dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, get_type_hints

from mflab.config.schema import RootCfg

_UNKNOWN = re.compile(r"Could not override '([\w.]+)'")


def explain(error: Exception) -> str:
    """One line of a Hydra error: what is wrong, with the options it lists."""
    text = str(error) if error.__cause__ is None else f"{error}\n{error.__cause__}"
    unknown = _UNKNOWN.search(text)
    if unknown is not None and unknown[1] not in _keys():
        meant = get_close_matches(unknown[1], _keys(), 3, 0.8)
        remedy = f"did you mean {', '.join(meant)}?" if meant else "see mflab/config/schema.py for all keys."
        return f"A config key must exist, but got {unknown[1]}; {remedy}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    internal = ("full_key", "object_type", "reference_type", "Config search path", "provider=")
    kept = [line for line in lines if not line.startswith(internal) and not line.endswith("_schema")]
    keys = [line.removeprefix("full_key:").strip() for line in lines if line.startswith("full_key")]
    text = " ".join(dict.fromkeys(kept))
    return f"{text} (key {keys[0]})" if keys and keys[0] not in text else text


@cache
def _keys() -> tuple[str, ...]:
    """All keys of the schema, dotted."""
    return tuple(_keys_of(RootCfg, ""))


def _keys_of(kind: Any, prefix: str) -> list[str]:
    keys = []
    for name, hint in get_type_hints(kind).items():
        keys.append(f"{prefix}{name}")
        if is_dataclass(hint):
            keys += _keys_of(hint, f"{prefix}{name}.")
    return keys
