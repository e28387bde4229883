"""One parameter of a search: a range, choices or named levels, and when it exists."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from mflab.design.factors import Level, level_name, parse_factors
from mflab.errors import MflabError

Scalar = str | int | float | bool | None

_FIELDS = ("key", "low", "high", "log", "step", "type", "choices", "levels", "when")


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


@dataclass(frozen=True)
class IntRange:
    """Whole numbers from `low` to `high`, on a logarithmic scale or in steps if wished."""

    low: int
    high: int
    log: bool = False
    step: int = 1


@dataclass(frozen=True)
class Choices:
    """A list of values without order."""

    values: tuple[Scalar, ...]


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
                exact = float(_decimal(domain.low) + count * _decimal(domain.step))
                if math.isclose(exact, value, rel_tol=1e-9, abs_tol=1e-9 * domain.step):
                    return exact
        raise MflabError(f"Parameter {self.name} must lie in {domain}, but got {value!r}; draw it from its space.")


def parse_parameter(name: str, spec: object) -> Parameter:
    """One parameter of a search space as a sweep file writes it.

    Raises:
        MflabError: an unknown field, a range that is none, or choices that are empty or repeat; `when` is only read,
            `parse_space` compares it with the other parameters.

    Example:
        >>> parse_parameter("lr", {"key": "optim.lr", "low": 1e-4, "high": 1e-2, "log": True}).domain
        FloatRange(low=0.0001, high=0.01, log=True, step=None)
    """
    form = f"write {name}: {{key: some.key, low: 0, high: 1}}, {{key: some.key, choices: [a, b]}} or {{levels: {{…}}}}."
    if not name.isidentifier():
        raise MflabError(f"A parameter's name must be a word that templates can use, but got {name!r}; rename it.")
    if not isinstance(spec, Mapping):
        raise MflabError(f"Parameter {name} must be a mapping, but got {spec!r}; {form}")
    unknown = [str(field) for field in spec if field not in _FIELDS]
    if unknown:
        raise MflabError(f"Parameter {name} has unknown field {', '.join(unknown)}; choose from {', '.join(_FIELDS)}.")
    kinds = [kind for kind in ("low", "choices", "levels") if kind in spec]
    if len(kinds) != 1:
        raise MflabError(f"Parameter {name} must have one of low and high, choices or levels, but has {kinds}; {form}")
    if kinds[0] != "low":
        numeric = [field for field in ("high", "log", "step", "type") if field in spec]
        if numeric:
            raise MflabError(f"Parameter {name} has {kinds[0]}, but also {', '.join(numeric)}, which only a range has.")
    key = spec["key"] if "key" in spec else ""
    if "key" in spec and (not isinstance(key, str) or not key):
        raise MflabError(f"The key of parameter {name} must be a config key, but got {key!r}; {form}")
    when = _parse_when(name, spec["when"]) if "when" in spec else ()
    if kinds[0] == "levels":
        if key:
            raise MflabError(f"Parameter {name} must have a key or levels, but has both; levels name their own keys.")
        (factor,) = parse_factors({name: {"levels": spec["levels"]}})
        return Parameter(name, Choices(factor.level_names), levels=factor.levels, when=when)
    domain = _parse_choices(name, spec["choices"]) if kinds[0] == "choices" else _parse_range(name, spec, form)
    return Parameter(name, domain, key=key, when=when)


def _parse_when(name: str, spec: object) -> tuple[tuple[str, tuple[Scalar, ...]], ...]:
    if not isinstance(spec, Mapping) or not spec:
        raise MflabError(f"`when` of parameter {name} must map parameters to values, but got {spec!r}; see the README.")
    conditions = []
    for other, allowed in spec.items():
        values = tuple(allowed) if isinstance(allowed, list | tuple) else (allowed,)
        if not values:
            raise MflabError(f"`when` of parameter {name} must allow a value of {other}, but lists none; add one.")
        conditions.append((str(other), values))
    return tuple(conditions)


def _parse_choices(name: str, spec: object) -> Choices:
    if not isinstance(spec, list | tuple) or not spec:
        raise MflabError(f"The choices of parameter {name} must be a list of values, but got {spec!r}; list some.")
    for index, value in enumerate(spec):
        if not (value is None or isinstance(value, str | int | float)) or (
            isinstance(value, float) and not math.isfinite(value)
        ):
            raise MflabError(
                f"A choice of parameter {name} must be a text, number, true, false or null, but got {value!r}; "
                "give larger settings names with `levels`."
            )
        # Optuna compares choices with ==, so that 1 and true would be one choice.
        if any(value == other for other in spec[:index]):
            raise MflabError(f"The choices of parameter {name} must differ, but {level_name(value)} appears twice.")
    return Choices(tuple(spec))


def _parse_range(name: str, spec: Mapping[str, Any], form: str) -> FloatRange | IntRange:
    if "high" not in spec:
        raise MflabError(f"Parameter {name} must have low and high, but high is missing; {form}")
    log = spec["log"] if "log" in spec else False
    kind = spec["type"] if "type" in spec else "float"
    if not isinstance(log, bool):
        raise MflabError(f"`log` of parameter {name} must be true or false, but got {log!r}.")
    if kind not in ("float", "int"):
        raise MflabError(f"Unknown type {kind!r} of parameter {name}; choose one of float, int.")
    for field in ("low", "high", "step"):
        if field not in spec:
            continue
        value = spec[field]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise MflabError(f"`{field}` of parameter {name} must be a number, but got {value!r}.")
        if kind == "int" and value != int(value):
            raise MflabError(f"`{field}` of the whole number {name} must be whole, but got {value!r}; drop type: int.")
    low, high = spec["low"], spec["high"]
    if low >= high:
        raise MflabError(f"low of parameter {name} must be below high, but got low={low} and high={high}.")
    if log and low <= 0:
        raise MflabError(f"low of the logarithmic parameter {name} must be above 0, but got low={low}.")
    if log and "step" in spec:
        raise MflabError(f"Parameter {name} must be logarithmic or stepped, but is both; drop log or step.")
    if "step" in spec and (spec["step"] <= 0 or (_decimal(high) - _decimal(low)) % _decimal(spec["step"]) != 0):
        raise MflabError(
            f"The step of parameter {name} must lead from low to high in whole steps, but got low={low}, high={high} "
            f"and step={spec['step']}."
        )
    if kind == "int":
        return IntRange(int(low), int(high), log, int(spec["step"]) if "step" in spec else 1)
    return FloatRange(float(low), float(high), log, float(spec["step"]) if "step" in spec else None)


def _decimal(value: float | int) -> Decimal:
    return Decimal(str(value))


def _same(first: Any, second: Any) -> bool:
    """Equality that tells true from 1."""
    return first == second and isinstance(first, bool) == isinstance(second, bool)
