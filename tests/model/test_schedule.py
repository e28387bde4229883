"""Noise schedules and loss weights."""

import json
from pathlib import Path

import pytest
import torch

from mflab.model.mvdiffusion import LossWeight, NoiseSchedule, loss_weights
from mflab.model.mvdiffusion.sampler import make_scheduler

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


@pytest.mark.parametrize("schedule", list(NoiseSchedule))
def test_signal_falls_monotonically_from_almost_one(schedule: NoiseSchedule) -> None:
    alphas = make_scheduler(schedule).alphas_cumprod
    assert float(alphas[0]) > 0.99
    assert bool((alphas.diff() < 0).all())
    assert bool((alphas >= 0).all())


def test_cosine_schedule_ends_in_pure_noise() -> None:
    assert float(make_scheduler(NoiseSchedule.cosine_zero_snr).alphas_cumprod[-1]) == 0.0


def test_scaled_linear_weights_equal_the_official_numbers() -> None:
    golden = json.loads((GOLDEN / "min_snr.json").read_text())
    alphas = make_scheduler(NoiseSchedule.scaled_linear).alphas_cumprod
    rows = golden["rows"]
    timesteps = torch.tensor([row["t"] for row in rows])
    torch.testing.assert_close(
        alphas[timesteps], torch.tensor([row["alpha_cumprod"] for row in rows]), rtol=1e-6, atol=0
    )
    for kind, name in ((LossWeight.min_snr_eps, "weight_eps_form_official"), (LossWeight.min_snr_v, "weight_v_form")):
        expected = torch.tensor([row[name] for row in rows])
        torch.testing.assert_close(loss_weights(alphas, timesteps, kind), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("kind", list(LossWeight))
@pytest.mark.parametrize("schedule", list(NoiseSchedule))
def test_weights_are_finite_shares_even_at_zero_snr(kind: LossWeight, schedule: NoiseSchedule) -> None:
    weights = loss_weights(make_scheduler(schedule).alphas_cumprod, torch.arange(1000), kind)
    assert bool(((weights >= 0) & (weights <= 1)).all())
