"""The search of a sweep: its settings, what they must fulfil, and the rungs at which trials may be stopped."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

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
