"""Multi-view diffusion: six views of an object from one of them and one prompt per view.

Conditioning: the latent of the reference view is concatenated to every noisy view, an embedding of the reference image
enters through the class embedding, one prompt embedding per view through cross-attention. Source: the FaceLift family
(https://arxiv.org/abs/2412.17812), built on Stable Diffusion 2.1 unCLIP.
"""

from functools import partial

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from mflab.model.codec import Codec
from mflab.model.image_embedding import PooledPixels
from mflab.model.mvdiffusion.schedule import loss_weights, shift_timesteps
from mflab.model.mvdiffusion.settings import LossWeight, NetworkOutput, NoiseSchedule


class MVDiffusion(nn.Module):
    """Denoises V views of an object together.

    Args:
        unet: multi-view UNet, 2 C channels in, C out.
        codec: images to latents of C channels and back.
        image_embedding: reference image to the numbers of the class embedding.
        output: what the network's last layer stands for.
        schedule: noise schedule.
        loss_weight: weight of time steps in the loss.
        timestep_shift: moves the time steps of the training towards noise, at least 1; see `shift_timesteps`.
        condition_dropout: p in [0, 1/3[; the image embedding alone, the reference latent alone, or both are zeroed with
            probability p each, per object. Prompts are never dropped.
    """

    def __init__(
        self,
        unet: nn.Module,
        codec: Codec,
        image_embedding: PooledPixels,
        output: NetworkOutput,
        schedule: NoiseSchedule,
        loss_weight: LossWeight,
        timestep_shift: float,
        condition_dropout: float,
    ) -> None:
        # Imported with the first model: see `mflab.model.build`.
        from mflab.model.mvdiffusion.sampler import make_scheduler

        super().__init__()
        self.unet = unet
        self.codec = codec
        self.image_embedding = image_embedding
        self.output = output
        self._make_scheduler = partial(make_scheduler, schedule)
        self.loss_weight = loss_weight
        self.timestep_shift = timestep_shift
        self.condition_dropout = condition_dropout
        self.alphas_cumprod: Tensor
        self.register_buffer("alphas_cumprod", self._make_scheduler().alphas_cumprod.float(), persistent=False)

    def predict_v(
        self,
        noisy: Float[Tensor, "batch view channel h w"],
        timesteps: Tensor,
        reference: Float[Tensor, "batch channel h w"],
        embedding: Float[Tensor, "batch number"],
        prompts: Float[Tensor, "batch view token dim"],
    ) -> Float[Tensor, "batch view channel h w"]:
        """Predicted v of all views; one time step per object, shape [batch]."""
        num_views = noisy.shape[1]
        sample = torch.cat([noisy, repeat(reference, "b c h w -> b v c h w", v=num_views)], dim=2)
        output = self.unet(
            rearrange(sample, "b v c h w -> (b v) c h w").contiguous(memory_format=torch.channels_last),
            repeat(timesteps, "b -> (b v)", v=num_views),
            rearrange(prompts, "b v l d -> (b v) l d"),
            class_labels=repeat(embedding, "b d -> (b v) d", v=num_views),
        ).sample
        output = rearrange(output, "(b v) c h w -> b v c h w", v=num_views)
        if self.output is NetworkOutput.v:
            return output
        alpha, sigma = self._coefficients(timesteps)
        return (alpha * noisy - output) / sigma

    def _coefficients(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """alpha_t and sigma_t of every object, shaped to multiply [batch, view, channel, h, w]."""
        alpha2 = self.alphas_cumprod[timesteps][:, None, None, None, None]
        return alpha2.sqrt(), (1.0 - alpha2).sqrt()

    def loss(
        self,
        images: Float[Tensor, "batch view 3 height width"],
        reference: Float[Tensor, "batch 3 height width"],
        prompts: Float[Tensor, "batch view token dim"],
        generator: torch.Generator,
    ) -> Float[Tensor, " batch"]:
        """Weighted mean squared error of v per object.

        Args:
            images: the true views, in [0, 1].
            reference: the input view, in [0, 1].
            prompts: prompt embedding of every view.
            generator: draws, in this order, time steps (one per object), noise and dropped conditions.
        """
        latents = self.codec.encode(images)
        batch = len(latents)
        device = latents.device
        # Drawn where the generator lives, so that a CPU and a GPU see the same numbers.
        origin = generator.device
        timesteps = torch.randint(len(self.alphas_cumprod), (batch,), generator=generator, device=origin)
        timesteps = shift_timesteps(timesteps, self.timestep_shift, len(self.alphas_cumprod)).to(device)
        noise = torch.randn(latents.shape, generator=generator, device=origin).to(device)
        drawn = torch.rand(batch, generator=generator, device=origin).to(device)
        alpha, sigma = self._coefficients(timesteps)
        p = self.condition_dropout
        embedding = self.image_embedding(reference) * (drawn >= 2.0 * p)[:, None]
        reference_latent = self.codec.encode(reference) * ((drawn < p) | (drawn >= 3.0 * p))[:, None, None, None]
        v = self.predict_v(alpha * latents + sigma * noise, timesteps, reference_latent, embedding, prompts)
        error = (v - (alpha * noise - sigma * latents)).square().mean(dim=(1, 2, 3, 4))
        return error * loss_weights(self.alphas_cumprod, timesteps, self.loss_weight)

    @torch.no_grad()
    def sample(
        self,
        reference: Float[Tensor, "batch 3 height width"],
        prompts: Float[Tensor, "batch view token dim"],
        noise: Float[Tensor, "batch view channel h w"],
        num_steps: int,
        guidance_scale: float = 1.0,
    ) -> Float[Tensor, "batch view 3 height width"]:
        """Views in [0, 1] from noise by deterministic DDIM (eta 0; Song et al., https://arxiv.org/abs/2010.02502).

        Args:
            reference: the input view, in [0, 1].
            prompts: prompt embedding of every view.
            noise: standard normal start.
            num_steps: denoising steps, 1 to 1000.
            guidance_scale: classifier-free guidance; 1 is off and halves the cost.
        """
        scheduler = self._make_scheduler()
        scheduler.set_timesteps(num_steps)
        latents = noise
        reference_latent = self.codec.encode(reference)
        embedding = self.image_embedding(reference)
        for timestep in scheduler.timesteps:
            steps = timestep.to(noise.device).expand(len(noise))
            v = self.predict_v(latents, steps, reference_latent, embedding, prompts)
            if guidance_scale != 1.0:
                null = self.predict_v(
                    latents, steps, torch.zeros_like(reference_latent), torch.zeros_like(embedding), prompts
                )
                v = null + guidance_scale * (v - null)
            latents = scheduler.step(v, int(timestep), latents, eta=0.0, return_dict=False)[0]
        return self.codec.decode(latents)
