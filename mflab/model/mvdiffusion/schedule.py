"""Noise schedules, loss weights and the DDIM sampler of the multi-view diffusion model.

Forward process: x_t = alpha_t x_0 + sigma_t eps with alpha_t^2 + sigma_t^2 = 1, target v = alpha_t eps - sigma_t x_0
(Salimans & Ho, Progressive Distillation, https://arxiv.org/abs/2202.00512).
"""

from enum import Enum

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float, Int
from torch import Tensor


class NoiseSchedule(Enum):
    """Two variance-preserving schedules.

    cosine_zero_snr: squared cosine, rescaled to zero terminal SNR (https://arxiv.org/abs/2305.08891), for training from
    scratch. scaled_linear: that of Stable Diffusion 2.1 and its fine-tunes.
    """

    cosine_zero_snr = "cosine_zero_snr"
    scaled_linear = "scaled_linear"


class NetworkOutput(Enum):
    """What the network's last layer stands for; the model predicts v in either case.

    v: v itself, as in Stable Diffusion 2.1. image: x_0, from which v = (alpha_t x_t - x_0) / sigma_t follows. A narrow
    network cannot carry all the noise of a patch to its output, but it need not to name the image (Li & He, Back to
    Basics: Let Denoising Generative Models Denoise, https://arxiv.org/abs/2511.13720).
    """

    v = "v"
    image = "image"


class LossWeight(Enum):
    """Weight of a time step in the loss of v.

    none: 1. image: sigma_t^2, which makes the loss the error of x_0. min_snr_v: min(SNR, g) / (SNR + 1). min_snr_eps:
    min(SNR, g) / SNR, which the official training of FaceLift uses although it predicts v. Source: Min-SNR,
    https://arxiv.org/abs/2303.09556.
    """

    none = "none"
    image = "image"
    min_snr_v = "min_snr_v"
    min_snr_eps = "min_snr_eps"


def make_scheduler(schedule: NoiseSchedule) -> DDIMScheduler:
    """The diffusers scheduler of a noise schedule: 1000 training steps, v-prediction."""
    if schedule is NoiseSchedule.cosine_zero_snr:
        return DDIMScheduler(
            num_train_timesteps=1000,
            beta_schedule="squaredcos_cap_v2",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
            prediction_type="v_prediction",
            clip_sample=False,
            set_alpha_to_one=True,
        )
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="leading",
        steps_offset=1,
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
    )


def shift_timesteps(timesteps: Int[Tensor, " batch"], shift: float, num_timesteps: int) -> Int[Tensor, " batch"]:
    """Uniform time steps moved towards noise: u -> s u / (1 + (s - 1) u) on the share u of the schedule.

    Large shares of noise are where a sampler of few steps decides what a view shows.

    Args:
        timesteps: in [0, num_timesteps[.
        shift: s, at least 1; 1 changes nothing.
        num_timesteps: length of the schedule.

    Source: Esser et al., Scaling Rectified Flow Transformers, eq. 23 (https://arxiv.org/abs/2403.03206).

    Example:
        >>> shift_timesteps(torch.tensor([0, 500, 999]), 3.0, 1000)
        tensor([  1, 750, 999])
    """
    if shift == 1.0:
        return timesteps
    u = (timesteps.double() + 0.5) / num_timesteps
    return (num_timesteps * shift * u / (1.0 + (shift - 1.0) * u)).long().clamp(max=num_timesteps - 1)


def loss_weights(
    alphas_cumprod: Float[Tensor, " time"], timesteps: Int[Tensor, " batch"], kind: LossWeight, gamma: float = 5.0
) -> Float[Tensor, " batch"]:
    """Loss weight of each time step, in [0, 1].

    Args:
        alphas_cumprod: alpha_t^2 of the schedule, in [0, 1].
        timesteps: indices into the schedule.
        kind: see `LossWeight`.
        gamma: largest SNR that still gains weight, positive.
    """
    alpha2 = alphas_cumprod[timesteps]
    if kind is LossWeight.none:
        return torch.ones_like(alpha2)
    if kind is LossWeight.image:
        return 1.0 - alpha2
    if kind is LossWeight.min_snr_v:
        # SNR + 1 = 1 / sigma^2, so that a zero SNR needs no division.
        return torch.minimum(alpha2, gamma * (1.0 - alpha2))
    return (gamma * (1.0 - alpha2) / alpha2).clamp(max=1.0)
