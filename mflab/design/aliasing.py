"""Which effects of a design can be told apart, and which cells would mend what cannot."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mflab.design.contrasts import (
    Gram,
    cramers_v,
    factor_columns,
    gram_within,
    interaction_columns,
    max_correlation,
    positions,
    rank,
    sum_contrasts,
)
from mflab.design.designs import Cell, Run, full_factorial
from mflab.design.factors import Factor

SEED_BLOCKS = "seed"


@dataclass(frozen=True)
class PairAudit:
    """How far two factors move together, over all runs; the second may be the seed blocks (`seed`).

    `aliased`: the contrasts of one lie in the span of the other. `interaction_estimable`: their two-way interaction
    adds all its parameters to the rank of the main effects (None for the seed blocks).
    """

    first: str
    second: str
    cramers_v: float
    max_correlation: float
    aliased: bool
    interaction_estimable: bool | None


@dataclass(frozen=True)
class EffectSpaces:
    """The contrasts of a design and their products, reduced to what their ranks need.

    Attributes:
        within: all columns within seed blocks.
        across: the columns of all factors, over all runs.
        of: numbers of the columns of each factor, by name, and of each interaction, by both names.
        main: numbers of the columns of all factors.
    """

    within: Gram
    across: Gram
    of: dict[str | tuple[str, str], np.ndarray]
    main: np.ndarray


def effect_spaces(factors: Sequence[Factor], runs: Sequence[Run]) -> EffectSpaces:
    """The contrasts of all factors and their two-way interactions over the runs of a design."""
    cells = [run.cell for run in runs]
    # All entries are -1, 0 or 1; in full precision they would be the largest thing in a plan.
    parts: dict[str | tuple[str, str], np.ndarray] = {
        factor.name: factor_columns(factor, cells).astype(np.int8) for factor in factors
    }
    for first, second in itertools.combinations(factors, 2):
        parts[first.name, second.name] = interaction_columns(parts[first.name], parts[second.name])
    together = np.hstack([np.zeros((len(runs), 0), np.int8), *parts.values()])
    ends = np.cumsum([part.shape[1] for part in parts.values()])
    of = {name: np.arange(end - part.shape[1], end) for (name, part), end in zip(parts.items(), ends, strict=True)}
    main = np.arange(sum(len(of[factor.name]) for factor in factors))
    return EffectSpaces(
        within=gram_within(together, positions([run.seed for run in runs])),
        across=gram_within(together[:, main], np.zeros(len(runs), np.int64)),
        of=of,
        main=main,
    )


def audit_pairs(factors: Sequence[Factor], runs: Sequence[Run], spaces: EffectSpaces) -> tuple[PairAudit, ...]:
    """How far each pair of factors, and each factor and the seed blocks, move together.

    Args:
        factors: of the design.
        runs: its runs.
        spaces: their contrasts, of `effect_spaces`.
    """
    cells = [run.cell for run in runs]
    columns = {factor.name: factor_columns(factor, cells) for factor in factors}
    values: dict[str, list[object]] = {factor.name: [cell[factor.name] for cell in cells] for factor in factors}
    seeds: list[object] = [run.seed for run in runs]
    blocks = list(dict.fromkeys(seeds))
    within, across = spaces.within, spaces.across
    main_rank, pairs = within.rank(spaces.main), []
    for first, second in itertools.combinations(factors, 2):
        a, b, product = spaces.of[first.name], spaces.of[second.name], spaces.of[first.name, second.name]
        spanned = across.rank(np.concatenate([a, b])) in (across.rank(a), across.rank(b))
        estimable = within.rank(np.concatenate([spaces.main, product])) == main_rank + len(product)
        pairs.append(_audit_pair(first.name, second.name, columns, values, spanned, estimable))
    if len(blocks) > 1:
        columns[SEED_BLOCKS], values[SEED_BLOCKS] = sum_contrasts(seeds, blocks), seeds
        for factor in factors:
            own = spaces.of[factor.name]
            inside = within.rank(own)
            # Blocks span the factor where nothing of it is left inside them, and are spanned where they add nothing.
            spanned = inside == 0 or len(blocks) + inside == 1 + across.rank(own)
            pairs.append(_audit_pair(factor.name, SEED_BLOCKS, columns, values, spanned, None))
    return tuple(pairs)


def _audit_pair(
    first: str,
    second: str,
    columns: dict[str, np.ndarray],
    values: dict[str, list[object]],
    spanned: bool,
    interaction_estimable: bool | None,
) -> PairAudit:
    varies = len(set(values[first])) > 1 and len(set(values[second])) > 1
    return PairAudit(
        first=first,
        second=second,
        cramers_v=cramers_v(values[first], values[second]),
        max_correlation=max_correlation(columns[first], columns[second]),
        aliased=varies and spanned,
        interaction_estimable=interaction_estimable,
    )


def mending_cells(factors: Sequence[Factor], cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Cells that raise the rank of the cell design to full, chosen one by one; empty when it is full already.

    Example:
        >>> from mflab.design import parse_factors
        >>> factors = parse_factors({"a": {"key": "a", "levels": [1, 2]}, "b": {"key": "b", "levels": [3, 4]}})
        >>> mending_cells(factors, [{"a": "1", "b": "3"}, {"a": "2", "b": "4"}])
        ({'a': '1', 'b': '4'},)
    """

    def rows(of: Sequence[Cell]) -> np.ndarray:
        return np.hstack([np.ones((len(of), 1)), *(factor_columns(factor, of) for factor in factors)])

    matrix = rows(cells)
    if rank(matrix) == matrix.shape[1]:
        return ()
    candidates = full_factorial(factors)
    rest = rows(candidates)
    chosen: list[Cell] = []
    while rank(matrix) < matrix.shape[1]:
        # The candidate farthest from the row space adds the most information; ties go to the first.
        basis = np.linalg.svd(matrix, full_matrices=False)[2][: rank(matrix)]
        distance = np.linalg.norm(rest - rest @ basis.T @ basis, axis=1).round(9)
        best = int(distance.argmax())
        chosen.append(candidates[best])
        matrix = np.vstack([matrix, rest[best]])
    return tuple(chosen)
