"""The diffusion model: codec, loss and sampler."""

from types import SimpleNamespace

import pytest
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st

from mflab.errors import MflabError
from mflab.model import ModelCfg, MVDiffusion, make_model
from mflab.model.codec import SpaceToDepth
from mflab.model.image_embedding import PooledPixels
from mflab.model.mvdiffusion import LossWeight, MultiviewAttention, NetworkOutput, NoiseSchedule, UNetCfg

NUM_VIEWS = 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def model() -> MVDiffusion:
    unet = UNetCfg(widths=[8, 8], attention=[False, True], num_heads=[1, 1], cross_attention_dim=8)
    return make_model(ModelCfg(unet=unet, weights="none", codec_patch=2), 16, NUM_VIEWS, generator()).eval()


@pytest.fixture(scope="module")
def prompts() -> torch.Tensor:
    return torch.randn(2, NUM_VIEWS, 4, 8, generator=generator(1))


@given(patch=st.sampled_from([1, 2, 4]), scale=st.floats(0.5, 8.0), seed=st.integers(0, 99))
def test_codec_returns_what_it_was_given(patch: int, scale: float, seed: int) -> None:
    codec = SpaceToDepth(patch, scale=scale)
    image = torch.rand(2, 3, 8, 8, generator=generator(seed))
    latent = codec.encode(image)
    assert latent.shape == (2, codec.channels, 8 // patch, 8 // patch)
    torch.testing.assert_close(codec.decode(latent), image, atol=1e-5, rtol=0)


def test_codec_maps_the_background_to_zero_and_clamps() -> None:
    codec = SpaceToDepth(2)
    assert not codec.encode(torch.ones(1, 3, 4, 4)).any()
    assert float(codec.decode(torch.full((1, 12, 2, 2), 9.0)).max()) == 1.0


def test_image_embedding_is_zero_for_an_empty_image_and_local() -> None:
    embed = PooledPixels(side=2)
    assert not embed(torch.ones(1, 3, 8, 8)).any()
    image = torch.ones(1, 3, 8, 8)
    image[:, 0, :4, :4] = 0.0
    assert embed(image).nonzero().tolist() == [[0, 0]]


def test_loss_is_reproducible_finite_and_reaches_every_parameter(model: MVDiffusion, prompts: torch.Tensor) -> None:
    images = torch.rand(2, NUM_VIEWS, 3, 16, 16, generator=generator(2))
    losses = [model.loss(images, images[:, 0], prompts, generator(3)) for _ in range(2)]
    assert torch.equal(losses[0], losses[1])
    losses[0].mean().backward()
    for name, parameter in model.unet.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
    model.zero_grad()


def test_noise_and_target_agree_with_diffusers(model: MVDiffusion) -> None:
    scheduler = DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", rescale_betas_zero_snr=True, prediction_type="v_prediction"
    )
    x, noise, t = torch.randn(4, 3, 2, 2), torch.randn(4, 3, 2, 2), torch.tensor([0, 300, 700, 999])
    alpha = model.alphas_cumprod[t].sqrt()[:, None, None, None]
    sigma = (1 - model.alphas_cumprod[t]).sqrt()[:, None, None, None]
    torch.testing.assert_close(alpha * x + sigma * noise, scheduler.add_noise(x, noise, t))
    torch.testing.assert_close(alpha * noise - sigma * x, scheduler.get_velocity(x, noise, t))


def test_a_perfect_network_has_no_loss_and_samples_the_truth(model: MVDiffusion, prompts: torch.Tensor) -> None:
    truth = torch.rand(2, NUM_VIEWS, 3, 16, 16, generator=generator(4))

    class Oracle(MVDiffusion):
        def predict_v(self, noisy, timesteps, reference, embedding, prompts):
            del reference, embedding, prompts
            x0 = self.codec.encode(truth)
            alpha = self.alphas_cumprod[timesteps].sqrt()[:, None, None, None, None]
            sigma = (1 - self.alphas_cumprod[timesteps]).sqrt()[:, None, None, None, None]
            return alpha * (noisy - alpha * x0) / sigma.clamp(min=1e-4) - sigma * x0

    schedule = NoiseSchedule.cosine_zero_snr
    oracle = Oracle(model.unet, SpaceToDepth(2), PooledPixels(2), NetworkOutput.v, schedule, LossWeight.none, 1.0, 0.0)
    assert float(oracle.loss(truth, truth[:, 0], prompts, generator(5)).max()) < 1e-4
    noise = torch.randn(2, NUM_VIEWS, 12, 8, 8, generator=generator(6))
    sampled = oracle.sample(truth[:, 0], prompts, noise, num_steps=5, guidance_scale=3.0)
    torch.testing.assert_close(sampled, truth, atol=1e-4, rtol=0)


