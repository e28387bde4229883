"""Learning rate, optimiser and moving average."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mflab.errors import MflabError
from mflab.train.optim import LRSchedule, MovingAverage, OptimCfg, check_optim, learning_rate


@given(
    warmup=st.integers(0, 20),
    steps=st.integers(1, 200),
    schedule=st.sampled_from(list(LRSchedule)),
    lr=st.floats(1e-6, 1),
)
def test_learning_rate_rises_in_the_warm_up_then_never_rises_and_stays_in_range(
    warmup: int, steps: int, schedule: LRSchedule, lr: float
) -> None:
    cfg = OptimCfg(lr=lr, warmup_steps=warmup, schedule=schedule)
    values = [learning_rate(cfg, step, steps) for step in range(steps)]
    assert all(0 < value <= lr for value in values)
    assert all(a < b for a, b in pairwise(values[:warmup]))
    assert all(a >= b for a, b in pairwise(values[warmup:]))
    if warmup:
        assert values[0] == pytest.approx(lr / (warmup + 1))


def test_moving_average_follows_its_recursion() -> None:
    module = nn.Linear(2, 1, bias=False)
    average = MovingAverage(dict(module.named_parameters()), 0.5)
    expected = module.weight.detach().clone()
    for update in range(6):
        with torch.no_grad():
            module.weight += 1.0
        average.update()
        decay = min(0.5, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * module.weight.detach()
    torch.testing.assert_close(average.average["weight"], expected)


def test_moving_average_state_round_trip_and_misfit() -> None:
    module = nn.Linear(2, 1)
    average = MovingAverage(dict(module.named_parameters()), 0.9)
    average.update()
    other = MovingAverage(dict(nn.Linear(2, 1).named_parameters()), 0.9)
    other.load_state_dict(average.state_dict())
    assert other.num_updates == 1
    assert torch.equal(other.average["weight"], average.average["weight"])
    with pytest.raises(MflabError, match="must fit its model"):
        MovingAverage(dict(nn.Linear(2, 1, bias=False).named_parameters()), 0.9).load_state_dict(average.state_dict())


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (OptimCfg(lr=0.0), "lr must be positive, but got lr=0.0"),
        (OptimCfg(ema_decay=1.0), r"ema_decay must be in \[0, 1\[, but got ema_decay=1.0"),
        (OptimCfg(warmup_steps=-1), "at least 0, but got -1"),
    ],
)
def test_impossible_settings_are_refused(cfg: OptimCfg, message: str) -> None:
    with pytest.raises(MflabError, match=message):
        check_optim(cfg)
