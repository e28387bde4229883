"""Builds the model of a config."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from mflab.errors import MflabError
from mflab.model.codec import Codec, CodecKind, SpaceToDepth
from mflab.model.image_embedding import PooledPixels
from mflab.model.mvdiffusion import LossWeight, MVDiffusion, NetworkOutput, NoiseSchedule, UNetCfg
from mflab.model.weights import NO_WEIGHTS, load_weights


@dataclass
class ModelCfg:
    """Multi-view diffusion model.

    Attributes:
        name: for tables.
        unet: shape of the network.
        codec: images to latents.
        codec_patch: side of the blocks of the space-to-depth codec, pixels.
        codec_background: image value that becomes latent 0, in [0, 1]: that of the data's background.
        codec_scale: latent units per unit of image value; 6 gives images of mostly background about unit variance.
        image_embedding_side: cells per side of the pooled image embedding.
        output: what the network's last layer stands for.
        schedule: noise schedule.
        loss_weight: weight of time steps in the loss.
        timestep_shift: moves the time steps of the training towards noise; 1 draws them uniformly.
        condition_dropout: probability per kind of dropped condition, in [0, 1/3[.
        weights: shipped base name, path of a .safetensors file, or `none`.
    """

    name: str = "mini"
    unet: UNetCfg = field(default_factory=UNetCfg)
    codec: CodecKind = CodecKind.space_to_depth
    codec_patch: int = 8
    codec_background: float = 1.0
    codec_scale: float = 6.0
    image_embedding_side: int = 4
    output: NetworkOutput = NetworkOutput.image
    schedule: NoiseSchedule = NoiseSchedule.cosine_zero_snr
    loss_weight: LossWeight = LossWeight.image
    timestep_shift: float = 6.0
    condition_dropout: float = 0.05
    weights: str = "mini"


_CODECS: dict[CodecKind, Callable[[ModelCfg], Codec]] = {
    CodecKind.space_to_depth: lambda cfg: SpaceToDepth(cfg.codec_patch, cfg.codec_background, cfg.codec_scale),
}

_LOADED_LATE = ("mflab.model.mvdiffusion.network", "mflab.model.mvdiffusion.sampler")


def preload() -> None:
    """Imports what building a model takes, for a process that is going to build one."""
    for name in _LOADED_LATE:
        importlib.import_module(name)


def is_preloaded() -> bool:
    """Whether this process has imported what building a model takes."""
    return sys.modules.keys() >= set(_LOADED_LATE)


def make_model(cfg: ModelCfg, image_size: int, num_views: int, generator: torch.Generator) -> MVDiffusion:
    """The model of a config, with its initial weights loaded.

    Args:
        cfg: the model's settings.
        image_size: image height and width, pixels.
        num_views: V.
        generator: draws weights where `cfg.weights` is `none`.

    Raises:
        MflabError: a setting is impossible or the weights do not fit.
    """
    if not 0.0 <= cfg.condition_dropout < 1.0 / 3.0:
        raise MflabError(
            f"condition_dropout must be in [0, 1/3[, but got {cfg.condition_dropout}; set model.condition_dropout."
        )
    if cfg.timestep_shift < 1.0:
        raise MflabError(f"timestep_shift must be at least 1, but got {cfg.timestep_shift}; set model.timestep_shift.")
    if image_size % cfg.codec_patch:
        raise MflabError(
            f"The image size must be divisible by codec_patch={cfg.codec_patch}, but got {image_size}; set data.size."
        )
    # Seconds and 0.2 GB that a command which builds no model need not pay.
    from mflab.model.mvdiffusion.network import make_unet

    codec = _CODECS[cfg.codec](cfg)
    embedding = PooledPixels(cfg.image_embedding_side, cfg.codec_background)
    drawn = generator if cfg.weights == NO_WEIGHTS else None
    unet = make_unet(cfg.unet, codec.channels, image_size // codec.downsampling, embedding.width, num_views, drawn)
    load_weights(unet, cfg.weights)
    unet.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return MVDiffusion(
        unet, codec, embedding, cfg.output, cfg.schedule, cfg.loss_weight, cfg.timestep_shift, cfg.condition_dropout
    )
