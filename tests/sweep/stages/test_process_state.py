"""What is global in a process is the same for every trial, whatever ran before."""

import random

import numpy as np
import pytest
import torch

from mflab.sweep.stages.process_state import prepare_process


def draw() -> tuple[float, float, float]:
    return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002  the global generators


@pytest.mark.parametrize("seed", [0, 7, 2**32 + 7])
def test_draws_do_not_depend_on_what_ran_before(seed: int) -> None:
    prepare_process(1, seed)
    first = draw()
    draw()
    prepare_process(1, seed)
    assert draw() == first
    torch.manual_seed(seed)
    assert float(torch.rand(())) == first[0]


def test_settings_do_not_depend_on_what_ran_before() -> None:
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(False)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    prepare_process(1, 0)
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() is torch.float32
