"""Templates of config values: text, alone or in lists and mappings, in which `$name` stands for a parameter's value."""

import re
from collections.abc import Mapping
from typing import Any

from mflab.design.factors import level_name
from mflab.design.parameters import Scalar
from mflab.errors import MflabError

_REFERENCE = re.compile(r"\$(\$|[A-Za-z_][A-Za-z0-9_]*|)")


def names_in(key: str, template: Any) -> set[str]:
    """Parameters that a template uses.

    Args:
        key: the config key that it is for.
        template: text, or lists and mappings that hold some.

    Raises:
        MflabError: a $ that begins no name.

    Example:
        >>> sorted(names_in("curriculum.stages", [{"until": "$switch", "prompt": "$style"}, {"until": 1.0}]))
        ['style', 'switch']
    """
    if isinstance(template, Mapping):
        return set().union(*(names_in(key, value) for value in template.values()))
    if isinstance(template, list | tuple):
        return set().union(*(names_in(key, value) for value in template))
    if not isinstance(template, str):
        return set()
    found = [match.group(1) for match in _REFERENCE.finditer(template)]
    if "" in found:
        raise MflabError(f"A $ in the template of {key} must begin a parameter's name, but got {template!r}; write $$.")
    return set(found) - {"$"}


def fill_template(template: Any, values: Mapping[str, Scalar]) -> Any:
    """A template with the values of its parameters; what is one name and no more keeps its value's type.

    Args:
        template: text, or lists and mappings that hold some; `$$` stands for a dollar sign.
        values: value of each parameter that it uses.

    Example:
        >>> fill_template({"until": "$switch", "label": "at $switch for $$5"}, {"switch": 0.25})
        {'until': 0.25, 'label': 'at 0.25 for $5'}
    """
    if isinstance(template, Mapping):
        return {str(key): fill_template(value, values) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill_template(value, values) for value in template]
    if not isinstance(template, str):
        return template
    whole = _REFERENCE.fullmatch(template)
    if whole is not None and whole.group(1) in values:
        return values[whole.group(1)]
    return _REFERENCE.sub(lambda match: "$" if match.group(1) == "$" else level_name(values[match.group(1)]), template)
