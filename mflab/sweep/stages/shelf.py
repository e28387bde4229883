"""The model of a process: built once, taken up again by the next trial, since building takes longer than the first
steps of a small one."""

import gc
from dataclasses import dataclass

import torch
from torch import Tensor

from mflab.config import RootCfg, fingerprint
from mflab.model import MVDiffusion, load_weights, make_model, weights_fingerprint
from mflab.model.weights import NO_WEIGHTS
from mflab.train import NetworkTensors, find_device, torch_generator


@dataclass(frozen=True)
class BuiltModel:
    """A model that was built, and what brings its weights back to where they began.

    Attributes:
        key: hash of everything that the untrained model depends on.
        model: whatever was done to its weights since.
        tensors: of its network.
        drawn: initial weights that no file holds; empty where a file does.
    """

    key: str
    model: MVDiffusion
    tensors: NetworkTensors
    drawn: list[Tensor]


class ModelShelf:
    """Keeps the model that a process used last. Whoever takes it has it alone until it is put back."""

    def __init__(self) -> None:
        self._kept: BuiltModel | None = None

    def take(self, config: RootCfg, num_views: int) -> BuiltModel:
        """An untrained model of a config: the one that was put back, if it is of the same kind, or a new one.

        Args:
            config: a trial's.
            num_views: V.

        Raises:
            MflabError: a setting is impossible or the weights do not fit.
        """
        kept, self._kept = self._kept, None
        cfg, device = config.model, find_device(config.train.device)
        is_drawn = cfg.weights == NO_WEIGHTS
        origin = config.seed if is_drawn else weights_fingerprint(cfg.weights)
        key = fingerprint([cfg, config.data.size, num_views, str(device), origin])
        if kept is not None and kept.key == key:
            _restore(kept, cfg.weights)
            return kept
        # Two models at a time would take twice the memory. A model refers to itself, also one that a failed trial left
        # behind: only a search for garbage takes it away.
        del kept
        gc.collect()
        model = make_model(cfg, config.data.size, num_views, torch_generator(config.seed, "init")).to(device)
        tensors = NetworkTensors.of(model.unet)
        # Beside a model on an accelerator there is no room for a second copy of its weights.
        drawn = [value.detach().to("cpu", copy=True) for value in tensors.weights] if is_drawn else []
        return BuiltModel(key, model, tensors, drawn)

    def put_back(self, model: BuiltModel) -> None:
        """Keeps a model that is no longer used, in place of the one before."""
        for weight in model.tensors.weights:
            weight.grad = None
        self._kept = model


def _restore(kept: BuiltModel, weights: str) -> None:
    """Brings a used model back to where a new one begins, bit for bit."""
    parameters = kept.tensors.weights
    if kept.drawn:
        torch._foreach_copy_([weight.detach() for weight in parameters], kept.drawn)
    else:
        load_weights(kept.model.unet, weights)
    kept.model.train()
    for weight in parameters:
        weight.requires_grad_(True)
