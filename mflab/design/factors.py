"""Factors and levels: what a sweep varies on purpose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mflab.errors import MflabError


@dataclass(frozen=True)
class Level:
    """A named setting of a factor: pairs of config key and value."""

    name: str
    overrides: tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class Factor:
    """A factor and its levels, at least two; the first level is the reference of every contrast."""

    name: str
    levels: tuple[Level, ...]

    @property
    def level_names(self) -> tuple[str, ...]:
        return tuple(level.name for level in self.levels)

    @property
    def keys(self) -> tuple[str, ...]:
        """The config keys that the factor sets, in the order of its first level."""
        return tuple(key for key, _ in self.levels[0].overrides)

    def level(self, name: str) -> Level:
        """The level called `name`."""
        for level in self.levels:
            if level.name == name:
                return level
        raise MflabError(f"Unknown level {name!r} of factor {self.name}; choose one of {', '.join(self.level_names)}.")


def parse_factors(mapping: Mapping[str, Mapping[str, object]]) -> tuple[Factor, ...]:
    """The factors of a sweep file, in file order.

    A factor is written either with one config key and its values, or with named levels that may set several keys:

        schedule: {key: curriculum, levels: [single, two_stage]}
        lr: {levels: {high: {optim.lr: 1e-3}, low: {optim.lr: 1e-4}}}

    Raises:
        MflabError: fewer than two levels, equal level names or settings, levels of one factor that set different keys,
            two factors that set one key, or an unknown field.

    Example:
        >>> factors = parse_factors({"schedule": {"key": "curriculum", "levels": ["single", "two_stage"]}})
        >>> factors[0].level_names, factors[0].level("single").overrides
        (('single', 'two_stage'), (('curriculum', 'single'),))
    """
    factors = tuple(_parse_factor(name, spec) for name, spec in mapping.items())
    owner: dict[str, str] = {}
    for factor in factors:
        for key in factor.keys:
            if key in owner:
                raise MflabError(
                    f"Each config key must belong to one factor, but {owner[key]} and {factor.name} both set {key}; "
                    "merge them into one factor with named levels."
                )
            owner[key] = factor.name
    return factors


def _parse_factor(name: str, spec: object) -> Factor:
    form = f"write {name}: {{key: some.key, levels: [a, b]}} or {name}: {{levels: {{a: {{some.key: 1}}, b: …}}}}."
    if not isinstance(spec, Mapping):
        raise MflabError(f"Factor {name} must be a mapping, but got {spec!r}; {form}")
    unknown = [str(field) for field in spec if field not in ("key", "levels")]
    if unknown:
        raise MflabError(f"Factor {name} has unknown field {', '.join(unknown)}; {form}")
    levels = _parse_levels(name, spec, form)
    if len(levels) < 2:
        raise MflabError(f"Factor {name} must have at least 2 levels, but got {len(levels)}; add levels or drop it.")
    _refuse_repeats(name, levels)
    keys = [sorted(key for key, _ in level.overrides) for level in levels]
    for level, own in zip(levels, keys, strict=True):
        if own != keys[0]:
            raise MflabError(
                f"All levels of factor {name} must set the same keys, but {levels[0].name} sets {keys[0]} and "
                f"{level.name} sets {own}; state every key in every level."
            )
    return Factor(name, levels)


def _parse_levels(name: str, spec: Mapping[str, object], form: str) -> tuple[Level, ...]:
    if "levels" not in spec:
        raise MflabError(f"Factor {name} must have levels, but got {dict(spec)!r}; {form}")
    levels = spec["levels"]
    if "key" in spec:
        key = spec["key"]
        if not isinstance(key, str) or not isinstance(levels, Sequence) or isinstance(levels, str):
            raise MflabError(f"Factor {name} with a key must list its levels, but got {levels!r}; {form}")
        return tuple(Level(level_name(value), ((key, value),)) for value in levels)
    if not isinstance(levels, Mapping):
        raise MflabError(f"Factor {name} without a key must name its levels, but got {levels!r}; {form}")
    parsed = []
    for label, settings in levels.items():
        if not isinstance(settings, Mapping) or not settings:
            raise MflabError(f"Level {label} of factor {name} must set at least one key, but got {settings!r}; {form}")
        parsed.append(
            Level(
                level_name(label),
                tuple((str(key), value) for key, value in settings.items()),
            )
        )
    return tuple(parsed)


def level_name(value: object) -> str:
    """The name of a level given by its value, as YAML writes it.

    Example:
        >>> level_name("single"), level_name(1e-3), level_name(True), level_name(None)
        ('single', '0.001', 'true', 'null')
    """
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refuse_repeats(name: str, levels: tuple[Level, ...]) -> None:
    for index, level in enumerate(levels):
        for other in levels[:index]:
            if level.name == other.name:
                raise MflabError(
                    f"Level names of factor {name} must differ, but {level.name!r} appears twice; rename one."
                )
            if dict(level.overrides) == dict(other.overrides):
                raise MflabError(
                    f"Levels of factor {name} must differ, but {other.name} and {level.name} set the same values; "
                    "drop one."
                )
