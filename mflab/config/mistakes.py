"""Hydra's errors in one line: what is wrong, and what was probably meant."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from omegaconf.errors import ValidationError

from mflab.config.schema import RootCfg

_UNKNOWN = re.compile(r"Could not override '([\w.]+)'")
_REMOVED = re.compile(r"Error merging override ~([\w.]+)\s.*does not support deletion")
_SEVERAL = re.compile(r"(?:value for argument|Sweep parameters) '[+]*([\w.]+)=(.*?)'")
_CHOICE = re.compile(
    r"Could not find '(\w+)/(.*?)'\s+Available options in '\w+':\s+(\w.*?)\s*(?:Config search|$)", re.DOTALL
)
_MISFIT = re.compile(r"Error merging override [+]*([\w.]+)=(.*)")
# What of a value does not fit, where that is not all of it.
_VALUE = re.compile(r"[Vv]alue '(.*?)'(?: of type| is not|,)")
_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a text", NoneType: "null"}


def explain(error: Exception) -> str:
    """One line of an error of composing or converting: what must hold, what was found and what to write instead; for
    rare mistakes what Hydra or OmegaConf say of them.

    Args:
        error: of Hydra or OmegaConf.
    """
    text = str(error) if error.__cause__ is None else f"{error}\n{error.__cause__}"
    unknown = _UNKNOWN.search(text)
    if unknown is not None:
        return f"A config key must exist, but got {unknown[1]}; {_remedy(unknown[1])}"
    if isinstance(error, OverrideParseException):
        has_form = "=" in error.override and not error.override.startswith("-")
        remedy = "mend its brackets or quotes" if has_form else "write it so, without dashes or spaces"
        return f"An override must be key=value in Hydra's grammar, but got {error.override}; {remedy}."
    choice = _CHOICE.search(text)
    if choice is not None:
        group, name, options = choice[1], choice[2], choice[3].split()
        meant = get_close_matches(name, options, 1) or [options[0]]
        # No sweep is chosen unless one is asked for, which makes it an addition to Hydra.
        plus = "+" if group == "sweep" else ""
        return (
            f"{group} must be one of {', '.join(options)}, but got {name}; write for example {plus}{group}={meant[0]}."
        )
    several = _SEVERAL.search(text)
    if several is not None:
        return f"An override must have one value, but got {several[1]}={several[2]}; {_one_or_all(*several.groups())}."
    removed = _REMOVED.search(text)
    if removed is not None:
        return f"A key of the schema must stay, but got ~{removed[1]}; leave that out, or set {removed[1]}."
    misfit = _MISFIT.search(text)
    if misfit is not None and isinstance(error.__cause__, ValidationError):
        return _explain_misfit(misfit[1], misfit[2], error.__cause__)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    internal = ("full_key", "object_type", "reference_type", "Config search path", "provider=")
    kept = [line for line in lines if not line.startswith(internal) and not line.endswith("_schema")]
    keys = [line.removeprefix("full_key:").strip() for line in lines if line.startswith("full_key")]
    text = " ".join(dict.fromkeys(kept))
    return f"{text} (key {keys[0]})" if keys and keys[0] not in text else text


def explain_choice(error: Exception, overrides: Sequence[str], groups: Mapping[str, Sequence[str]]) -> str:
    """What Hydra does not say of a group that is given anything but names.

    Args:
        error: what it says.
        overrides: the command line.
        groups: names of the choices of each group.
    """
    texts = []
    for one in OverridesParser.create().parse_overrides(list(overrides)):
        value = one.value()
        is_name = all(isinstance(name, str) for name in value) if isinstance(value, list) else isinstance(value, str)
        if one.key_or_group in groups and not is_name:
            texts.append(f"{one.input_line}; choose one of {', '.join(groups[one.key_or_group])}")
    return f"The choice of a group must be a name, but got {' and '.join(texts)}." if texts else str(error)


def _one_or_all(key: str, value: str) -> str:
    """What to write instead of several values at once."""
    if key == "sweep":
        return "start one after the other"
    if get_origin(_kind(key)) is list:
        return f"for a list write {key}=[{value}]"
    function = re.fullmatch(r"(\w+)\((.*)\)", value)
    levels = value if function is None else function[2] if function[1] == "choice" else "..."
    return (
        f"to compare several make them a factor, '+sweep.factors.{key.split('.')[-1]}={{key:{key},levels:[{levels}]}}'"
    )


def _explain_misfit(key: str, value: str, error: ValidationError) -> str:
    """A value that its field cannot hold: the override's, or one inside of it."""
    inner = _VALUE.search(str(error))
    holder, place = error.object_type, error.full_key or key
    # Of a list or a table, the type of what is in it.
    kind = get_type_hints(holder).get(str(error.key)) if is_dataclass(holder) else [None, *get_args(error.ref_type)][-1]
    name = place if place.startswith(key.partition(".")[0]) else f"{place} in {key}"
    found = inner[1] if inner else value
    # A key below a plain value is none.
    remedy = place if key.startswith(f"{place}.") else key
    return f"{name} must be {_describe(kind)}, but got {found or repr(found)}; set {remedy}."


def _describe(kind: Any) -> str:
    """What a field of a type holds, in words."""
    if kind in _WORDS:
        return _WORDS[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {', '.join(kind.__members__)}"
    if is_dataclass(kind):
        return f"a table of {', '.join(field.name for field in fields(kind))}"
    if get_origin(kind) in (list, dict):
        return "a list" if get_origin(kind) is list else "a table"
    return " or ".join(map(_describe, get_args(kind))) or "of its type"


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


def _kind(key: str) -> Any:
    """The type of a key's field; None if there is no such field."""
    kind: Any = RootCfg
    for name in key.split("."):
        kind = get_type_hints(kind).get(name) if is_dataclass(kind) else None
    return kind
