"""From the store to the files of a trial: rows stitched along its chain, pictures, weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from mflab.curriculum import Curriculum
from mflab.results import MetricRow, Status
from mflab.sweep.stages.artifacts import (
    TrainingRow,
    weights_path,
    write_rows,
    write_trial_images,
    write_weights,
)
from mflab.sweep.stages.chain import Chain
from mflab.sweep.stages.records import History, unpack_evaluation, unpack_pictures
from mflab.sweep.stages.route import Route
from mflab.sweep.stages.states import read_state
from mflab.sweep.stages.wanted import pictures_name
from mflab.sweep.store import Kind, Store


@dataclass(frozen=True)
class Assembled:
    """What the store knows of a trial up to a step.

    Attributes:
        metrics: rows of all its evaluations, by step.
        training: one row a step.
        evaluations: name and seconds of each evaluation.
        stages: name, steps and seconds of each piece between kept states.
        pictures: PNG files of the last evaluation, by name.
        weights_sha256: of the averaged weights at the last state; empty without steps.
    """

    metrics: list[MetricRow]
    training: list[TrainingRow]
    evaluations: list[tuple[str, float]]
    stages: list[tuple[str, int, float]]
    pictures: dict[str, bytes]
    weights_sha256: str

    @property
    def seconds(self) -> float:
        """Training and evaluation as if nothing had been shared."""
        return sum(seconds for _, seconds in self.evaluations) + sum(seconds for _, _, seconds in self.stages)


def assemble(
    store: Store, route: Route, until: int, keep: Sequence[int], curriculum: Curriculum | None
) -> Assembled | None:
    """Reads a trial up to step `until`; None where an entry is missing or was damaged, and has to be made again.

    Args:
        store: where its entries are.
        route: names of the entries.
        until: last step to read.
        keep: steps between which costs are told apart.
        curriculum: numbers the stages of the training rows.
    """
    history, digest = History.empty(), ""
    if until:
        name = route.chain.name(until)
        entry = store.find(Kind.history, name)
        loaded = store.load(Kind.history, name, lambda file: History.from_bytes(file.read()))
        if entry is None or loaded is None:
            return None
        history, digest = loaded, str(entry.meta["weights_sha256"])
    metrics: list[MetricRow] = []
    evaluations: list[tuple[str, float]] = []
    pictures: dict[str, bytes] = {}
    for wanted in route.evaluations:
        if wanted.step > until:
            continue
        evaluation = store.load(Kind.evaluation, wanted.name, unpack_evaluation(wanted.step))
        if evaluation is None:
            return None
        metrics += evaluation.rows
        seconds = evaluation.seconds
        for part in wanted.parts:
            more = store.load(Kind.evaluation, part.name, unpack_evaluation(wanted.step))
            if more is None:
                return None
            metrics += more.rows
            seconds += more.seconds
        evaluations.append((wanted.name, seconds))
        if wanted.num_images:
            found = store.load(Kind.evaluation, pictures_name(wanted.name, wanted.num_images), unpack_pictures)
            if found is None:
                return None
            pictures = found
    training = training_rows(history, curriculum)
    return Assembled(metrics, training, evaluations, _stages(route.chain, history, until, keep), pictures, digest)


def training_rows(history: History, curriculum: Curriculum | None) -> list[TrainingRow]:
    """Rows of `training.parquet` without the trial: step, loss, lr, grad_norm, stage, seconds since the first step."""
    elapsed = history.seconds.cumsum().tolist()
    return [
        (step, loss, lr, grad_norm, curriculum.at(step).index if curriculum is not None else 0, elapsed[step])
        for step, (loss, lr, grad_norm) in enumerate(
            zip(history.loss.tolist(), history.lr.tolist(), history.grad_norm.tolist(), strict=True)
        )
    ]


def _stages(chain: Chain, history: History, until: int, keep: Sequence[int]) -> list[tuple[str, int, float]]:
    ends = sorted({step for step in keep if step <= until} | ({until} if until else set()))
    starts = [0, *ends[:-1]] if ends else []
    return [
        (name, end - start, float(history.seconds[start:end].sum()))
        for name, start, end in zip(chain.names(ends), starts, ends, strict=True)
    ]


def write_assembled(
    folder: Path, trial_id: str, status: Status, assembled: Assembled, weights: dict[str, Tensor] | None
) -> str:
    """Writes the files of a trial that is over; returns the SHA-256 of its metric rows."""
    if status is Status.done:
        write_trial_images(folder, trial_id, assembled.pictures)
        if weights is not None:
            write_weights(folder, trial_id, weights)
    return write_rows(folder, trial_id, assembled.metrics, assembled.training)


def load_average(store: Store, name: str) -> dict[str, Tensor] | None:
    """Averaged weights of a stored state; None if it is not there or was damaged."""

    def read(file: BinaryIO) -> dict[str, Tensor]:
        return read_state(file, torch.device("cpu"))["average"]["average"]

    return store.load(Kind.state, name, read)


def has_weights(folder: Path, trial_id: str) -> bool:
    """Whether the trial's weights already lie in the sweep folder."""
    return weights_path(folder, trial_id).is_file()