def test_a_network_that_names_the_image_has_the_error_of_the_image_as_loss(
    model: MVDiffusion, prompts: torch.Tensor
) -> None:
    class Constant(torch.nn.Module):
        def forward(self, sample, timestep, encoder_hidden_states, class_labels):
            del timestep, encoder_hidden_states, class_labels
            return SimpleNamespace(sample=torch.full_like(sample[:, : sample.shape[1] // 2], -0.5))

    schedule = NoiseSchedule.cosine_zero_snr
    namer = MVDiffusion(
        model.unet, SpaceToDepth(2), PooledPixels(2), NetworkOutput.image, schedule, LossWeight.image, 1.0, 0.0
    )
    namer.unet = Constant()  # pyright: ignore
    images = torch.rand(2, NUM_VIEWS, 3, 16, 16, generator=generator(14))
    expected = (namer.codec.encode(images) + 0.5).square().mean(dim=(1, 2, 3, 4))
    torch.testing.assert_close(namer.loss(images, images[:, 0], prompts, generator(15)), expected, rtol=1e-4, atol=0)


def test_dropped_conditions_come_in_the_declared_shares(model: MVDiffusion) -> None:
    seen: list[tuple[bool, bool]] = []

    class Spy(MVDiffusion):
        def predict_v(self, noisy, timesteps, reference, embedding, prompts):
            seen.extend(zip(reference.flatten(1).any(1).tolist(), embedding.any(1).tolist(), strict=True))
            return torch.zeros_like(noisy)

    schedule = NoiseSchedule.cosine_zero_snr
    spy = Spy(model.unet, SpaceToDepth(2), PooledPixels(2), NetworkOutput.v, schedule, LossWeight.none, 1.0, 0.1)
    images = torch.zeros(4000, 1, 3, 2, 2)
    spy.loss(images, images[:, 0], torch.zeros(4000, 1, 1, 1), generator(7))
    for kept in ((True, False), (False, True), (False, False)):
        assert abs(seen.count(kept) / 4000 - 0.1) < 0.02


def test_guidance_scale_one_equals_the_conditional_prediction(model: MVDiffusion, prompts: torch.Tensor) -> None:
    reference = torch.rand(2, 3, 16, 16, generator=generator(8))
    noise = torch.randn(2, NUM_VIEWS, 12, 8, 8, generator=generator(9))
    plain, guided = (model.sample(reference, prompts, noise, 2, scale) for scale in (1.0, 2.0))
    assert torch.equal(plain, model.sample(reference, prompts, noise, 2))
    assert not torch.equal(plain, guided)


def test_samples_do_not_depend_on_their_batch(model: MVDiffusion, prompts: torch.Tensor) -> None:
    reference = torch.rand(2, 3, 16, 16, generator=generator(10))
    noise = torch.randn(2, NUM_VIEWS, 12, 8, 8, generator=generator(11))
    together = model.sample(reference, prompts, noise, 3)
    alone = model.sample(reference[1:], prompts[1:], noise[1:], 3)
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=0)


def test_every_attention_mode_runs_on_the_same_weights(prompts: torch.Tensor) -> None:
    for mode in MultiviewAttention:
        unet = UNetCfg([8, 8], [False, True], [1, 1], cross_attention_dim=8, multiview_attention=mode)
        model = make_model(ModelCfg(unet=unet, weights="none", codec_patch=2), 16, NUM_VIEWS, generator())
        images = torch.rand(2, NUM_VIEWS, 3, 16, 16, generator=generator(12))
        assert bool(model.loss(images, images[:, 0], prompts, generator(13)).isfinite().all())


@pytest.mark.parametrize(
    ("cfg", "size", "message"),
    [
        (ModelCfg(condition_dropout=0.4), 64, r"condition_dropout must be in \[0, 1/3\[, but got 0.4"),
        (ModelCfg(codec_patch=3), 64, "divisible by codec_patch=3, but got 64"),
        (ModelCfg(weights="absent.safetensors"), 64, "give an existing path"),
    ],
)
def test_impossible_settings_are_refused(cfg: ModelCfg, size: int, message: str) -> None:
    with pytest.raises(MflabError, match=message):
        make_model(cfg, size, NUM_VIEWS, generator())
