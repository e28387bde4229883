"""Which parameters of a diffusers UNet a stage trains."""

import re

from mflab.curriculum.stage import Trainable

# `unet.named_parameters()` of diffusers' UNet2DConditionModel: a transformer block holds attn1 (self-attention) and
# attn2 (cross-attention to the prompt), for example
# `down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight`.
PATTERNS: dict[Trainable, str] = {
    Trainable.all: r"",
    Trainable.attention: r"\.attn[12]\.",
    Trainable.self_attention: r"\.attn1\.",
    Trainable.cross_attention: r"\.attn2\.",
    Trainable.decoder: r"^(up_blocks|conv_norm_out|conv_out)\.",
}


def is_trainable(trainable: Trainable, parameter_name: str) -> bool:
    """Returns whether a stage with this setting trains the UNet parameter of this name.

    >>> is_trainable(Trainable.cross_attention, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight")
    True
    >>> is_trainable(Trainable.decoder, "down_blocks.0.resnets.0.conv1.weight")
    False
    """
    return re.search(PATTERNS[trainable], parameter_name) is not None
