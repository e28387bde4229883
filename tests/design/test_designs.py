import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mflab.design import Factor, Level, full_factorial, make_design, one_factor, parse_factors, replicate, run_order
from mflab.errors import MflabError


def factors_of(sizes: list[int]) -> tuple[Factor, ...]:
    return tuple(
        Factor(f"f{i}", tuple(Level(f"l{j}", ((f"key{i}", j),)) for j in range(size))) for i, size in enumerate(sizes)
    )


@given(st.lists(st.integers(2, 4), max_size=4))
def test_a_full_factorial_holds_every_combination_once(sizes: list[int]) -> None:
    cells = full_factorial(factors_of(sizes))
    assert len(cells) == np.prod(sizes, dtype=int) == len({tuple(cell.items()) for cell in cells})


@given(st.lists(st.integers(2, 4), min_size=1, max_size=4))
def test_one_factor_cells_differ_from_the_baseline_in_one_factor(sizes: list[int]) -> None:
    factors = factors_of(sizes)
    baseline, *rest = one_factor(factors, {"f0": "l1"})
    assert baseline["f0"] == "l1"
    assert len(rest) == sum(size - 1 for size in sizes)
    assert all(sum(cell[name] != baseline[name] for name in cell) == 1 for cell in rest)


def test_runs_are_shuffled_inside_blocks_that_keep_their_order() -> None:
    runs = replicate(full_factorial(factors_of([3, 3])), [5, 1, 8])
    order = run_order(runs, np.random.default_rng(0))
    assert order == run_order(runs, np.random.default_rng(0)) != run_order(runs, np.random.default_rng(1))
    assert sorted(order) == list(range(27))
    executed = [run.seed for _, run in sorted(zip(order, runs, strict=True), key=lambda pair: pair[0])]
    assert executed == [5] * 9 + [1] * 9 + [8] * 9
    assert order[:9] != sorted(order[:9])


def test_wrong_designs_name_the_options() -> None:
    factors = parse_factors({"a": {"key": "k", "levels": ["x", "y"]}})
    with pytest.raises(MflabError, match="choose one of full_factorial, one_factor"):
        make_design("factoral", factors)
    with pytest.raises(MflabError, match="Unknown factor 'b' in the baseline"):
        make_design("one_factor", factors, {"b": "x"})
    with pytest.raises(MflabError, match="at least one seed"):
        replicate([{}], [])
    with pytest.raises(MflabError, match="Seeds must differ"):
        replicate([{}], [1, 1])


def test_negative_seeds_are_refused() -> None:
    with pytest.raises(MflabError, match=r"Seeds must be at least 0, but got \[0, -1\]"):
        replicate([{"a": "x"}], [0, -1])
