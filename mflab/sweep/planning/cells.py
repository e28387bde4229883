"""The configs of cells: Hydra composes the base and each setting once, and a cell is a copy of the base with its own.

Hydra needs about 0.2 s for a config, too long for a sweep of thousands of cells. The configs made here share the parts
that they have in common, so nobody may change one in place.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass, replace
from typing import Any

from mflab.config import RootCfg, compose, compose_noting_interpolations, convert_scalar
from mflab.design import Cell, Factor
from mflab.errors import MflabError
from mflab.sweep.planning.config_parts import OnlyHydraError, is_scalar, refuse_overlap, replaced, with_value
from mflab.sweep.planning.overrides import format_override, split_override

Settings = Mapping[str, Any]
Composed = tuple[RootCfg, tuple[str, ...]]

# For fewer cells the checks would cost more than they save.
FEW_CELLS = 12
# Combinations of group choices of which one cell is composed both ways.
MAX_CHECKED = 4
# Overrides that say what a start does; they are no part of a trial.
_NOT_KEPT = ("sweep.only", "sweep.dry_run")
_log = logging.getLogger(__name__)


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
        # (key, place of a level's value in memory) -> the value, which keeps its place, and its override.
        self._texts: dict[tuple[str, int], tuple[Any, str]] = {}
        self._checked: set[tuple[str, ...]] = set()
        # Overrides of all settings but the last, and the config with these: of a factorial, cells in a row begin alike.
        self._begun: tuple[tuple[str, ...], RootCfg] | None = None
        if is_fast:
            self._base, has_interpolations = compose_noting_interpolations(self.kept)
            if has_interpolations:
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
        texts = (*self.kept, *self._overrides(settings))
        return self._copy(settings) or compose(texts), texts

    def check(self, settings: Settings) -> Composed:
        """The same, held against what Hydra composes; gives up copies for good if this one differs."""
        texts = (*self.kept, *self._overrides(settings))
        expected, copied = compose(texts), self._copy(settings)
        if copied is None or copied == expected:
            return copied or expected, texts
        self._give_up(f"{', '.join(self._overrides(settings))} do together what none does alone")
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
        return tuple(self._text(key, settings[key]) for key in groups if is_dataclass(getattr(self._base, key, None)))

    def _overrides(self, settings: Settings) -> tuple[str, ...]:
        return tuple(self._text(key, value) for key, value in settings.items())

    def _text(self, key: str, value: Any) -> str:
        """The override of a setting; thousands of cells share the values of few levels."""
        place = (key, id(value))
        if place not in self._texts:
            self._texts[place] = (value, format_override(key, value))
        return self._texts[place][1]

    def _copy(self, settings: Settings) -> RootCfg | None:
        """The config of some settings from kept parts; None where only Hydra can tell."""
        if not self.is_fast:
            return None
        choices = {split_override(text)[0]: text for text in self._choices(settings)}
        others = [key for key in settings if key not in choices]
        try:
            refuse_overlap(tuple(others))
            begun = (*choices.values(), *(self._text(key, settings[key]) for key in others[:-1]))
            if self._begun is None or self._begun[0] != begun:
                config = self._base
                for key, text in choices.items():
                    config = with_value(config, key, self._learned(key, text, ""))
                self._begun = begun, self._put(config, others[:-1], settings, choices)
            return self._put(self._begun[1], others[-1:], settings, choices)
        except OnlyHydraError as error:
            self._warn(str(error))
        except MflabError:
            # A wrong setting: composed with the others, it gives the message that it always gave.
            pass
        return None

    def _put(self, config: RootCfg, keys: Sequence[str], settings: Settings, choices: Mapping[str, str]) -> RootCfg:
        """A config with some of the settings, whose groups have these choices."""
        for key in keys:
            group = key.partition(".")[0]
            choice = choices[group] if group in choices else ""
            config = replaced(config, key.split("."), self._maker(key, settings[key], choice))
        return config

    def _maker(self, key: str, value: Any, choice: str) -> Callable[[Any], Any]:
        """From the type of the field of `key` to its typed value."""
        text = self._text(key, value)

        def make(kind: Any) -> Any:
            if not is_scalar(kind, value):
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
            raise OnlyHydraError(f"{text} is computed from other values")
        path, before = key.split("."), self._base
        if choice:
            before = replace(before, **{path[0]: self._values[choice, ""]})
        overrides = [*self.kept, *([choice] if choice else []), text]
        composed, has_interpolations = compose_noting_interpolations(overrides)
        value: Any = composed
        for name in path:
            value = value[int(name)] if isinstance(value, list) else getattr(value, name)
        if replaced(before, path, lambda _: value) != composed:
            self._give_up(f"{text} sets more than {key}")
        elif len(path) == 1 and has_interpolations:
            self._give_up(f"{text} holds a value that is computed from others")
        if not self.is_fast:
            raise OnlyHydraError(f"{text} does not stand alone")
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
    return with_value(config, "seed", seed)
