"""The one training loop: steps of a curriculum on a task, resumable bit by bit.

Nothing random lives in the loop: a task draws everything from generators keyed by (seed, step). So the state of a run
is its weights, their average, the optimiser and the step.
"""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from mflab.curriculum import Curriculum, StageState, is_trainable
from mflab.errors import MflabError
from mflab.train.optim import OptimCfg, learning_rate
from mflab.train.state import TrainState


class Diverged(Exception):
    """The loss or its gradient stopped being a number."""

    def __init__(self, step: int, quantity: str, value: float) -> None:
        super().__init__(f"{quantity} was {value} at step {step}; lower optim.lr or raise optim.warmup_steps.")
        self.step = step


@runtime_checkable
class Task(Protocol):
    """What is trained: a network, its data and its loss."""

    @property
    def module(self) -> nn.Module:
        """The network whose parameters learn; stages name parts of it."""
        ...

    def batch(self, step: int, state: StageState) -> Any:
        """The data of a step, a pure function of step and settings."""
        ...

    def loss(self, batch: Any, step: int, state: StageState) -> Tensor:
        """Scalar loss of a step; randomness is keyed by the step."""
        ...


@dataclass(frozen=True)
class StepRecord:
    """One row of the training history; `seconds` is the time since the loop was entered."""

    step: int
    loss: float
    lr: float
    grad_norm: float
    stage: int
    seconds: float


@contextmanager
def _ahead(task: Task, curriculum: Curriculum, start: int, until: int) -> Iterator[Callable[[], Any]]:
    """Yields a function that returns the batches of steps start, start + 1, … while a thread prepares the next one."""
    threads = torch.get_num_threads()
    # The thread count is part of the numerics, and a new thread would take the process default.
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(threads,)) as pool:

        def request(step: int) -> Any:
            return pool.submit(task.batch, step, curriculum.at(step)) if step < until else None

        pending = [request(start), start]

        def following() -> Any:
            batch = pending[0].result()
            pending[:] = [request(pending[1] + 1), pending[1] + 1]
            return batch

        yield following


def train(
    state: TrainState,
    task: Task,
    curriculum: Curriculum,
    cfg: OptimCfg,
    until: int,
    on_step: Callable[[StepRecord], None],
) -> None:
    """Trains from `state.step` up to (not including) step `until`, in place.

    Args:
        state: where to go on; it is left at `until`.
        task: network, data and loss.
        curriculum: what holds at each step; its `num_steps` sets the learning-rate schedule.
        cfg: optimiser settings.
        until: exclusive end, at most `curriculum.num_steps`.
        on_step: called after each step.

    Raises:
        Diverged: the loss or the gradient norm is not finite.
    """
    if until > curriculum.num_steps:
        raise MflabError(f"until must be at most the run's {curriculum.num_steps} steps, but got until={until}.")
    if state.step >= until:
        return
    entered = time.perf_counter()
    state.module.train()
    frozen_for = -1
    with _ahead(task, curriculum, state.step, until) as next_batch:
        while state.step < until:
            stage_state = curriculum.at(state.step)
            if stage_state.index != frozen_for:
                for name, parameter in state.named.items():
                    parameter.requires_grad_(is_trainable(stage_state.stage.trainable, name))
                frozen_for = stage_state.index
            lr = learning_rate(cfg, state.step, curriculum.num_steps) * stage_state.stage.lr_multiplier_at(state.step)
            for group in state.optimiser.param_groups:
                group["lr"] = lr
            loss = task.loss(next_batch(), state.step, stage_state)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise Diverged(state.step, "loss", value)
            state.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            grad_norm = float(nn.utils.clip_grad_norm_(state.weights, cfg.max_grad_norm))
            if not math.isfinite(grad_norm):
                raise Diverged(state.step, "gradient norm", grad_norm)
            state.optimiser.step()
            state.average.update()
            record = StepRecord(state.step, value, lr, grad_norm, stage_state.index, time.perf_counter() - entered)
            state.step += 1
            on_step(record)
    for parameter in state.weights:
        parameter.requires_grad_(True)
