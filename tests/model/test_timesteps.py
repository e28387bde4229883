"""Shifted time steps: the map stays in range, keeps order, and is the identity at 1."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mflab.errors import MflabError
from mflab.model import ModelCfg, make_model
from mflab.model.mvdiffusion.schedule import shift_timesteps


@given(shift=st.floats(1.0, 20.0))
def test_shifted_steps_stay_in_range_in_order_and_never_lose_noise(shift: float) -> None:
    steps = torch.arange(1000)
    shifted = shift_timesteps(steps, shift, 1000)
    assert int(shifted.min()) >= 0
    assert int(shifted.max()) <= 999
    assert bool((shifted.diff() >= 0).all())
    assert bool((shifted >= steps).all())


def test_a_shift_of_one_is_the_identity_and_three_sends_the_middle_to_three_quarters() -> None:
    steps = torch.arange(1000)
    assert torch.equal(shift_timesteps(steps, 1.0, 1000), steps)
    assert shift_timesteps(torch.tensor([500]), 3.0, 1000).tolist() == [750]


def test_a_shift_below_one_is_refused() -> None:
    with pytest.raises(MflabError, match=r"at least 1, but got 0\.5"):
        make_model(ModelCfg(timestep_shift=0.5), 64, 6, torch.Generator())
