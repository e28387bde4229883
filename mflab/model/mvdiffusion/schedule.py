"""Time steps and loss weights of the multi-view diffusion model.

Forward process: x_t = alpha_t x_0 + sigma_t eps with alpha_t^2 + sigma_t^2 = 1, target v = alpha_t eps - sigma_t x_0
(Salimans & Ho, Progressive Distillation, https://arxiv.org/abs/2202.00512).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mflab.model.mvdiffusion.settings import LossWeight


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
