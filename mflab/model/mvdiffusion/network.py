"""The multi-view UNet: a stock diffusers `UNet2DConditionModel` with multi-view attention."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from mflab.errors import MflabError
from mflab.model.mvdiffusion.attention import set_multiview_attention
from mflab.model.mvdiffusion.settings import UNetCfg


def make_unet(
    cfg: UNetCfg,
    latent_channels: int,
    latent_size: int,
    image_embedding_width: int,
    num_views: int,
    generator: torch.Generator | None,
) -> UNet2DConditionModel:
    """A freshly initialised multi-view UNet that predicts v.

    Args:
        cfg: its shape.
        latent_channels: C; the network takes 2 C channels (noisy latent, reference latent) and returns C.
        latent_size: latent height and width, pixels.
        image_embedding_width: numbers in the image embedding.
        num_views: V of the multi-view attention.
        generator: draws the initial weights; None leaves them undefined, for a caller that loads all of them.

    Raises:
        MflabError: the per-level lists differ in length, or a width does not fit the groups or heads.
    """
    levels = len(cfg.widths)
    if not levels == len(cfg.attention) == len(cfg.num_heads):
        raise MflabError(
            f"widths, attention and num_heads must have one entry per level, but got {levels}, {len(cfg.attention)} "
            f"and {len(cfg.num_heads)}; set model.unet."
        )
    for width, heads in zip(cfg.widths, cfg.num_heads, strict=True):
        if width % cfg.norm_groups or width % heads:
            raise MflabError(
                f"Each width must be divisible by norm_groups={cfg.norm_groups} and its num_heads={heads}, but got "
                f"width={width}; set model.unet.widths."
            )
    if latent_size % 2 ** (levels - 1):
        raise MflabError(
            f"The latent size must be divisible by {2 ** (levels - 1)} for {levels} levels, but got {latent_size}; "
            "set data.size or model.codec_patch."
        )
    down = tuple("CrossAttnDownBlock2D" if flag else "DownBlock2D" for flag in cfg.attention)
    up = tuple("CrossAttnUpBlock2D" if flag else "UpBlock2D" for flag in reversed(cfg.attention))
    with _initialised_by(generator):
        unet = UNet2DConditionModel(
            sample_size=latent_size,
            in_channels=2 * latent_channels,
            out_channels=latent_channels,
            block_out_channels=tuple(cfg.widths),
            layers_per_block=cfg.layers_per_block,
            down_block_types=down,
            up_block_types=up,
            attention_head_dim=tuple(cfg.num_heads),  # pyright: ignore[reportArgumentType]
            cross_attention_dim=cfg.cross_attention_dim,
            norm_num_groups=cfg.norm_groups,
            use_linear_projection=True,
            class_embed_type="projection",
            projection_class_embeddings_input_dim=image_embedding_width,
        )
    if generator is None:
        unet.to_empty(device="cpu")
    set_multiview_attention(unet, cfg.multiview_attention, num_views)
    return unet


@contextmanager
def _initialised_by(generator: torch.Generator | None) -> Iterator[None]:
    """Modules made inside draw their weights from the generator, or have none yet."""
    if generator is None:
        with torch.device("meta"):
            yield
        return
    # diffusers initialises from the global generator; a fork seeded from ours leaves no trace of it.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        yield
