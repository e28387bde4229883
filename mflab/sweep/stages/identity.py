"""The id of a trial: a hash of everything that can change its result, and of nothing else."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mflab.config import RootCfg, json_text, plain, treatment
from mflab.curriculum import Curriculum, Stage
from mflab.data.sources import DataCfg, DataKind
from mflab.design import Cell
from mflab.errors import MflabError
from mflab.model.weights import weights_fingerprint
from mflab.sweep.stages.inputs import TrialInputs

# Raise when a change of the loop, the model or the sampler changes numbers: a finished trial must not stand for them.
TRAINING_VERSION = 1
ID_LENGTH = 16


def trial_id(config: RootCfg, inputs: TrialInputs) -> str:
    """The first 16 hex digits of the hash of a trial's treatment, with the content of files in place of their names.

    Data, weights and embeddings count by fingerprint, stages as they are resolved: so the id is the same wherever the
    files lie, and the same for two curricula that do the same.
    """
    return id_under_seed(cell_identity(common_identity(config, inputs), config), config.seed)


def cell_identity(common: str, config: RootCfg) -> str:
    """What the ids of a cell's trials hash, as JSON text without the seed: trials of many seeds make it once.

    Args:
        common: from `common_identity`.
        config: whose optimiser is filled in.
    """
    return filled_in(common, "optim", json_text(config.optim))


def common_identity(config: RootCfg, inputs: TrialInputs) -> str:
    """The same without the optimiser, for all cells that differ in nothing else."""
    values = treatment(config)
    values["seed"] = values["optim"] = None
    values["curriculum"] = resolved_stages(inputs.curriculum)
    values["model"].pop("weights")
    values["prompts"].pop("path")
    for part, cfg in (("data", config.data), ("base_data", config.base_data)):
        if part in values:
            _drop_paths(values[part], cfg)
    values["content"] = {
        "train": inputs.sources.train.fingerprint,
        "val": inputs.sources.val.fingerprint,
        "base": inputs.base_source.fingerprint if inputs.base_source is not None else None,
        "weights": weights_fingerprint(config.model.weights),
        "prompts": {style: embeddings.sha256 for style, embeddings in inputs.prompts.items()},
        "torch": torch.__version__,
        "training_version": TRAINING_VERSION,
    }
    return json_text(values)


def id_under_seed(identity: str, seed: int) -> str:
    """The id of the trial of a cell under a seed.

    Example:
        >>> id_under_seed('{"lr": 1.0, "seed": null}', 3)
        '66abd081f62a0b99'
    """
    return hashlib.sha256(filled_in(identity, "seed", str(seed)).encode()).hexdigest()[:ID_LENGTH]


def filled_in(text: str, key: str, value: str) -> str:
    """JSON text with a value for a key that is null in it, once.

    Example:
        >>> filled_in('{"lr": 1.0, "seed": null}', "seed", "3")
        '{"lr": 1.0, "seed": 3}'
    """
    # A quote inside a text would be escaped, so this can only be the key.
    before, empty, after = text.partition(f'"{key}": null')
    assert empty and f'"{key}": null' not in after, f"{key} must be null once in {text}"
    return f'{before}"{key}": {value}{after}'


def resolved_stages(curriculum: Curriculum | None) -> list[dict[str, Any]]:
    """The stages of a run as JSON values, neighbours that do the same joined; none for a run without steps."""
    joined: list[dict[str, Any]] = []
    for stage in curriculum.stages if curriculum is not None else ():
        values = _stage_values(stage, joined[-1]["prompt"] if joined else stage.prompt)
        is_same = joined and {**joined[-1], "start": 0, "end": 0} == {**values, "start": 0, "end": 0}
        # A line that starts over is not the line continued.
        if is_same and values["lr_multiplier_end"] is None:
            joined[-1]["end"] = stage.end
        else:
            joined.append(values)
    return joined


def _stage_values(stage: Stage, previous_prompt: str) -> dict[str, Any]:
    values = plain(stage)
    if previous_prompt == stage.prompt:
        # A blend of a prompt with itself is that prompt.
        values["transition"] = "switch"
    if stage.lr_multiplier_end == stage.lr_multiplier:
        values["lr_multiplier_end"] = None
    return values


def _drop_paths(values: dict[str, Any], cfg: DataCfg) -> None:
    if cfg.kind is DataKind.folder:
        values.pop("train_list")
        values.pop("val_list")
        if cfg.camera_file:
            values["camera_file"] = hashlib.sha256((Path(cfg.root) / cfg.camera_file).read_bytes()).hexdigest()


def check_distinct(ids: Sequence[str], cells: Sequence[Cell], seeds: Sequence[int]) -> None:
    """Refuses two names for one treatment.

    Raises:
        MflabError: names both cells.

    Example:
        >>> check_distinct(["a", "b"], [{"lr": "low"}, {"lr": "high"}], [0, 0])
    """
    first: dict[str, int] = {}
    for index, one in enumerate(ids):
        if one in first:
            names = [f"({_cell_text(cells[place])}, seed {seeds[place]})" for place in (first[one], index)]
            raise MflabError(
                f"Every cell must be a treatment of its own, but {names[0]} and {names[1]} are two names for one "
                f"treatment (trial {one}); drop a level or make it do something else."
            )
        first[one] = index


def _cell_text(cell: Cell) -> str:
    return ", ".join(f"{name}={level}" for name, level in cell.items()) or "no factors"
