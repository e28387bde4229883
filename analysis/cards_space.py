"""How a search was set up, in words: sampler, pruner, rungs and what it drew."""

from collections.abc import Mapping
from typing import Any

from analysis.blocks import Block, Table, Text
from analysis.findings import Findings
from analysis.glossary import counted


def search_blocks(findings: Findings) -> list[Block]:
    """A sentence and a table of the parameters; nothing for a sweep that is no search."""
    search = findings.sweep.plan.search
    if search is None:
        return []
    rungs = ", ".join(f"{rung:,}" for rung in search["rungs"])
    stopping = f"{search['pruner']} at steps {rungs}" if rungs else "none"
    random = counted(search["startup"], "suggestion")
    text = (
        f"Sampler {search['sampler']} with seed {search['seed']}, the first {random} at random; "
        f"early stopping: {stopping}; {counted(search['trials'], 'suggestion')} asked for; study {search['study']}."
    )
    rows = tuple(
        (name, _sets(name, spec, search["settings"]), domain(spec), _condition(spec))
        for name, spec in search["space"].items()
    )
    return [Text(text), Table(("parameter", "sets", "drawn from", "only if"), rows, (0, 1, 2, 3))]


def domain(spec: Mapping[str, Any]) -> str:
    """Where a parameter is drawn from.

    Example:
        >>> domain({"low": 0.1, "high": 10, "log": True}), domain({"choices": ["a", "b"]})
        ('0.1 to 10, log scale', 'a, b')
    """
    if "levels" in spec or "choices" in spec:
        return ", ".join(map(str, spec["levels"] if "levels" in spec else spec["choices"]))
    log = ", log scale" if spec.get("log") else ""
    step = f" in steps of {spec['step']:g}" if spec.get("step") else ""
    return f"{spec['low']:g} to {spec['high']:g}{step}{log}"


def _sets(name: str, spec: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    keys = [str(spec["key"])] if "key" in spec else []
    if isinstance(spec.get("levels"), Mapping):
        keys += dict.fromkeys(key for overrides in spec["levels"].values() for key in overrides)
    return ", ".join([*keys, *(key for key, template in settings.items() if f"${name}" in str(template))])


def _condition(spec: Mapping[str, Any]) -> str:
    if "when" not in spec or not spec["when"]:
        return "–"
    return " and ".join(f"{name} is {' or '.join(map(str, values))}" for name, values in spec["when"].items())
