import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mflab.design.search import Objective, Pruner, Sampler, SearchCfg, check_search, rung_steps
from mflab.errors import MflabError


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (SearchCfg(trials=-1), "trials=-1"),
        (SearchCfg(reduction=1), "reduction=1"),
        (SearchCfg(startup=0), "startup=0"),
        (SearchCfg(first_rung=0.0), "first_rung"),
        (SearchCfg(objectives=["a"], pruner=Pruner.none), "must be {name"),
        (SearchCfg(objectives=[{"name": "a", "direction": "up"}], pruner=Pruner.none), "choose higher or lower"),
        (SearchCfg(objectives=[{"name": "a", "direction": "lower"}]), "pruner=asha"),
        (SearchCfg(sampler=Sampler.nsga2), "needs two objectives"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(search: SearchCfg, message: str) -> None:
    with pytest.raises(MflabError, match=message):
        check_search(search)


def test_further_objectives_are_read() -> None:
    search = SearchCfg(
        sampler=Sampler.nsga2, pruner=Pruner.none, objectives=[{"name": "val/ssim_fg", "direction": "higher"}]
    )
    assert check_search(search) == (Objective("val/ssim_fg", "higher"),)


@given(share=st.floats(0.001, 1.0), reduction=st.integers(2, 6), steps=st.integers(1, 10_000))
def test_rungs_rise_by_the_reduction_and_stay_within_the_run(share: float, reduction: int, steps: int) -> None:
    for pruner in (Pruner.asha, Pruner.hyperband):
        rungs = rung_steps(SearchCfg(pruner=pruner, first_rung=share, reduction=reduction), steps)
        assert all(later == reduction * earlier for earlier, later in itertools.pairwise(rungs))
        assert all(share * steps <= rung < steps for rung in rungs)
        if rungs:
            assert rungs[0] < share * steps + 1 and rungs[-1] * reduction >= steps
        else:
            assert math.ceil(share * steps) >= steps
    assert rung_steps(SearchCfg(pruner=Pruner.none, first_rung=share), steps) == ()
    assert len(rung_steps(SearchCfg(pruner=Pruner.median, first_rung=share), steps)) <= 1
