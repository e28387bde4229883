"""Paired differences within seed blocks: the numbers that every effect is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

Levels = tuple[str, ...]


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of cells that differ in `factors` only.

    Main effect of b against a: weights {(b,): 1, (a,): -1}. Interaction: the difference of two such differences.
    """

    factors: tuple[str, ...]
    weights: dict[Levels, float]
    name: str


@dataclass(frozen=True)
class BlockDifferences:
    """A contrast in every used seed block.

    Attributes:
        seeds: used blocks.
        values: contrast per block, averaged with equal weights over `combinations`.
        combinations: combinations of the other factors' levels that are complete in every used block.
        num_used, num_planned: (block, combination) pairs used and planned.
    """

    seeds: tuple[int, ...]
    values: tuple[float, ...]
    combinations: tuple[Levels, ...]
    num_used: int
    num_planned: int


def main_contrasts(factor: str, levels: Sequence[str]) -> list[Contrast]:
    """Every pair of levels, the later minus the earlier; the first level is the reference.

    Example:
        >>> [contrast.name for contrast in main_contrasts("f", ["a", "b", "c"])]
        ['b − a', 'c − a', 'c − b']
    """
    pairs = [(high, low) for place, high in enumerate(levels) for low in levels[:place]]
    pairs.sort(key=lambda pair: levels.index(pair[1]))
    return [Contrast((factor,), {(high,): 1.0, (low,): -1.0}, f"{high} − {low}") for high, low in pairs]


def interaction_contrasts(first: str, levels_1: Sequence[str], second: str, levels_2: Sequence[str]) -> list[Contrast]:
    """How much the effect of each level of `first` against its reference changes with the levels of `second`."""
    contrasts = []
    for a in levels_1[1:]:
        for b in levels_2[1:]:
            weights = {
                (a, b): 1.0,
                (levels_1[0], b): -1.0,
                (a, levels_2[0]): -1.0,
                (levels_1[0], levels_2[0]): 1.0,
            }
            name = f"({a} − {levels_1[0]}) × ({b} − {levels_2[0]})"
            contrasts.append(Contrast((first, second), weights, name))
    return contrasts


def block_differences(done: pd.DataFrame, planned: pd.DataFrame, response: str, contrast: Contrast) -> BlockDifferences:
    """The contrast in every seed block that holds a complete comparison.

    Only combinations of the other factors that are complete in all used blocks enter, each with the same weight, so a
    missing trial cannot shift the mean: blocks stay comparable. A block that shares no complete combination with the
    others is left out, the one with the fewest complete combinations first.

    Args:
        done: done trials with columns seed, the factors and `response`.
        planned: all planned trials with columns seed and the factors.
        response: response column; rows where it is not finite count as missing.
        contrast: what to compare.
    """
    finite = done[done[response].abs() < float("inf")]
    complete = _complete(finite, contrast, [float(value) for value in finite[response]])
    asked = _complete(planned, contrast, [0.0] * len(planned))
    used = {seed: combinations for seed, combinations in complete.items() if combinations}
    while used:
        common = set.intersection(*(set(combinations) for combinations in used.values()))
        if common:
            break
        used.pop(min(reversed(used), key=lambda seed: len(used[seed])))
    else:
        common = set()
    ordered = tuple(combination for combination in _all_combinations(asked) if combination in common)
    values = tuple(sum(used[seed][combination] for combination in ordered) / len(ordered) for seed in used)
    return BlockDifferences(
        seeds=tuple(used),
        values=values,
        combinations=ordered,
        num_used=len(used) * len(ordered),
        num_planned=sum(len(combinations) for combinations in asked.values()),
    )


def _complete(table: pd.DataFrame, contrast: Contrast, values: list[float]) -> dict[int, dict[Levels, float]]:
    """Seed -> combination of the other factors -> contrast, where every cell of the contrast is present."""
    others = [name for name in table.attrs["factors"] if name not in contrast.factors]
    seeds = [int(seed) for seed in table["seed"]]
    own = _level_tuples(table, contrast.factors)
    rest = _level_tuples(table, others)
    found: dict[int, dict[Levels, dict[Levels, float]]] = {}
    for seed, levels, combination, value in zip(seeds, own, rest, values, strict=True):
        if levels in contrast.weights:
            found.setdefault(seed, {}).setdefault(combination, {})[levels] = value
    return {
        seed: {
            combination: sum(contrast.weights[levels] * value for levels, value in cells.items())
            for combination, cells in combinations.items()
            if len(cells) == len(contrast.weights)
        }
        for seed, combinations in sorted(found.items())
    }


def _level_tuples(table: pd.DataFrame, factors: Sequence[str]) -> list[Levels]:
    if not factors:
        return [()] * len(table)
    return list(zip(*(table[name] for name in factors), strict=True))


def _all_combinations(asked: Mapping[int, Mapping[Levels, float]]) -> list[Levels]:
    return list(dict.fromkeys(combination for combinations in asked.values() for combination in combinations))
