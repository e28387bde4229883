"""Designs: which cells a sweep runs, with which seeds and in which order."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mflab.design.factors import Factor
from mflab.errors import MflabError

Cell = dict[str, str]


class Run(NamedTuple):
    """A cell under one seed; the runs of a seed form a block with common random numbers."""

    cell: Cell
    seed: int


def full_factorial(factors: Sequence[Factor], baseline: Cell | None = None) -> list[Cell]:
    """All combinations of levels, the last factor varying fastest; one empty cell without factors.

    Example:
        >>> from mflab.design.factors import parse_factors
        >>> factors = parse_factors({"a": {"key": "a", "levels": [1, 2]}, "b": {"key": "b", "levels": [3, 4]}})
        >>> [tuple(cell.values()) for cell in full_factorial(factors)]
        [('1', '3'), ('1', '4'), ('2', '3'), ('2', '4')]
    """
    check_baseline(factors, baseline)
    names = [factor.name for factor in factors]
    return [
        dict(zip(names, levels, strict=True))
        for levels in itertools.product(*(factor.level_names for factor in factors))
    ]


def one_factor(factors: Sequence[Factor], baseline: Cell | None = None) -> list[Cell]:
    """The baseline cell and every cell that differs from it in one factor.

    Args:
        factors: the factors.
        baseline: level per factor; a factor left out stands at its first level.

    Example:
        >>> from mflab.design.factors import parse_factors
        >>> factors = parse_factors({"a": {"key": "a", "levels": [1, 2]}, "b": {"key": "b", "levels": [3, 4]}})
        >>> [tuple(cell.values()) for cell in one_factor(factors)]
        [('1', '3'), ('2', '3'), ('1', '4')]
    """
    check_baseline(factors, baseline)
    centre = {factor.name: factor.level_names[0] for factor in factors} | (baseline or {})
    cells = [centre]
    for factor in factors:
        cells += [centre | {factor.name: name} for name in factor.level_names if name != centre[factor.name]]
    return cells


DESIGNS: dict[str, Callable[[Sequence[Factor], Cell | None], list[Cell]]] = {
    "full_factorial": full_factorial,
    "one_factor": one_factor,
}


def make_design(kind: str, factors: Sequence[Factor], baseline: Cell | None = None) -> list[Cell]:
    """The cells of the design called `kind`.

    Raises:
        MflabError: unknown design, or a baseline with an unknown factor or level.
    """
    if kind not in DESIGNS:
        raise MflabError(f"Unknown design {kind!r}; choose one of {', '.join(DESIGNS)}.")
    return DESIGNS[kind](factors, baseline)


def replicate(cells: Sequence[Cell], seeds: Sequence[int]) -> list[Run]:
    """Every cell under every seed, block after block.

    Example:
        >>> [(run.cell["a"], run.seed) for run in replicate([{"a": "x"}, {"a": "y"}], [0, 1])]
        [('x', 0), ('y', 0), ('x', 1), ('y', 1)]
    """
    if not seeds:
        raise MflabError("A design must have at least one seed, but got none; set sweep.seeds.")
    if min(seeds) < 0:
        raise MflabError(f"Seeds must be at least 0, but got {list(seeds)}; set sweep.seeds.")
    if len(set(seeds)) < len(seeds):
        raise MflabError(f"Seeds must differ, but got {list(seeds)}; drop the repeated ones.")
    return [Run(dict(cell), seed) for seed in seeds for cell in cells]


def run_order(runs: Sequence[Run], generator: np.random.Generator) -> list[int]:
    """Place of each run in the order of execution: seed blocks one after another, cells shuffled within a block.

    A finished block is a complete comparison, so an interrupted sweep still answers; the shuffle keeps a drift of the
    machine from being mistaken for an effect.

    Returns:
        For run i its position in 0 .. len(runs) - 1.

    Example:
        >>> runs = replicate([{"a": "x"}, {"a": "y"}], [7, 3])
        >>> order = run_order(runs, np.random.default_rng(0))
        >>> sorted(order[:2]), sorted(order[2:])
        ([0, 1], [2, 3])
    """
    blocks: dict[int, list[int]] = {}
    for index, run in enumerate(runs):
        blocks.setdefault(run.seed, []).append(index)
    order = [0] * len(runs)
    position = 0
    for members in blocks.values():
        for index in generator.permutation(members):
            order[int(index)] = position
            position += 1
    return order


def check_baseline(factors: Sequence[Factor], baseline: Mapping[str, str] | None) -> None:
    """Refuses a baseline that names an unknown factor or level."""
    known = {factor.name: factor for factor in factors}
    for name, level in (baseline or {}).items():
        if name not in known:
            raise MflabError(f"Unknown factor {name!r} in the baseline; choose one of {', '.join(known)}.")
        known[name].level(level)
