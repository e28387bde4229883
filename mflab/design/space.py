"""The search of a sweep: its settings, and a define-by-run space as a sweep file writes it."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from mflab.design.factors import level_name
from mflab.design.parameters import Choices, IntRange, Parameter, Scalar, Suggest, parse_parameter
from mflab.errors import MflabError


class Sampler(Enum):
    """How suggestions are drawn."""

    tpe = "tpe"
    gp = "gp"
    random = "random"
    qmc = "qmc"
    nsga2 = "nsga2"


class Pruner(Enum):
    """Which trials are stopped early."""

    none = "none"
    asha = "asha"
    hyperband = "hyperband"
    median = "median"


@dataclass
class SearchCfg:
    """A search instead of a fixed design.

    Attributes:
        sampler: tree-structured Parzen estimator, Gaussian process, random, quasi-random or NSGA-II.
        pruner: asynchronous successive halving, Hyperband, the median rule, or none.
        trials: suggestions; 0 means that this sweep is no search.
        seed: of the sampler.
        storage: empty for a SQLite file in the sweep folder, else a database URL or journal:<path>.
        first_rung: share of the run before which nothing is stopped.
        reduction: one of so many trials goes on at a rung, and rungs lie that factor apart.
        startup: suggestions that are drawn at random and never stopped, before anything is modelled.
        objectives: further responses, each {name: val/ssim_fg, direction: higher}.
        space: name -> {key, low, high} or {key, choices} or {levels}; optional log, step, type and when.
        settings: config key -> template in which $name stands for the value of a parameter.
    """

    sampler: Sampler = Sampler.tpe
    pruner: Pruner = Pruner.asha
    trials: int = 0
    seed: int = 0
    storage: str = ""
    first_rung: float = 0.25
    reduction: int = 3
    startup: int = 5
    objectives: list[Any] = field(default_factory=list)
    space: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Objective:
    """A further response of a search and its better direction, higher or lower."""

    name: str
    direction: str


def check_search(search: SearchCfg) -> tuple[Objective, ...]:
    """The further objectives of a search whose settings make sense together.

    Raises:
        MflabError: a number out of range, a malformed objective, several objectives with a pruner, or NSGA-II with one.
    """
    for name, least in (("trials", 0), ("seed", 0), ("reduction", 2), ("startup", 1)):
        if getattr(search, name) < least:
            raise MflabError(f"sweep.search.{name} must be at least {least}, but got {name}={getattr(search, name)}.")
    if not 0 < search.first_rung <= 1:
        raise MflabError(f"sweep.search.first_rung must be a share above 0, at most 1, but got {search.first_rung}.")
    objectives = []
    for spec in search.objectives:
        if not isinstance(spec, Mapping) or set(spec) != {"name", "direction"}:
            raise MflabError(f"An objective must be {{name: …, direction: higher or lower}}, but got {spec!r}.")
        if spec["direction"] not in ("higher", "lower"):
            raise MflabError(f"Unknown direction {spec['direction']!r} of {spec['name']}; choose higher or lower.")
        objectives.append(Objective(str(spec["name"]), spec["direction"]))
    if objectives and search.pruner is not Pruner.none:
        raise MflabError(
            f"A search for several objectives has no order to stop trials by, but got pruner={search.pruner.name}; "
            "set sweep.search.pruner=none."
        )
    if search.sampler is Sampler.nsga2 and not objectives:
        raise MflabError(
            "The sampler nsga2 needs two objectives, but got one; add sweep.search.objectives or take tpe."
        )
    return tuple(objectives)


def rung_steps(search: SearchCfg, max_step: int) -> tuple[int, ...]:
    """Steps below `max_step` at which trials may be stopped; the median rule also looks at every later report.

    Example:
        >>> rung_steps(SearchCfg(first_rung=0.1, reduction=3), 200)
        (20, 60, 180)
    """
    rungs = []
    step = max(1, math.ceil(search.first_rung * max_step))
    while search.pruner is not Pruner.none and step < max_step:
        rungs.append(step)
        step *= search.reduction
    return tuple(rungs[:1]) if search.pruner is Pruner.median else tuple(rungs)


@dataclass(frozen=True)
class Space:
    """Parameters in drawing order and templates in the order they are applied."""

    parameters: tuple[Parameter, ...]
    templates: tuple[tuple[str, Any], ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """All config keys that the space may set."""
        own = [key for parameter in self.parameters for key in parameter.keys]
        return tuple(own + [key for key, _ in self.templates])

    @property
    def is_conditional(self) -> bool:
        """Whether some parameter exists only sometimes."""
        return any(parameter.when for parameter in self.parameters)

    def draw(self, suggest: Suggest) -> dict[str, Scalar]:
        """Values of the parameters that exist, drawn in the order of the file."""
        values: dict[str, Scalar] = {}
        for parameter in self.parameters:
            if parameter.is_active(values):
                values[parameter.name] = parameter.draw(suggest)
        return values

    def settings_of(self, values: Mapping[str, Scalar]) -> dict[str, Any]:
        """Config keys and their values, parameters first, then templates whose names all have a value.

        Raises:
            MflabError: values that no draw of this space gives.
        """
        clean: dict[str, Scalar] = {}
        settings: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.is_active(clean) != (parameter.name in values):
                state = "missing" if parameter.is_active(clean) else "there although its condition does not hold"
                raise MflabError(
                    f"Values must be a draw of this space, but {parameter.name} is {state}: {dict(values)}."
                )
            if parameter.name not in values:
                continue
            value = clean[parameter.name] = parameter.clean(values[parameter.name])
            if parameter.key:
                settings[parameter.key] = value
            for level in parameter.levels:
                if level.name == value:
                    settings.update(level.overrides)
        unknown = [name for name in values if name not in clean]
        if unknown:
            raise MflabError(f"Values must be a draw of this space, but it has no parameter {', '.join(unknown)}.")
        for key, template in self.templates:
            if _names(key, template) <= clean.keys():
                settings[key] = _fill(template, clean)
        return settings

    def to_dict(self) -> dict[str, Any]:
        """The space as JSON values, equal for equal spaces."""
        parameters = [
            {
                "name": parameter.name,
                "type": type(parameter.domain).__name__,
                "domain": asdict(parameter.domain),
                "key": parameter.key,
                "levels": [[level.name, [list(pair) for pair in level.overrides]] for level in parameter.levels],
                "when": [[name, list(allowed)] for name, allowed in parameter.when],
            }
            for parameter in self.parameters
        ]
        return {"parameters": parameters, "templates": [list(pair) for pair in self.templates]}


def parse_space(space: Mapping[str, Any], settings: Mapping[str, Any]) -> Space:
    """The search space of a sweep file.

    Args:
        space: name -> parameter, in drawing order; `when` may name earlier parameters only.
        settings: config key -> template; `$name` is the value of a parameter, `$$` a dollar sign.

    Raises:
        MflabError: a malformed parameter, a condition on an unknown or later parameter or on a value that it cannot
            take, a key set twice, a template with an unknown name, or a parameter that sets nothing.

    Example:
        >>> space = parse_space(
        ...     {"kind": {"key": "curriculum", "choices": ["single", "two_stage"]},
        ...      "switch": {"low": 0.1, "high": 0.6, "step": 0.05, "when": {"kind": ["two_stage"]}}},
        ...     {"curriculum.stages": [{"until": "$switch"}, {"until": 1.0}]})
        >>> space.settings_of({"kind": "two_stage", "switch": 0.25})
        {'curriculum': 'two_stage', 'curriculum.stages': [{'until': 0.25}, {'until': 1.0}]}
        >>> space.settings_of({"kind": "single"})
        {'curriculum': 'single'}
    """
    parameters: list[Parameter] = []
    for name, spec in space.items():
        parameter = parse_parameter(str(name), spec)
        _check_when(parameter, parameters, space)
        parameters.append(parameter)
    known = {parameter.name for parameter in parameters}
    used: set[str] = set()
    for key, template in settings.items():
        names = _names(str(key), template)
        if not names:
            raise MflabError(
                f"The template of {key} must use a parameter, but got {template!r}; set a fixed value as usual."
            )
        if not names <= known:
            unknown = ", ".join(sorted(names - known))
            raise MflabError(
                f"The template of {key} names unknown {unknown}; choose from {', '.join(known) or 'none'}."
            )
        used |= names
    owner: dict[str, str] = {}
    for source, keys in [(parameter.name, parameter.keys) for parameter in parameters] + [
        ("settings", (str(key),)) for key in settings
    ]:
        for key in keys:
            if key in owner:
                raise MflabError(f"Each config key must be set once, but {owner[key]} and {source} both set {key}.")
            owner[key] = source
    for parameter in parameters:
        if not parameter.keys and parameter.name not in used:
            raise MflabError(
                f"Parameter {parameter.name} sets nothing; give it a key, or use ${parameter.name} in settings."
            )
    return Space(tuple(parameters), tuple((str(key), template) for key, template in settings.items()))


def _check_when(parameter: Parameter, earlier: list[Parameter], space: Mapping[str, Any]) -> None:
    known = {other.name: other for other in earlier}
    for name, allowed in parameter.when:
        if name not in known:
            problem = (
                "declared later; move it up" if name in space and name != parameter.name else "no earlier parameter"
            )
            raise MflabError(f"`when` of parameter {parameter.name} names {name}, which is {problem}.")
        if not isinstance(known[name].domain, Choices | IntRange):
            raise MflabError(f"`when` of parameter {parameter.name} names {name}, which has no separate values.")
        for value in allowed:
            try:
                known[name].clean(value)
            except MflabError as error:
                raise MflabError(
                    f"`when` of parameter {parameter.name} asks for {name}={level_name(value)}, which {name} cannot "
                    f"take; it has {known[name].domain}."
                ) from error


_REFERENCE = re.compile(r"\$(\$|[A-Za-z_][A-Za-z0-9_]*|)")


def _names(key: str, template: Any) -> set[str]:
    """Parameters that a template uses."""
    if isinstance(template, Mapping):
        return set().union(*(_names(key, value) for value in template.values()))
    if isinstance(template, list | tuple):
        return set().union(*(_names(key, value) for value in template))
    if not isinstance(template, str):
        return set()
    found = [match.group(1) for match in _REFERENCE.finditer(template)]
    if "" in found:
        raise MflabError(f"A $ in the template of {key} must begin a parameter's name, but got {template!r}; write $$.")
    return set(found) - {"$"}


def _fill(template: Any, values: Mapping[str, Scalar]) -> Any:
    if isinstance(template, Mapping):
        return {str(key): _fill(value, values) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [_fill(value, values) for value in template]
    if not isinstance(template, str):
        return template
    whole = _REFERENCE.fullmatch(template)
    if whole is not None and whole.group(1) in values:
        return values[whole.group(1)]
    return _REFERENCE.sub(lambda match: "$" if match.group(1) == "$" else level_name(values[match.group(1)]), template)
