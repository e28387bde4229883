"""Files of one trial: metric and training rows, pictures, weights. Each appears whole or not at all."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float
from PIL import Image
from safetensors.torch import save
from torch import Tensor

from mflab.results import (
    BASELINE_COLUMNS,
    CULPRIT,
    IMAGES_FOLDER,
    METRIC_COLUMNS,
    METRICS_FILE,
    TRAINING_COLUMNS,
    TRAINING_FILE,
    MetricRow,
    response_column,
)
from mflab.train.atomic import write_atomically

TRIALS_FOLDER = "trials"
WEIGHTS_FOLDER = "weights"
BASELINES_FOLDER = "baselines"
GROUND_TRUTH_FOLDER = "ground_truth"
PROGRESS_FILE = "progress.json"
TRACEBACK_FILE = "traceback.txt"

TrainingRow = tuple[int, float, float, float, int, float]


def trial_folder(sweep: Path, trial_id: str) -> Path:
    """Folder of a trial's own rows and progress."""
    return sweep / TRIALS_FOLDER / trial_id


def responses(rows: Sequence[MetricRow]) -> dict[str, float]:
    """Response columns of the last validation: mean over scenes and views, unseen and seen views apart.

    Example:
        >>> rows = [MetricRow(step, "s", view, view == "front", "psnr", value)
        ...         for step, view, value in ((0, "back", 1.0), (9, "front", 8.0), (9, "back", 2.0), (9, "left", 4.0))]
        >>> responses(rows)
        {'val/psnr_seen': 8.0, 'val/psnr': 3.0}
    """
    if not rows:
        return {}
    last = max(row.step for row in rows)
    values: dict[str, list[float]] = {}
    for row in rows:
        if row.step == last and row.metric != CULPRIT:
            values.setdefault(response_column(row.metric, seen=row.seen), []).append(row.value)
    return {column: float(np.mean(numbers)) for column, numbers in values.items()}


def write_rows(sweep: Path, trial_id: str, metrics: Sequence[MetricRow], training: Sequence[TrainingRow]) -> str:
    """Writes a trial's metric and training rows as parquet; returns the SHA-256 of the metric file."""
    folder = trial_folder(sweep, trial_id)
    _write_table(folder / TRAINING_FILE, [(trial_id, *row) for row in training], TRAINING_COLUMNS)
    return _write_table(folder / METRICS_FILE, [(trial_id, *_VALUES(row)) for row in metrics], METRIC_COLUMNS)


def write_baseline_rows(path: Path, dataset: str, rows: Mapping[str, Sequence[MetricRow]]) -> None:
    """Writes the rows of baselines, by name, without the column of training steps."""
    table = [(name, dataset, *_VALUES(row)[1:]) for name, group in rows.items() for row in group]
    _write_table(path, table, BASELINE_COLUMNS)


# Ten times as fast as `dataclasses.astuple`, which copies what it finds.
_VALUES = attrgetter(*METRIC_COLUMNS[1:])
_TYPES = {"step": pa.int64(), "stage": pa.int64(), "seen": pa.bool_()} | dict.fromkeys(
    ("value", "loss", "lr", "grad_norm", "seconds"), pa.float64()
)


def _write_table(path: Path, rows: Sequence[tuple[object, ...]], columns: Sequence[str]) -> str:
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    types = [_TYPES[name] if name in _TYPES else pa.large_string() for name in columns]
    arrays = [pa.array(column, kind) for column, kind in zip(values, types, strict=True)]
    buffer = io.BytesIO()
    pq.write_table(pa.table(arrays, names=list(columns)), buffer)
    write_atomically(path, lambda file: file.write(buffer.getvalue()))
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def write_trial_images(sweep: Path, trial_id: str, pictures: Mapping[str, bytes]) -> None:
    """Writes the predicted views of each scene, PNG files by name."""
    _write_files(sweep / IMAGES_FOLDER / trial_id, pictures)


def write_ground_truth(
    sweep: Path, dataset: str, scenes: Sequence[str], images: Float[Tensor, "scene view 3 height width"]
) -> None:
    """Writes the true views of each scene side by side; slot 0 is the input view."""
    _write_files(sweep / IMAGES_FOLDER / GROUND_TRUTH_FOLDER / dataset, draw_strips(scenes, images))


def draw_strips(scenes: Sequence[str], images: Float[Tensor, "scene view 3 height width"]) -> dict[str, bytes]:
    """PNG files by name: the views of each scene side by side."""
    strips: dict[str, bytes] = {}
    for name, views in zip(scenes, images, strict=False):
        strip = (views.clamp(0.0, 1.0) * 255.0).round().byte().permute(2, 0, 3, 1).flatten(1, 2)
        buffer = io.BytesIO()
        Image.fromarray(strip.contiguous().numpy()).save(buffer, format="PNG")
        # A scene's name may be a path inside its dataset.
        strips[f"{name.replace('/', '_')}.png"] = buffer.getvalue()
    return strips


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        write_atomically(folder / name, lambda file, content=content: file.write(content))


def weights_path(sweep: Path, trial_id: str) -> Path:
    """File of a trial's averaged weights."""
    return sweep / WEIGHTS_FOLDER / f"{trial_id}.safetensors"


def write_weights(sweep: Path, trial_id: str, weights: Mapping[str, Tensor]) -> Path:
    """Writes weights in full precision, so that they give the recorded metrics again."""
    path = weights_path(sweep, trial_id)
    content = save({name: value.contiguous() for name, value in weights.items()})
    write_atomically(path, lambda file: file.write(content))
    return path


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of names and values."""
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(name.encode() + value.numpy(force=True).tobytes())
    return digest.hexdigest()
