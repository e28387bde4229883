"""One trial, from its inputs to its files. Knows no Ray: a process runs one trial after another."""

import gc
import random
import resource
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mflab.config import RootCfg
from mflab.model import make_model
from mflab.results import MetricRow, Status
from mflab.sweep.artifacts import (
    CHECKPOINT_FILE,
    TrainingRow,
    responses,
    trial_folder,
    weights_digest,
    write_rows,
    write_trial_images,
    write_weights,
)
from mflab.sweep.inputs import InputCache, TrialInputs, open_inputs
from mflab.train import (
    DiffusionTask,
    Diverged,
    StepRecord,
    TrainState,
    Validation,
    average_weights,
    torch_generator,
    train,
)
from mflab.train.checkpoint import load_checkpoint, save_checkpoint


class StopTrial(Exception):
    """Raised by a progress report: save a checkpoint and stop after the present step."""


@dataclass(frozen=True)
class Progress:
    """Where a running trial is: steps done and asked, and the responses of its last validation."""

    step: int
    steps: int
    responses: dict[str, float]


@dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended.

    Attributes:
        status: done, diverged, stopped or failed.
        steps: training steps done.
        seconds: wall time over all its starts, as far as they were checkpointed.
        train_seconds: thereof in the training loop.
        validate_seconds: thereof in validation.
        run_train_seconds: training of this start alone.
        run_validate_seconds: validation of this start alone.
        peak_memory_gb: peak resident memory of the process up to now, 1e9 bytes.
        responses: means of the last validation; empty unless done.
        metrics_sha256: of the metric file; empty unless done or diverged.
        weights_sha256: of the averaged weights; empty unless done.
        error: what went wrong, one line.
        pid: process that did it.
    """

    status: Status
    steps: int = 0
    seconds: float = 0.0
    train_seconds: float = 0.0
    validate_seconds: float = 0.0
    run_train_seconds: float = 0.0
    run_validate_seconds: float = 0.0
    peak_memory_gb: float = 0.0
    responses: dict[str, float] = field(default_factory=dict)
    metrics_sha256: str = ""
    weights_sha256: str = ""
    error: str = ""
    pid: int = 0


def run_trial(
    config: RootCfg, trial_id: str, folder: Path, report: Callable[[Progress], None], cache: InputCache
) -> TrialOutcome:
    """Runs a trial, from its checkpoint if there is one, and leaves its files in the sweep folder.

    Args:
        config: the resolved config.
        trial_id: names its files; a checkpoint of another id is refused.
        folder: sweep folder.
        report: called after every step and validation; it may raise `StopTrial`.
        cache: inputs that this process opened before.

    Raises:
        MflabError: an input is missing or broken.
    """
    entered = time.perf_counter()
    prepare_process(config.train.threads, config.seed)
    run = _Run(config, trial_id, folder, report, open_inputs(config, cache), entered)
    run.restore()
    try:
        run.advance()
    except StopTrial:
        run.save()
        return run.outcome(Status.stopped)
    except Diverged as error:
        sha256 = write_rows(folder, trial_id, run.metrics, run.training)
        run.checkpoint.unlink(missing_ok=True)
        return run.outcome(Status.diverged, error=str(error), metrics_sha256=sha256)
    return run.finish()


def prepare_process(threads: int, seed: int) -> None:
    """Puts everything global that numbers could depend on into a known state, whatever ran in this process before."""
    # The last trial's network refers to itself: without this, its weights would stand beside the next one's.
    gc.collect()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    torch.backends.cudnn.benchmark = False
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  libraries that draw from the global generator
    random.seed(seed)


def peak_memory_gb() -> float:
    """Peak resident memory of this process, 1e9 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


