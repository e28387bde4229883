import json

import pytest

from mflab.design import Run, audit_design, full_factorial, one_factor, parse_factors, replicate
from mflab.errors import MflabError

FACTORS = parse_factors(
    {
        "a": {"key": "a", "levels": ["a1", "a2"]},
        "b": {"key": "b", "levels": ["b1", "b2"]},
        "c": {"key": "c", "levels": ["c1", "c2", "c3"]},
    }
)


def cell(*levels: str) -> dict[str, str]:
    return dict(zip("abc", levels, strict=True))


def test_a_full_factorial_estimates_everything() -> None:
    audit = audit_design(FACTORS, replicate(full_factorial(FACTORS), range(3)))
    assert audit.estimable
    assert audit.interactions_estimable
    assert audit.balanced
    assert audit.rank == audit.rank_needed == 1 + 1 + 1 + 2 + 2
    assert all(pair.cramers_v == 0 and pair.max_correlation < 1e-12 and not pair.aliased for pair in audit.pairs)
    assert audit.problems == audit.notes == audit.mending_cells == ()
    json.dumps(audit.to_dict(), allow_nan=False)


def test_one_factor_at_a_time_leaves_interactions_open() -> None:
    audit = audit_design(FACTORS, replicate(one_factor(FACTORS), range(3)))
    assert audit.estimable
    assert not audit.interactions_estimable
    assert any("interactions" in note for note in audit.notes)


def test_two_factors_that_move_together_are_aliased_and_mended() -> None:
    cells = [cell("a1", "b1", c) for c in ("c1", "c2", "c3")] + [cell("a2", "b2", c) for c in ("c1", "c2", "c3")]
    audit = audit_design(FACTORS, replicate(cells, [0, 1]))
    assert not audit.estimable
    (aliased,) = [pair for pair in audit.pairs if pair.aliased]
    assert (aliased.first, aliased.second, aliased.cramers_v, aliased.max_correlation) == ("a", "b", 1.0, 1.0)
    assert "a and b move together" in audit.problems[0]
    assert "Add, under every seed: a=" in audit.problems[-1]
    mended = audit_design(FACTORS, replicate([*cells, *audit.mending_cells], [0, 1]))
    assert mended.estimable


def test_a_factor_nested_in_the_levels_of_another_is_aliased() -> None:
    cells = [cell("a1", b, "c1") for b in ("b1", "b2")] + [cell("a2", b, c) for b in ("b1", "b2") for c in ("c2", "c3")]
    audit = audit_design(FACTORS, replicate(cells, [0]))
    assert [(p.first, p.second) for p in audit.pairs if p.aliased] == [("a", "c")]
    assert not audit.estimable


def test_constant_factors_and_unused_levels_are_named() -> None:
    cells = [cell("a1", "b1", "c1"), cell("a1", "b2", "c2"), cell("a1", "b1", "c2"), cell("a1", "b2", "c1")]
    audit = audit_design(FACTORS, replicate(cells, [0, 1]))
    assert audit.constant_factors == ("a",)
    assert audit.problems[0] == "a never varies: only a1 is run."
    assert audit.problems[1].startswith("c has levels that are never run: c3.")
    assert audit_design(FACTORS, replicate([*cells, *audit.mending_cells], [0, 1])).estimable


def test_a_factor_that_follows_the_seed_is_aliased_with_it() -> None:
    factors = FACTORS[:1]
    audit = audit_design(factors, [Run({"a": "a1"}, 0), Run({"a": "a2"}, 1)])
    assert not audit.estimable
    assert not audit.balanced
    assert "a moves together with the seed" in audit.problems[0]


def test_three_factors_that_determine_each_other_are_inestimable() -> None:
    factors = parse_factors({name: {"key": name, "levels": [0, 1]} for name in "xyz"})
    cells = [{"x": x, "y": y, "z": z} for x, y, z in ("000", "011", "101")]
    audit = audit_design(factors, replicate(cells, range(2)))
    assert not audit.estimable
    assert not any(pair.aliased for pair in audit.pairs)
    assert audit.problems[0].startswith("Some factors together determine another one")


def test_one_seed_is_a_note_not_a_stop() -> None:
    audit = audit_design(FACTORS, replicate(full_factorial(FACTORS), [0]))
    assert audit.estimable
    assert audit.mde_sd is None
    assert audit.notes[0].startswith("One seed")


def test_no_factors_is_one_trial_and_estimable() -> None:
    audit = audit_design((), replicate(full_factorial(()), [0]))
    assert audit.estimable
    assert audit.num_cells == 1


def test_no_runs_is_refused() -> None:
    with pytest.raises(MflabError, match="at least one run"):
        audit_design(FACTORS, [])
