"""The configs of cells: Hydra composes the base and each setting once, and a cell is a copy of the base with its own.

Hydra needs about 0.2 s for a config, too long for a sweep of thousands of cells. The configs made here share the parts
that they have in common, so nobody may change one in place.
"""

import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass, replace
from enum import Enum
from functools import cache
from itertools import permutations
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from mflab.config import RootCfg, compose, convert_scalar, has_interpolations
from mflab.design import Cell, Factor
from mflab.errors import MflabError
from mflab.sweep.overrides import format_override, split_override

Settings = Mapping[str, Any]
Composed = tuple[RootCfg, tuple[str, ...]]

# For fewer cells the checks would cost more than they save.
FEW_CELLS = 12
# Combinations of group choices of which one cell is composed both ways.
MAX_CHECKED = 4
# Overrides that say what a start does; they are no part of a trial.
_NOT_KEPT = ("sweep.only", "sweep.dry_run")
_KEY = re.compile(r"\w+(\.\w+)*")
# Texts that reach their field as they are: nothing to escape, no interpolation, no missing value.
_LITERAL = re.compile(r"[^\\'\"$?]*")
_SCALARS = (float, int, bool, str, Enum)
_log = logging.getLogger(__name__)


class _OnlyHydraError(Exception):
    """Why settings cannot be put into a copy."""


class CellComposer:
    """Composes the cells of one sweep, and keeps what Hydra made of each setting.

    `is_fast` turns false for good when parts of the config turn out to depend on one another: then every cell goes
    through Hydra.

    Args:
        overrides: the command line, without levels.
        is_fast: false sends every cell through Hydra from the start.

    Raises:
        MflabError: the overrides do not compose.
    """

    def __init__(self, overrides: Sequence[str], is_fast: bool = True) -> None:
        self.kept = kept_overrides(overrides)
        self.is_fast = is_fast
        self._has_warned = False
        # (override of one setting, type of its field or group choice that it goes with) -> typed value.
        self._values: dict[tuple[str, Any], Any] = {}
        self._checked: set[tuple[str, ...]] = set()
        if is_fast:
            self._base = compose(self.kept)
            if has_interpolations(self.kept):
                self._give_up("a value is computed from others")

    def compose(self, settings: Settings) -> Composed:
        """The config of some settings, and the overrides that make it.

        Args:
            settings: config key -> value, in the order of the overrides.

        Raises:
            MflabError: as `mflab.config.compose` does for these overrides.
        """
        if self.is_fast and len(self._checked) < MAX_CHECKED and self._choices(settings) not in self._checked:
            checked = self.check(settings)
            self._checked.add(self._choices(settings))
            return checked
        texts = (*self.kept, *_texts(settings))
        return self._copy(settings) or compose(texts), texts

    def check(self, settings: Settings) -> Composed:
        """The same, held against what Hydra composes; gives up copies for good if this one differs."""
        texts = (*self.kept, *_texts(settings))
        expected, copied = compose(texts), self._copy(settings)
        if copied is None or copied == expected:
            return copied or expected, texts
        self._give_up(f"{', '.join(_texts(settings))} do together what none does alone")
        return expected, texts

    def _give_up(self, reason: str) -> None:
        self.is_fast = False
        self._warn(reason)

    def _warn(self, reason: str) -> None:
        if not self._has_warned:
            _log.warning("Cells are composed through Hydra, about 0.2 s each, because %s.", reason)
        self._has_warned = True

    def _choices(self, settings: Settings) -> tuple[str, ...]:
        """The group choices among settings, as overrides: Hydra takes them first, wherever they stand."""
        groups = [key for key, value in settings.items() if not isinstance(value, Mapping)]
        return tuple(
            format_override(key, settings[key]) for key in groups if is_dataclass(getattr(self._base, key, None))
        )

    def _copy(self, settings: Settings) -> RootCfg | None:
        """The config of some settings from kept parts; None where only Hydra can tell."""
        if not self.is_fast:
            return None
        choices = {split_override(text)[0]: text for text in self._choices(settings)}
        others = [key for key in settings if key not in choices]
        try:
            _refuse_overlap(tuple(others))
            config = self._base
            for key, text in choices.items():
                config = replace(config, **{key: self._learned(key, text, "")})
            for key in others:
                choice = choices[key.partition(".")[0]] if key.partition(".")[0] in choices else ""
                config = _replaced(config, key.split("."), self._maker(key, settings[key], choice))
            return config
        except _OnlyHydraError as error:
            self._warn(str(error))
        except MflabError:
            # A wrong setting: composed with the others, it gives the message that it always gave.
            pass
        return None

    def _maker(self, key: str, value: Any, choice: str) -> Callable[[Any], Any]:
        """From the type of the field of `key` to its typed value."""
        text = format_override(key, value)

        def make(kind: Any) -> Any:
            if not _is_scalar(kind, value):
                return self._learned(key, text, choice)
            if (text, kind) not in self._values:
                self._values[text, kind] = convert_scalar(kind, value)
            return self._values[text, kind]

        return make

    def _learned(self, key: str, text: str, choice: str) -> Any:
        """What Hydra makes of one setting, composed with the choice of its group if there is one."""
        if (text, choice) in self._values:
            return self._values[text, choice]
        if "${" in text:
            raise _OnlyHydraError(f"{text} is computed from other values")
        path, before = key.split("."), self._base
        if choice:
            before = replace(before, **{path[0]: self._values[choice, ""]})
        overrides = [*self.kept, *([choice] if choice else []), text]
        composed = compose(overrides)
        value: Any = composed
        for name in path:
            value = value[int(name)] if isinstance(value, list) else getattr(value, name)
        if _replaced(before, path, lambda _: value) != composed:
            self._give_up(f"{text} sets more than {key}")
        elif len(path) == 1 and has_interpolations(overrides):
            self._give_up(f"{text} holds a value that is computed from others")
        if not self.is_fast:
            raise _OnlyHydraError(f"{text} does not stand alone")
        self._values[text, choice] = value
        return value


