"""Trainable parts select the parameters of a real diffusers UNet that their names claim."""

import pytest
from diffusers import UNet2DConditionModel  # pyright: ignore[reportPrivateImportUsage]

from mflab.curriculum import Trainable, is_trainable


@pytest.fixture(scope="module")
def parameter_names() -> list[str]:
    unet = UNet2DConditionModel(
        block_out_channels=(8, 8),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=2,
        cross_attention_dim=8,
    )
    return [name for name, _ in unet.named_parameters()]


def chosen(trainable: Trainable, names: list[str]) -> set[str]:
    return {name for name in names if is_trainable(trainable, name)}


def test_all_selects_everything(parameter_names: list[str]) -> None:
    assert chosen(Trainable.all, parameter_names) == set(parameter_names)


def test_attention_is_self_and_cross_attention(parameter_names: list[str]) -> None:
    self_attention = chosen(Trainable.self_attention, parameter_names)
    cross_attention = chosen(Trainable.cross_attention, parameter_names)
    assert self_attention
    assert cross_attention
    assert not self_attention & cross_attention
    assert chosen(Trainable.attention, parameter_names) == self_attention | cross_attention


def test_decoder_is_the_way_up_and_out(parameter_names: list[str]) -> None:
    heads = {name.partition(".")[0] for name in chosen(Trainable.decoder, parameter_names)}
    assert heads == {"up_blocks", "conv_norm_out", "conv_out"}


@pytest.mark.parametrize("trainable", list(Trainable))
def test_every_part_selects_something(trainable: Trainable, parameter_names: list[str]) -> None:
    assert chosen(trainable, parameter_names)
