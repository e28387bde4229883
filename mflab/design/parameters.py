"""One parameter of a search: a range, choices or named levels, and when it exists."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from mflab.design.factors import Level, level_name
from mflab.errors import MflabError

Scalar = str | int | float | bool | None


@runtime_checkable
class Suggest(Protocol):
    """What draws values; an Optuna trial is one."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> Any:
        """A number between `low` and `high`, both included."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> Any:
        """A whole number between `low` and `high`, both included."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Scalar]) -> Any:
        """One of the choices."""
        ...


@dataclass(frozen=True)
class FloatRange:
    """Numbers from `low` to `high`, on a logarithmic scale or in steps if wished."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __str__(self) -> str:
        steps = f" in steps of {self.step:g}" if self.step is not None else ""
        return f"{self.low:g} to {self.high:g}{steps}"


@dataclass(frozen=True)
class IntRange:
    """Whole numbers from `low` to `high`, on a logarithmic scale or in steps if wished."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def __str__(self) -> str:
        steps = f" in steps of {self.step}" if self.step != 1 else ""
        return f"{self.low} to {self.high}{steps}"


@dataclass(frozen=True)
class Choices:
    """A list of values without order."""

    values: tuple[Scalar, ...]

    def __str__(self) -> str:
        return ", ".join(level_name(value) for value in self.values)


@dataclass(frozen=True)
class Parameter:
    """A parameter and its domain.

    Attributes:
        name: what templates and conditions call it.
        domain: the values it can take; of named levels, their names.
        key: the config key that takes the value; empty where levels or a template use it.
        levels: settings per value, of a parameter written with named levels.
        when: earlier parameters and the values that each of them must have for this one to exist.
    """

    name: str
    domain: FloatRange | IntRange | Choices
    key: str = ""
    levels: tuple[Level, ...] = ()
    when: tuple[tuple[str, tuple[Scalar, ...]], ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The config keys that the parameter itself sets."""
        if self.levels:
            return tuple(key for key, _ in self.levels[0].overrides)
        return (self.key,) if self.key else ()

    def is_active(self, values: Mapping[str, Scalar]) -> bool:
        """Whether the parameter exists, given the values of all earlier ones that do."""
        return all(
            name in values and any(_same(values[name], value) for value in allowed) for name, allowed in self.when
        )

    def draw(self, suggest: Suggest) -> Scalar:
        """A value of the domain."""
        domain = self.domain
        if isinstance(domain, Choices):
            return self.clean(suggest.suggest_categorical(self.name, domain.values))
        if isinstance(domain, IntRange):
            drawn = suggest.suggest_int(self.name, domain.low, domain.high, step=domain.step, log=domain.log)
            return self.clean(drawn)
        return self.clean(suggest.suggest_float(self.name, domain.low, domain.high, step=domain.step, log=domain.log))

    def clean(self, value: Any) -> Scalar:
        """The value in the domain's own type, free of rounding noise.

        A step is counted in decimals, so that 0.1 + 3 x 0.05 is 0.25 and not 0.25000000000000006: stages are named by
        their settings, and equal settings must look equal.

        Raises:
            MflabError: the domain does not have the value.
        """
        domain = self.domain
        if isinstance(domain, Choices):
            for choice in domain.values:
                if _same(choice, value):
                    return choice
        elif isinstance(value, int | float) and not isinstance(value, bool) and domain.low <= value <= domain.high:
            if isinstance(domain, IntRange):
                if value == int(value) and (int(value) - domain.low) % domain.step == 0:
                    return int(value)
            elif domain.step is None:
                return float(value)
            else:
                count = round((value - domain.low) / domain.step)
                exact = float(as_decimal(domain.low) + count * as_decimal(domain.step))
                if math.isclose(exact, value, rel_tol=1e-9, abs_tol=1e-9 * domain.step):
                    return exact
        raise MflabError(
            f"Parameter {self.name} must lie in its domain ({domain}), but got {value!r}; draw it from its space."
        )


def as_decimal(value: float | int) -> Decimal:
    """The decimal that a number is written as.

    Example:
        >>> as_decimal(0.1) + 3 * as_decimal(0.05)
        Decimal('0.25')
    """
    return Decimal(str(value))


def _same(first: Any, second: Any) -> bool:
    """Equality that tells true from 1."""
    return first == second and isinstance(first, bool) == isinstance(second, bool)
