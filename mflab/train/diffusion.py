"""The multi-view diffusion task: batches, prompts and the loss of `MVDiffusion`."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mflab.curriculum import StageState
from mflab.data.augment import get_augmentation
from mflab.data.loader import Batch, Loader, ReferenceMode, generator_for
from mflab.errors import MflabError
from mflab.model import MVDiffusion


def torch_generator(seed: int, *purpose: int | str) -> torch.Generator:
    """A torch generator that depends on the seed and every part of the purpose, and on nothing else."""
    return torch.Generator().manual_seed(int(generator_for(seed, *purpose).integers(2**62)))


def reference_mode(name: str) -> ReferenceMode:
    """The reference mode of that name.

    Raises:
        MflabError: no such mode.
    """
    if name not in ReferenceMode.__members__:
        raise MflabError(f"Unknown reference mode {name!r}; choose one of {', '.join(ReferenceMode.__members__)}.")
    return ReferenceMode[name]


class DiffusionTask:
    """A `Task` for `train`.

    Args:
        model: the model whose UNet learns.
        loader: scenes.
        prompts: prompt style -> embedding of every view, [V, L, D]; must hold every style that a stage names.
        base_style: the wording that scenes of the base data keep.
        seed: seed of the trial; noise depends on it and on the step alone.
    """

    def __init__(
        self,
        model: MVDiffusion,
        loader: Loader,
        prompts: Mapping[str, Float[Tensor, "view token dim"]],
        base_style: str,
        seed: int,
    ) -> None:
        self.model = model
        self.loader = loader
        self.prompts = prompts
        self.base_style = base_style
        self.seed = seed

    @property
    def module(self) -> nn.Module:
        return self.model.unet

    def batch(self, step: int, state: StageState) -> Batch:
        stage = state.stage
        return self.loader.batch(
            step, get_augmentation(stage.augmentation), reference_mode(stage.reference), stage.base_fraction
        )

    def loss(self, batch: Batch, step: int, state: StageState) -> Tensor:
        rows = torch.arange(len(batch.images))
        device = self.model.alphas_cumprod.device
        per_object = self.model.loss(
            batch.images.to(device),
            batch.images[rows, batch.reference].to(device),
            self._prompts(batch, state).to(device),
            torch_generator(self.seed, step, "diffusion"),
        )
        return per_object.mean()

    def _prompts(self, batch: Batch, state: StageState) -> Float[Tensor, "batch view token dim"]:
        """Embedding of what each slot shows; base scenes keep the base wording."""
        target = self.prompts[state.prompt_to]
        if state.blend < 1.0:
            target = torch.lerp(self.prompts[state.prompt_from], target, state.blend)
        if not bool(batch.is_base.any()):
            return target[batch.slots]
        base = self.prompts[self.base_style][batch.slots]
        return torch.where(batch.is_base[:, None, None, None], base, target[batch.slots])
