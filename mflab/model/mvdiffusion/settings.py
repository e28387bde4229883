"""What can be chosen of the multi-view diffusion model. Knows no diffusers, whose import takes seconds."""

from dataclasses import dataclass, field
from enum import Enum


class MultiviewAttention(Enum):
    """Which tokens a view attends to in self-attention.

    none: its own. front: those of view 0 of the same object and its own (the released FaceLift weights; this is what
    the official `sparse_mv_attention: true` does with memory-efficient attention). full: those of all views. row:
    those on the same image row of all views (Era3D, https://arxiv.org/abs/2405.11616, here without added weights).
    """

    none = "none"
    front = "front"
    full = "full"
    row = "row"


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


@dataclass
class UNetCfg:
    """Shape of the UNet.

    Attributes:
        widths: channels per resolution level, each divisible by `norm_groups`.
        attention: whether a level has attention, one flag per level.
        num_heads: attention heads per level (diffusers calls this `attention_head_dim`).
        layers_per_block: residual layers per level.
        norm_groups: groups of the group normalisation.
        cross_attention_dim: width D of the prompt tokens.
        multiview_attention: see `MultiviewAttention`.
    """

    widths: list[int] = field(default_factory=lambda: [88, 88])
    attention: list[bool] = field(default_factory=lambda: [True, True])
    num_heads: list[int] = field(default_factory=lambda: [4, 4])
    layers_per_block: int = 1
    norm_groups: int = 8
    cross_attention_dim: int = 64
    multiview_attention: MultiviewAttention = MultiviewAttention.front
