"""Multi-view diffusion on a stock diffusers UNet. What imports diffusers (network, attention, sampler) is not loaded
before a model is built."""

from mflab.model.mvdiffusion.diffusion import MVDiffusion
from mflab.model.mvdiffusion.schedule import loss_weights
from mflab.model.mvdiffusion.settings import LossWeight, MultiviewAttention, NetworkOutput, NoiseSchedule, UNetCfg

__all__ = [
    "LossWeight",
    "MVDiffusion",
    "MultiviewAttention",
    "NetworkOutput",
    "NoiseSchedule",
    "UNetCfg",
    "loss_weights",
]
