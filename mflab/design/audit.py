"""Audit of a design before it runs: which effects can be told apart, and how small an effect it can find."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mflab.design.aliasing import SEED_BLOCKS, PairAudit, audit_pairs, effect_spaces, mending_cells
from mflab.design.designs import Cell, Run
from mflab.design.factors import Factor
from mflab.design.power import mde
from mflab.errors import MflabError


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
    spaces = effect_spaces(factors, runs)
    pairs = audit_pairs(factors, runs, spaces)
    constant = tuple(factor.name for factor in factors if len({run.cell[factor.name] for run in runs}) == 1)
    mending = mending_cells(factors, cells)
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
