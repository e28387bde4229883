"""Hydra's errors in one line: what is wrong, and what was probably meant."""

import re
from dataclasses import is_dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_origin, get_type_hints

from mflab.config.schema import RootCfg

_UNKNOWN = re.compile(r"Could not override '([\w.]+)'")


def explain(error: Exception) -> str:
    """One line of a Hydra error: what is wrong, with the options it lists."""
    text = str(error) if error.__cause__ is None else f"{error}\n{error.__cause__}"
    unknown = _UNKNOWN.search(text)
    if unknown is not None:
        return f"A config key must exist, but got {unknown[1]}; {_remedy(unknown[1])}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    internal = ("full_key", "object_type", "reference_type", "Config search path", "provider=")
    kept = [line for line in lines if not line.startswith(internal) and not line.endswith("_schema")]
    keys = [line.removeprefix("full_key:").strip() for line in lines if line.startswith("full_key")]
    text = " ".join(dict.fromkeys(kept))
    return f"{text} (key {keys[0]})" if keys and keys[0] not in text else text


def _remedy(key: str) -> str:
    """What to write instead of a key that the schema lacks: by the part of it that exists."""
    kind: Any = RootCfg
    names = key.split(".")
    for place, name in enumerate(names):
        if get_origin(kind) is list:
            (kind,) = get_args(kind)
            continue
        if not is_dataclass(kind):
            return f"to add one, write +{key}."
        hints = get_type_hints(kind)
        if name not in hints:
            before = "".join(f"{one}." for one in names[:place])
            meant = get_close_matches(name, hints, 3) or hints
            return f"choose one of {', '.join(before + one for one in meant)}."
        kind = hints[name]
    return f"to add one, write +{key}."
