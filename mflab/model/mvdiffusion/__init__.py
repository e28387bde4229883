"""Multi-view diffusion on a stock diffusers UNet."""

from mflab.model.mvdiffusion.attention import MultiviewAttention, MultiviewProcessor, set_multiview_attention
from mflab.model.mvdiffusion.diffusion import MVDiffusion
from mflab.model.mvdiffusion.network import UNetCfg, make_unet
from mflab.model.mvdiffusion.schedule import LossWeight, NetworkOutput, NoiseSchedule, loss_weights, make_scheduler

__all__ = [
    "LossWeight",
    "MVDiffusion",
    "MultiviewAttention",
    "MultiviewProcessor",
    "NetworkOutput",
    "NoiseSchedule",
    "UNetCfg",
    "loss_weights",
    "make_scheduler",
    "make_unet",
    "set_multiview_attention",
]
