"""Optimiser, learning-rate schedule and the moving average of the weights."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

import torch
from torch import nn

from mflab.errors import MflabError


class LRSchedule(Enum):
    """After the warm-up: constant, or half a cosine down to zero at the last step."""

    constant = "constant"
    cosine = "cosine"


@dataclass
class OptimCfg:
    """AdamW (https://arxiv.org/abs/1711.05101) with warm-up, clipping and a moving average.

    Attributes:
        lr: peak learning rate, positive.
        schedule: what follows the warm-up.
        warmup_steps: steps of linear warm-up, at least 0.
        beta1: decay of the first moment, in [0, 1[.
        beta2: decay of the second moment, in [0, 1[.
        eps: added to the root of the second moment.
        weight_decay: decoupled weight decay, at least 0.
        max_grad_norm: gradients are scaled down to this norm, positive.
        ema_decay: decay of the moving average, in [0, 1[; 0 keeps the raw weights.
    """

    lr: float = 1e-3
    schedule: LRSchedule = LRSchedule.cosine
    warmup_steps: int = 10
    beta1: float = 0.9
    beta2: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 1e-2
    max_grad_norm: float = 1.0
    ema_decay: float = 0.97


def check_optim(cfg: OptimCfg) -> None:
    """Refuses settings no optimiser can use.

    Raises:
        MflabError: with the field, its range and its value.
    """
    for name, low in (("lr", 0.0), ("max_grad_norm", 0.0), ("eps", 0.0)):
        if not getattr(cfg, name) > low:
            raise MflabError(f"{name} must be positive, but got {name}={getattr(cfg, name)}; set optim.{name}.")
    for name in ("beta1", "beta2", "ema_decay"):
        if not 0.0 <= getattr(cfg, name) < 1.0:
            raise MflabError(f"{name} must be in [0, 1[, but got {name}={getattr(cfg, name)}; set optim.{name}.")
    if cfg.warmup_steps < 0 or cfg.weight_decay < 0:
        raise MflabError(
            f"warmup_steps and weight_decay must be at least 0, but got {cfg.warmup_steps} and {cfg.weight_decay}."
        )


def learning_rate(cfg: OptimCfg, step: int, num_steps: int) -> float:
    """Learning rate of a step, before the multiplier of its stage.

    lr (step + 1) / (w + 1) in the warm-up of w steps, then lr, or lr (1 + cos(pi s)) / 2 with s the share of the rest.

    Example:
        >>> cfg = OptimCfg(lr=1.0, warmup_steps=1)
        >>> [round(learning_rate(cfg, step, 5), 3) for step in range(5)]
        [0.5, 1.0, 0.854, 0.5, 0.146]
    """
    if step < cfg.warmup_steps:
        return cfg.lr * (step + 1) / (cfg.warmup_steps + 1)
    if cfg.schedule is LRSchedule.constant:
        return cfg.lr
    share = (step - cfg.warmup_steps) / max(num_steps - cfg.warmup_steps, 1)
    return 0.5 * cfg.lr * (1.0 + math.cos(math.pi * share))


def make_optimiser(cfg: OptimCfg, parameters: Iterable[nn.Parameter]) -> torch.optim.AdamW:
    """AdamW over the parameters; the loop sets the learning rate of every step."""
    return torch.optim.AdamW(
        list(parameters),
        lr=cfg.lr,
        betas=(cfg.beta1, cfg.beta2),
        eps=cfg.eps,
        weight_decay=cfg.weight_decay,
        foreach=True,
    )


class MovingAverage:
    """Exponential moving average of weights: a <- d a + (1 - d) w with d = min(decay, (1 + n) / (10 + n)) at update n.

    Args:
        named: the parameters of a network by name, averaged from their present values on.
        decay: in [0, 1[.
    """

    def __init__(self, named: Mapping[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.num_updates = 0
        self._weights = [value.detach() for value in named.values()]
        self.average = {name: value.clone() for name, value in zip(named, self._weights, strict=True)}

    def update(self) -> None:
        """Takes the present weights in."""
        decay = min(self.decay, (1.0 + self.num_updates) / (10.0 + self.num_updates))
        self.num_updates += 1
        torch._foreach_lerp_(list(self.average.values()), self._weights, 1.0 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Lets the network carry its averaged weights."""
        raw = [value.clone() for value in self._weights]
        torch._foreach_copy_(self._weights, list(self.average.values()))
        try:
            yield
        finally:
            torch._foreach_copy_(self._weights, raw)

    def state_dict(self) -> dict[str, object]:
        return {"num_updates": self.num_updates, "average": self.average}

    def load_state_dict(self, state: dict[str, object]) -> None:
        num_updates, average = state["num_updates"], state["average"]
        if not isinstance(num_updates, int) or not isinstance(average, dict) or set(average) != set(self.average):
            raise MflabError(
                "A moving average must fit its model, but the checkpoint's does not; remove the checkpoint."
            )
        self.num_updates = num_updates
        for name, value in average.items():
            self.average[name].copy_(value)
