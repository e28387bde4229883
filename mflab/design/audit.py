"""Audit of a design before it runs: which effects can be told apart, and how small an effect it can find."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
from mflab.design.power import mde
from mflab.errors import MflabError

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
class Audit:
    """What a design can answer.

    Attributes:
        num_runs, num_cells, num_seeds: size of the design.
        rank, rank_needed: of the main-effects model with seed blocks.
        interactions_estimable: whether all two-way interactions can be told from everything else together.
        pairs: every pair of factors, and every factor with the seed blocks.
        constant_factors: factors of which only one level is run.
        balanced: every cell runs under every seed.
        mde_sd: minimal detectable paired effect in SDs of the seed-block difference (80 % power, alpha 0.05); None
            with fewer than two seeds.
        problems: why a main effect cannot be estimated, with the cells that would mend it.
        notes: limits that leave the main effects estimable.
        mending_cells: cells that, run under every seed, give the main-effects model full rank.
        estimable: every main effect can be estimated; false stops a sweep.
    """

    num_runs: int
    num_cells: int
    num_seeds: int
    rank: int
    rank_needed: int
    interactions_estimable: bool
    pairs: tuple[PairAudit, ...]
    constant_factors: tuple[str, ...]
    balanced: bool
    mde_sd: float | None
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    mending_cells: tuple[Cell, ...]
    estimable: bool

    def to_dict(self) -> dict[str, Any]:
        """The audit as plain values for JSON."""
        return dataclasses.asdict(self)


def audit_design(factors: Sequence[Factor], runs: Sequence[Run]) -> Audit:
    """The audit of `runs` for the main effects of `factors`, with seeds as blocks.

    Raises:
        MflabError: no runs.

    Example:
        >>> from mflab.design import full_factorial, parse_factors, replicate
        >>> factors = parse_factors({"a": {"key": "a", "levels": [1, 2]}, "b": {"key": "b", "levels": [3, 4]}})
        >>> good = audit_design(factors, replicate(full_factorial(factors), range(5)))
        >>> good.estimable, good.interactions_estimable, round(good.mde_sd, 2)
        (True, True, 1.68)
        >>> bad = audit_design(factors, replicate([{"a": "1", "b": "3"}, {"a": "2", "b": "4"}], range(5)))
        >>> bad.estimable, bad.mending_cells
        (False, ({'a': '1', 'b': '4'},))
    """
    if not runs:
        raise MflabError("A design must have at least one run, but got none; set sweep.factors and sweep.seeds.")
    cells = list({tuple(run.cell.items()): run.cell for run in runs}.values())
    seeds = list(dict.fromkeys(run.seed for run in runs))
    spaces = _spaces(factors, runs)
    pairs = _audit_pairs(factors, runs, spaces)
    constant = tuple(factor.name for factor in factors if len({run.cell[factor.name] for run in runs}) == 1)
    mending = _mending_cells(factors, cells)
    main_rank, needed = spaces.within.rank(spaces.main), len(spaces.main)
    full_rank = main_rank == needed
    counts = Counter((tuple(run.cell.items()), run.seed) for run in runs)
    balanced = len(counts) == len(cells) * len(seeds) and set(counts.values()) == {1}
    interactions_estimable = spaces.within.is_full
    return Audit(
        num_runs=len(runs),
        num_cells=len(cells),
        num_seeds=len(seeds),
        rank=len(seeds) + main_rank,
        rank_needed=len(seeds) + needed,
        interactions_estimable=interactions_estimable,
        pairs=pairs,
        constant_factors=constant,
        balanced=balanced,
        mde_sd=mde(len(seeds)) if len(seeds) > 1 else None,
        problems=_problems(factors, runs, pairs, constant, mending, full_rank),
        notes=_notes(len(seeds), balanced, len(factors), interactions_estimable),
        mending_cells=mending,
        estimable=full_rank,
    )


@dataclass(frozen=True)
class _Spaces:
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


def _spaces(factors: Sequence[Factor], runs: Sequence[Run]) -> _Spaces:
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
    return _Spaces(
        within=gram_within(together, positions([run.seed for run in runs])),
        across=gram_within(together[:, main], np.zeros(len(runs), np.int64)),
        of=of,
        main=main,
    )


def _audit_pairs(factors: Sequence[Factor], runs: Sequence[Run], spaces: _Spaces) -> tuple[PairAudit, ...]:
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


def _mending_cells(factors: Sequence[Factor], cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Cells that raise the rank of the cell design to full, chosen one by one; empty when it is full already."""

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


def _problems(
    factors: Sequence[Factor],
    runs: Sequence[Run],
    pairs: tuple[PairAudit, ...],
    constant: tuple[str, ...],
    mending: tuple[Cell, ...],
    full_rank: bool,
) -> tuple[str, ...]:
    if full_rank:
        return ()
    remedy = f" Add, under every seed: {'; '.join(_cell_text(cell) for cell in mending)}." if mending else ""
    problems = []
    for factor in factors:
        unused = [name for name in factor.level_names if name not in {run.cell[factor.name] for run in runs}]
        if factor.name in constant:
            problems.append(f"{factor.name} never varies: only {runs[0].cell[factor.name]} is run.")
        elif unused:
            problems.append(f"{factor.name} has levels that are never run: {', '.join(unused)}.")
    for pair in pairs:
        if pair.aliased and pair.second == SEED_BLOCKS:
            problems.append(f"{pair.first} moves together with the seed; run each of its levels under every seed.")
        elif pair.aliased:
            problems.append(f"{pair.first} and {pair.second} move together, so their effects cannot be told apart.")
    if not problems:
        problems.append("Some factors together determine another one, so the main effects cannot all be told apart.")
    problems[-1] += remedy
    return tuple(problems)


def _notes(num_seeds: int, balanced: bool, num_factors: int, interactions_estimable: bool) -> tuple[str, ...]:
    notes = []
    if num_seeds == 1:
        notes.append("One seed: effects have no interval and nothing can be decided; add seeds.")
    if not balanced:
        notes.append("Not every cell runs once under every seed: contrasts use complete pairs only.")
    if num_factors > 1 and not interactions_estimable:
        notes.append(
            "Two-way interactions cannot all be estimated: main effects hold only where factors do not interact."
        )
    return tuple(notes)


def _cell_text(cell: Cell) -> str:
    return ", ".join(f"{name}={level}" for name, level in cell.items())
