"""Model matrices of a design in sum contrasts, and the questions asked of their column spaces."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mflab.design.designs import Cell
from mflab.design.factors import Factor

# Rows multiplied at a time, so that no copy in full precision is as large as the design.
_ROWS = 4096


def sum_contrasts(values: Sequence[object], levels: Sequence[object]) -> np.ndarray:
    """Sum contrasts of a categorical column: level k is a unit vector, the last level is -1 throughout.

    Args:
        values: one level per run.
        levels: all L levels.

    Returns:
        Matrix of shape [runs, L - 1].

    Example:
        >>> sum_contrasts(["a", "b", "c"], ["a", "b", "c"]).tolist()
        [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]
    """
    coding = np.vstack([np.eye(len(levels) - 1), -np.ones((1, len(levels) - 1))])
    position = {level: index for index, level in enumerate(levels)}
    return coding[[position[value] for value in values]]


def factor_columns(factor: Factor, cells: Sequence[Cell]) -> np.ndarray:
    """Sum contrasts of a factor over cells, shape [cells, levels - 1]."""
    return sum_contrasts([cell[factor.name] for cell in cells], factor.level_names)


def interaction_columns(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Products of the contrasts of two factors, shape [cells, (levels_1 - 1) (levels_2 - 1)]."""
    return np.einsum("ri,rj->rij", first, second).reshape(len(first), first.shape[1] * second.shape[1])


def positions(values: Sequence[object]) -> np.ndarray:
    """Position of each value among the distinct values, in order of first use.

    Example:
        >>> positions(["b", "a", "b"]).tolist()
        [0, 1, 0]
    """
    place = {value: index for index, value in enumerate(dict.fromkeys(values))}
    return np.fromiter((place[value] for value in values), np.int64, len(values))


@dataclass(frozen=True)
class Gram:
    """Inner products of columns within blocks, from which the rank of any choice of columns follows at once.

    With the number of blocks added, that rank is the rank of the columns together with the blocks: centring takes out
    what the blocks explain.

    Attributes:
        products: shape [columns, columns].
        num_rows: number of runs.
    """

    products: np.ndarray
    num_rows: int

    @cached_property
    def is_full(self) -> bool:
        """Whether all columns are independent, and so are any of them."""
        return self._rank(np.arange(len(self.products))) == len(self.products)

    def rank(self, chosen: np.ndarray) -> int:
        """Rank of some columns, given by their numbers."""
        return len(chosen) if self.is_full else self._rank(chosen)

    def _rank(self, chosen: np.ndarray) -> int:
        values = np.linalg.eigvalsh(self.products[np.ix_(chosen, chosen)])
        # Squares of singular values: as far from rounding as 1e-8 of the number of rows is for the values themselves.
        return int((values > 1e-12 * self.num_rows).sum())


def gram_within(columns: np.ndarray, blocks: np.ndarray) -> Gram:
    """The inner products of columns of small integers within blocks.

    Args:
        columns: one row per run.
        blocks: block of each run, 0 to number of blocks - 1.

    Example:
        >>> gram = gram_within(np.array([[1, 1], [1, 2], [2, 3], [2, 4]]), np.array([0, 0, 1, 1]))
        >>> gram.products.tolist(), gram.rank(np.array([0])), gram.rank(np.array([0, 1]))
        ([[0.0, 0.0], [0.0, 1.0]], 0, 1)
    """
    products = np.zeros((columns.shape[1], columns.shape[1]))
    for start in range(0, len(columns), _ROWS):
        rows = columns[start : start + _ROWS].astype(np.float64)
        products += rows.T @ rows
    order, counts = np.argsort(blocks, kind="stable"), np.bincount(blocks)
    sums = np.add.reduceat(columns[order], np.cumsum(counts) - counts, axis=0, dtype=np.float64)
    return Gram(products - (sums / counts[:, None]).T @ sums, len(columns))


def rank(matrix: np.ndarray) -> int:
    """Rank of a matrix of small integers."""
    return int(np.linalg.matrix_rank(matrix, tol=1e-8 * max(matrix.shape))) if matrix.size else 0


def max_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Largest absolute correlation between a column of `first` and a column of `second`; 0 where a column is constant.

    Example:
        >>> max_correlation(np.array([[1.0], [-1.0], [1.0]]), np.array([[-1.0], [1.0], [-1.0]]))
        1.0
    """
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    scale = np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where(scale > 1e-12, np.abs(a.T @ b) / scale, 0.0)
    return float(min(1.0, correlation.max(initial=0.0)))


def cramers_v(first: Sequence[object], second: Sequence[object]) -> float:
    """Cramér's V of two categorical columns: 0 independent, 1 each tells the other; 0 when one never varies.

    Example:
        >>> cramers_v("aabb", "xyxy"), cramers_v("aabb", "xxyy")
        (0.0, 1.0)
    """
    shape = len(set(first)), len(set(second))
    if min(shape) < 2:
        return 0.0
    counts = np.zeros(shape)
    np.add.at(counts, (positions(first), positions(second)), 1)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    chi2 = ((counts - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi2 / counts.sum() / (min(counts.shape) - 1)))
