"""A parameter of a search as a sweep file writes it."""

import math
from collections.abc import Mapping
from typing import Any

from mflab.design.factors import level_name, parse_factors
from mflab.design.parameters import Choices, FloatRange, IntRange, Parameter, Scalar, as_decimal
from mflab.errors import MflabError

_FIELDS = ("key", "low", "high", "log", "step", "type", "choices", "levels", "when")


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
    if "step" in spec and (spec["step"] <= 0 or (as_decimal(high) - as_decimal(low)) % as_decimal(spec["step"]) != 0):
        raise MflabError(
            f"The step of parameter {name} must lead from low to high in whole steps, but got low={low}, high={high} "
            f"and step={spec['step']}."
        )
    if kind == "int":
        return IntRange(int(low), int(high), log, int(spec["step"]) if "step" in spec else 1)
    return FloatRange(float(low), float(high), log, float(spec["step"]) if "step" in spec else None)
