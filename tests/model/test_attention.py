"""Multi-view attention against the official outputs and against what each mode may see."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from mflab.errors import MflabError
from mflab.model.mvdiffusion import MultiviewAttention, UNetCfg
from mflab.model.mvdiffusion.attention import set_multiview_attention
from mflab.model.mvdiffusion.network import make_unet

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
NUM_VIEWS = 6


def golden_weight(name: str, shape: torch.Size) -> torch.Tensor:
    """The weight rule of the golden numbers: normal numbers seeded by the name, norm scales around one."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    value = 0.08 * np.random.Generator(np.random.PCG64(seed)).standard_normal(tuple(shape))
    return torch.from_numpy((value + 1.0 if len(shape) == 1 and name.endswith(".weight") else value).astype(np.float32))


@pytest.fixture(scope="module")
def golden_unet() -> UNet2DConditionModel:
    config = json.loads((GOLDEN / "unet_config_stock.json").read_text())
    unet = UNet2DConditionModel.from_config(config)
    assert isinstance(unet, UNet2DConditionModel)
    unet.load_state_dict({name: golden_weight(name, value.shape) for name, value in unet.state_dict().items()})
    return unet.eval()


@pytest.mark.parametrize("mode", ["none", "front", "full"])
def test_unet_equals_the_official_output(golden_unet: UNet2DConditionModel, mode: str) -> None:
    data = np.load(GOLDEN / "unet.npz")
    set_multiview_attention(golden_unet, MultiviewAttention[mode], NUM_VIEWS)
    inputs = {name: torch.from_numpy(data[name]) for name in ("sample", "timestep", "encoder_hidden_states")}
    with torch.no_grad():
        output = golden_unet(**inputs, class_labels=torch.from_numpy(data["class_labels"])).sample
    assert float((output - torch.from_numpy(data[f"out_{mode}"])).abs().max()) < 2e-5


@pytest.fixture(scope="module")
def small() -> UNet2DConditionModel:
    cfg = UNetCfg(widths=[16, 16], attention=[True, True], num_heads=[2, 2], cross_attention_dim=8)
    return make_unet(cfg, 3, 8, 5, NUM_VIEWS, torch.Generator().manual_seed(0)).eval()


def forward(unet: UNet2DConditionModel, sample: torch.Tensor) -> torch.Tensor:
    prompts = torch.ones(len(sample), 4, 8)
    with torch.no_grad():
        return unet(sample, torch.full((len(sample),), 10), prompts, class_labels=torch.ones(len(sample), 5)).sample


@pytest.mark.parametrize(
    ("mode", "changed_view", "affected"),
    [
        ("none", 2, {2}),
        ("front", 2, {2}),
        ("front", 0, set(range(NUM_VIEWS))),
        ("full", 2, set(range(NUM_VIEWS))),
        ("row", 2, set(range(NUM_VIEWS))),
    ],
)
def test_a_view_reaches_exactly_the_views_that_attend_to_it(
    small: UNet2DConditionModel, mode: str, changed_view: int, affected: set[int]
) -> None:
    set_multiview_attention(small, MultiviewAttention[mode], NUM_VIEWS)
    sample = torch.randn(2 * NUM_VIEWS, 6, 8, 8, generator=torch.Generator().manual_seed(1))
    other = sample.clone()
    other[changed_view] += 0.5
    moved = (forward(small, sample) - forward(small, other)).abs().amax(dim=(1, 2, 3)) > 1e-6
    assert {int(view) for view in moved.nonzero()} == affected


def test_full_and_row_attention_commute_with_view_order(small: UNet2DConditionModel) -> None:
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    sample = torch.randn(NUM_VIEWS, 6, 8, 8, generator=torch.Generator().manual_seed(2))
    for mode in (MultiviewAttention.full, MultiviewAttention.row):
        set_multiview_attention(small, mode, NUM_VIEWS)
        torch.testing.assert_close(forward(small, sample[order]), forward(small, sample)[order], atol=1e-5, rtol=0)


def test_a_batch_of_broken_objects_is_refused(small: UNet2DConditionModel) -> None:
    set_multiview_attention(small, MultiviewAttention.front, NUM_VIEWS)
    with pytest.raises(MflabError, match=r"num_views=6 rows, but got 7 rows"):
        forward(small, torch.zeros(7, 6, 8, 8))


def test_initial_weights_follow_from_the_generator_and_leave_the_global_one_alone() -> None:
    cfg = UNetCfg(widths=[8], attention=[False], num_heads=[1], cross_attention_dim=8)
    before = torch.random.get_rng_state()
    first, second, third = (
        make_unet(cfg, 3, 4, 5, 2, torch.Generator().manual_seed(seed)).state_dict() for seed in (0, 0, 1)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["conv_in.weight"], third["conv_in.weight"])


@pytest.mark.parametrize(
    ("cfg", "size", "message"),
    [
        (UNetCfg(widths=[8, 8], attention=[True], num_heads=[1, 1]), 8, "one entry per level"),
        (UNetCfg(widths=[12], attention=[True], num_heads=[1]), 8, "divisible by norm_groups=8"),
        (UNetCfg(widths=[8, 8], attention=[True, True], num_heads=[1, 1]), 9, "latent size must be divisible by 2"),
    ],
)
def test_an_impossible_shape_is_refused(cfg: UNetCfg, size: int, message: str) -> None:
    with pytest.raises(MflabError, match=message):
        make_unet(cfg, 3, size, 5, 2, torch.Generator())
