"""Collapse: closed forms, and what must not matter."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mflab.errors import MflabError
from mflab.metrics.collapse import input_distance, view_diversity


def views(seed: int, *batch: int) -> torch.Tensor:
    return torch.rand(*batch, 6, 3, 12, 12, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 99), share=st.floats(0.0, 1.0))
def test_views_drawn_towards_their_mean_lose_diversity_in_proportion(seed: int, share: float) -> None:
    true = views(seed)
    drawn = true.mean(0) + share * (true - true.mean(0))
    assert float(view_diversity(drawn.clamp(0, 1), true)) == pytest.approx(share, abs=1e-4)


@given(seed=st.integers(0, 99), share=st.floats(0.0, 1.0), slot=st.integers(0, 5))
def test_views_drawn_towards_the_input_come_nearer_to_it_in_proportion(seed: int, share: float, slot: int) -> None:
    true = views(seed)
    drawn = true[slot] + share * (true - true[slot])
    assert float(input_distance(drawn.clamp(0, 1), true, slot)) == pytest.approx(share, abs=1e-4)


def test_every_set_of_a_batch_is_judged_by_itself() -> None:
    true = views(0, 2)
    predicted = torch.stack([true[0], true[1, :1].expand(6, -1, -1, -1)])
    assert view_diversity(predicted, true).tolist() == [1.0, 0.0]
    assert input_distance(predicted, true, 0).tolist() == [1.0, 0.0]


def test_order_of_views_does_not_matter_to_diversity() -> None:
    true, order = views(1), [3, 1, 0, 5, 4, 2]
    predicted = views(2)
    assert float(view_diversity(predicted[order], true[order])) == pytest.approx(float(view_diversity(predicted, true)))


def test_an_object_that_looks_alike_from_everywhere_has_no_share() -> None:
    true = views(0)[:1].expand(6, -1, -1, -1)
    assert torch.isnan(view_diversity(views(1), true))


@pytest.mark.parametrize("bad", [views(0)[:1], views(0) * 255, torch.full((6, 3, 12, 12), float("nan"))])
def test_bad_views_are_refused(bad: torch.Tensor) -> None:
    with pytest.raises(MflabError):
        view_diversity(bad, bad)