class _Run:
    """A trial in progress: its state, its rows and its clock."""

    def __init__(
        self,
        config: RootCfg,
        trial_id: str,
        folder: Path,
        report: Callable[[Progress], None],
        inputs: TrialInputs,
        entered: float,
    ) -> None:
        self.entered = entered
        self.config, self.trial_id, self.folder, self.report, self.inputs = config, trial_id, folder, report, inputs
        self.checkpoint = trial_folder(folder, trial_id) / CHECKPOINT_FILE
        source = inputs.sources.train
        self.model = make_model(
            config.model, config.data.size, len(source.view_names), torch_generator(config.seed, "init")
        )
        self.state = TrainState(self.model.unet, config.optim)
        prompts = {style: embeddings.tensor.float() for style, embeddings in inputs.prompts.items()}
        self.target = prompts[config.prompts.style]
        self.task = DiffusionTask(self.model, inputs.loader, prompts, config.train.base_style, config.seed)
        self.metrics: list[MetricRow] = []
        self.training: list[TrainingRow] = []
        self.validation: Validation | None = None
        self.responses: dict[str, float] = {}
        self.train_seconds = self.validate_seconds = 0.0
        self.before = {"total": 0.0, "train": 0.0, "validate": 0.0}

    def restore(self) -> None:
        if not self.checkpoint.exists():
            return
        content = load_checkpoint(self.checkpoint, self.trial_id)
        self.state.load_state_dict(content["state"])
        self.metrics = [MetricRow(*row) for row in content["metrics"]]
        self.responses = responses(self.metrics)
        self.training = [tuple(row) for row in content["training"]]
        self.before = content["seconds"]

    def advance(self) -> None:
        """Trains to each validation that is still missing, and validates."""
        validated = {row.step for row in self.metrics}
        for step in self.inputs.validation_steps:
            if step in validated:
                continue
            self._train(step)
            self._validate(step)
            if step < self.config.train.steps:
                if not self.config.train.checkpoint_every:
                    self.save()
                self.report(self._progress())

    def _train(self, until: int) -> None:
        if self.inputs.curriculum is None or self.state.step >= until:
            return
        offset = self.training[-1][-1] if self.training else 0.0
        every = self.config.train.checkpoint_every
        saving = 0.0

        def on_step(record: StepRecord) -> None:
            nonlocal saving
            seconds = offset + record.seconds - saving
            self.training.append((record.step, record.loss, record.lr, record.grad_norm, record.stage, seconds))
            if every and self.state.step % every == 0 and self.state.step < self.config.train.steps:
                started = time.perf_counter()
                self.save()
                saving += time.perf_counter() - started
            self.report(self._progress())

        started = time.perf_counter()
        try:
            train(self.state, self.task, self.inputs.curriculum, self.config.optim, until, on_step)
        finally:
            self.train_seconds += time.perf_counter() - started - saving

    def _validate(self, step: int) -> None:
        started = time.perf_counter()
        if not all(bool(torch.isfinite(value).all()) for value in self.state.module.parameters()):
            raise Diverged(step, "a weight", float("nan"))
        with average_weights(self.state.module, self.state.average):
            self.validation = self.inputs.validator.validate(self.model, self.target, step)
        self.metrics += self.validation.rows
        self.responses = responses(self.validation.rows)
        self.validate_seconds += time.perf_counter() - started

    def _progress(self) -> Progress:
        return Progress(self.state.step, self.config.train.steps, self.responses)

    def save(self) -> None:
        content: dict[str, Any] = {
            "state": self.state.state_dict(),
            "metrics": [astuple(row) for row in self.metrics],
            "training": self.training,
            "seconds": {
                "total": self.before["total"] + time.perf_counter() - self.entered,
                "train": self.before["train"] + self.train_seconds,
                "validate": self.before["validate"] + self.validate_seconds,
            },
        }
        save_checkpoint(self.checkpoint, self.trial_id, content)

    def finish(self) -> TrialOutcome:
        assert self.validation is not None
        weights = self.state.average.average
        if self.config.train.keep_weights:
            write_weights(self.folder, self.trial_id, weights)
        write_trial_images(self.folder, self.trial_id, self.inputs.validator.names, self.validation.images)
        sha256 = write_rows(self.folder, self.trial_id, self.metrics, self.training)
        self.checkpoint.unlink(missing_ok=True)
        return self.outcome(
            Status.done,
            responses=self.responses,
            metrics_sha256=sha256,
            weights_sha256=weights_digest(weights),
        )

    def outcome(self, status: Status, **fields: Any) -> TrialOutcome:
        return TrialOutcome(
            status=status,
            steps=self.state.step,
            seconds=self.before["total"] + time.perf_counter() - self.entered,
            train_seconds=self.before["train"] + self.train_seconds,
            validate_seconds=self.before["validate"] + self.validate_seconds,
            run_train_seconds=self.train_seconds,
            run_validate_seconds=self.validate_seconds,
            peak_memory_gb=peak_memory_gb(),
            **fields,
        )
