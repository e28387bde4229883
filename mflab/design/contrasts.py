"""Model matrices of a design in sum contrasts, and the questions asked of their column spaces."""

from collections.abc import Sequence

import numpy as np

from mflab.design.designs import Cell, Run
from mflab.design.factors import Factor


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


def main_matrix(factors: Sequence[Factor], runs: Sequence[Run]) -> np.ndarray:
    """Main-effects model matrix: intercept, every factor, seed blocks; shape [runs, parameters]."""
    cells = [run.cell for run in runs]
    seeds = [run.seed for run in runs]
    blocks = list(dict.fromkeys(seeds))
    columns = [
        np.ones((len(runs), 1)),
        *(factor_columns(factor, cells) for factor in factors),
    ]
    if len(blocks) > 1:
        columns.append(sum_contrasts(seeds, blocks))
    return np.hstack(columns)


def interaction_columns(first: Factor, second: Factor, cells: Sequence[Cell]) -> np.ndarray:
    """Products of the contrasts of two factors, shape [cells, (levels_1 - 1) (levels_2 - 1)]."""
    a, b = factor_columns(first, cells), factor_columns(second, cells)
    return np.einsum("ri,rj->rij", a, b).reshape(len(cells), -1)


def rank(matrix: np.ndarray) -> int:
    """Rank of a matrix of small integers."""
    return int(np.linalg.matrix_rank(matrix, tol=1e-8 * max(matrix.shape))) if matrix.size else 0


def spans(columns: np.ndarray, target: np.ndarray) -> bool:
    """Whether `target` lies in the span of `columns` and the intercept."""
    base = np.hstack([np.ones((len(columns), 1)), columns])
    return rank(np.hstack([base, target])) == rank(base)


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
    rows, columns = list(dict.fromkeys(first)), list(dict.fromkeys(second))
    if min(len(rows), len(columns)) < 2:
        return 0.0
    counts = np.zeros((len(rows), len(columns)))
    for a, b in zip(first, second, strict=True):
        counts[rows.index(a), columns.index(b)] += 1
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    chi2 = ((counts - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi2 / counts.sum() / (min(counts.shape) - 1)))
