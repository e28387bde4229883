"""A define-by-run space as a sweep file writes it: what is drawn in which order, and what a draw sets."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mflab.design.factors import level_name
from mflab.design.parameters import Choices, IntRange, Parameter, Scalar, Suggest
from mflab.design.parse_parameter import parse_parameter
from mflab.design.templates import fill_template, names_in
from mflab.errors import MflabError


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
            if names_in(key, template) <= clean.keys():
                settings[key] = fill_template(template, clean)
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
        names = names_in(str(key), template)
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
