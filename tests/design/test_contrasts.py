"""Ranks from inner products within blocks equal the ranks of the model matrices that they stand for."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mflab.design import Factor, Level, Run, audit_design, full_factorial
from mflab.design.contrasts import cramers_v, factor_columns, interaction_columns, sum_contrasts


def rank(*parts: np.ndarray) -> int:
    return int(np.linalg.matrix_rank(np.hstack(parts), tol=1e-6))


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(2, 4), max_size=3),
    places=st.lists(st.tuples(st.integers(0, 63), st.integers(0, 2)), min_size=1, max_size=40, unique=True),
)
def test_ranks_of_an_audit_are_those_of_the_model_matrices(sizes: list[int], places: list[tuple[int, int]]) -> None:
    factors = [
        Factor(f"f{i}", tuple(Level(f"l{j}", ((f"key{i}", j),)) for j in range(size))) for i, size in enumerate(sizes)
    ]
    table = full_factorial(factors)
    runs = [Run(table[place % len(table)], seed) for place, seed in places]
    audit, cells, seeds = audit_design(factors, runs), [run.cell for run in runs], [run.seed for run in runs]
    columns = {factor.name: factor_columns(factor, cells) for factor in factors}
    blocks, one = sum_contrasts(seeds, list(dict.fromkeys(seeds))), np.ones((len(runs), 1))
    main = np.hstack([one, *columns.values(), blocks])
    products = [interaction_columns(a, b) for a, b in itertools.combinations(columns.values(), 2)]
    together = np.hstack([main, *products])
    assert (audit.rank, audit.rank_needed) == (rank(main), main.shape[1])
    assert audit.interactions_estimable == (rank(together) == together.shape[1])
    pairs = [pair for pair in audit.pairs if pair.interaction_estimable is not None]
    assert [p.interaction_estimable for p in pairs] == [rank(main, p) == rank(main) + p.shape[1] for p in products]
    columns["seed"] = blocks
    values = {**{factor.name: [cell[factor.name] for cell in cells] for factor in factors}, "seed": seeds}
    for pair in audit.pairs:
        a, b = columns[pair.first], columns[pair.second]
        spanned = rank(one, a, b) in (rank(one, a), rank(one, b))
        varies = all(len(set(values[name])) > 1 for name in (pair.first, pair.second))
        assert pair.aliased == (spanned and varies)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1))
def test_cramers_v_is_symmetric_and_unmoved_by_names_and_order(values: list[tuple[str, str]]) -> None:
    first, second = zip(*values, strict=True)
    expected = cramers_v(first, second)
    assert 0 <= expected <= 1 + 1e-12
    assert np.isclose(cramers_v(second[::-1], first[::-1]), expected)