def compose_cells(factors: Sequence[Factor], cells: Sequence[Cell], overrides: Sequence[str]) -> list[Composed]:
    """The config of each cell, and the overrides that make it; equal cells share theirs.

    Args:
        factors: what the cells' levels set.
        cells: level per factor.
        overrides: the command line.

    Raises:
        MflabError: as `mflab.config.compose` does for the first cell that does not compose.
    """
    keys = [tuple(cell.items()) for cell in cells]
    distinct = {
        key: {setting: value for factor in factors for setting, value in factor.level(cell[factor.name]).overrides}
        for key, cell in dict(zip(keys, cells, strict=True)).items()
    }
    composer = CellComposer(overrides, is_fast=len(distinct) >= FEW_CELLS)
    was_fast = composer.is_fast
    made = {key: composer.compose(settings) for key, settings in distinct.items()}
    if composer.is_fast:
        composer.check(distinct[keys[-1]])
    if was_fast and not composer.is_fast:
        # What was copied before the difference came out may be wrong too.
        made = {key: composer.compose(settings) for key, settings in distinct.items()}
    return [made[key] for key in keys]


def kept_overrides(overrides: Sequence[str]) -> tuple[str, ...]:
    """The overrides that belong to a trial, not to one start of its sweep.

    Example:
        >>> kept_overrides(["+sweep=smoke", "sweep.dry_run=true", "train.steps=5"])
        ('+sweep=smoke', 'train.steps=5')
    """
    return tuple(text for text in overrides if split_override(text)[0] not in _NOT_KEPT)


def with_seed(config: RootCfg, seed: int) -> RootCfg:
    """The config under another seed; all other parts are shared with `config`."""
    return replace(config, seed=seed)


def _texts(settings: Settings) -> tuple[str, ...]:
    return tuple(format_override(key, value) for key, value in settings.items())


@cache
def _refuse_overlap(keys: tuple[str, ...]) -> None:
    """Refuses keys of which one holds another, and keys in a notation of their own."""
    for key in keys:
        if not _KEY.fullmatch(key):
            raise _OnlyHydraError(f"{key} is not a plain key")
    for outer, inner in permutations(keys, 2):
        if inner.startswith(f"{outer}."):
            raise _OnlyHydraError(f"{outer} holds {inner}")


def _replaced(part: Any, path: Sequence[str], make: Callable[[Any], Any]) -> Any:
    """A copy of `part` with another value at `path`, made from the type of the field (None for an element of a list);
    everything beside the path is shared."""
    name, *rest = path
    if isinstance(part, list) and name.isdecimal() and int(name) < len(part):
        index = int(name)
        return [*part[:index], _replaced(part[index], rest, make) if rest else make(None), *part[index + 1 :]]
    if is_dataclass(part) and not isinstance(part, type) and name in _hints(type(part)):
        made = _replaced(getattr(part, name), rest, make) if rest else make(_hints(type(part))[name])
        return replace(part, **{name: made})
    raise _OnlyHydraError(f"no field of a config is called {name}")


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _is_scalar(kind: Any, value: Any) -> bool:
    """Whether `value` reaches a field of type `kind` as it is, so that only its type is left to convert."""
    if isinstance(value, str):
        is_literal = _LITERAL.fullmatch(value) is not None
    else:
        is_literal = value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    scalars = [one for one in options if one is not NoneType]
    return is_literal and len(scalars) == 1 and isinstance(scalars[0], type) and issubclass(scalars[0], _SCALARS)
