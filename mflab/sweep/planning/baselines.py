"""Baselines of a sweep: predictions that need no training, once per validation set and base model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mflab.config import RootCfg, fingerprint, plain
from mflab.errors import MflabError
from mflab.model import make_model
from mflab.model.weights import NO_WEIGHTS, weights_fingerprint
from mflab.results import MetricRow, Status
from mflab.sweep.stages.artifacts import BASELINES_FOLDER, responses, write_baseline_rows, write_ground_truth
from mflab.sweep.stages.data_keys import validation_data
from mflab.sweep.stages.identity import TRAINING_VERSION
from mflab.sweep.stages.inputs import InputCache, TrialInputs, open_inputs, open_prompts
from mflab.sweep.stages.outcome import TrialOutcome
from mflab.sweep.stages.process_state import peak_memory_gb, prepare_process
from mflab.train import Diverged, torch_generator

PRETRAINED = "pretrained"
# Fields of a model config that say how it learns; its predictions do not depend on them.
_TRAINING_ONLY = ("timestep_shift", "condition_dropout", "loss_weight")
LABEL_DIGITS = 8


@dataclass(frozen=True)
class BaselineKeys:
    """What the baselines of a trial depend on.

    Attributes:
        dataset: hash of the validation set: scenes, views, size, background, how many.
        pretrained: hash of dataset, sampler, initial model, wording and code; empty where the model starts from
            nothing.
    """

    dataset: str
    pretrained: str


def baseline_keys(config: RootCfg, inputs: TrialInputs) -> BaselineKeys:
    """The keys of a trial's baselines; equal keys have equal baselines."""
    validation = plain(config.validation)
    shown = validation_data(config.data, inputs.sources)
    dataset = fingerprint([shown, validation["num_scenes"], validation["num_images"], validation["lpips"]])
    if config.model.weights == NO_WEIGHTS:
        return BaselineKeys(dataset, "")
    validation.pop("at")
    model = plain(replace(config.model, name="", weights=weights_fingerprint(config.model.weights)))
    for name in _TRAINING_ONLY:
        model.pop(name)
    if inputs.base_prompts is not None:
        wording = inputs.base_prompts.sha256
    else:
        wording = [plain(config.prompts), config.train.base_style]
    code = [TRAINING_VERSION, torch.__version__, config.train.threads]
    return BaselineKeys(dataset, fingerprint([dataset, validation, model, wording, code]))


def dataset_labels(configs: Mapping[str, RootCfg], keys: Mapping[str, BaselineKeys]) -> dict[str, str]:
    """A readable name per trial for its validation set: the data's name and size, and a hash.

    The hash is always there: files of a sweep folder outlive a plan, and a later plan may mean other data by a name.
    """
    return {
        one: f"{config.data.name}-{config.data.size}-{keys[one].dataset[:LABEL_DIGITS]}"
        for one, config in configs.items()
    }


def baseline_path(sweep: Path, key: str) -> Path:
    """File of the rows of one baseline job."""
    return sweep / BASELINES_FOLDER / f"{key[:16]}.parquet"


def run_reference(config: RootCfg, dataset: str, path: Path, sweep: Path, cache: InputCache) -> TrialOutcome:
    """Writes white image, copied input and the true views of a validation set."""
    prepare_process(config.train.threads, config.seed)
    validator = open_inputs(config, cache).validator
    num_images = config.validation.num_images
    write_ground_truth(sweep, dataset, validator.names[:num_images], validator.images[:num_images])
    return _written(path, dataset, validator.baselines())


def run_pretrained(config: RootCfg, dataset: str, name: str, path: Path, cache: InputCache) -> TrialOutcome:
    """Writes what the initial weights do with the wording they know.

    Raises:
        MflabError: no weights, no embedding of that wording, or weights whose predictions are no numbers.
    """
    if config.model.weights == NO_WEIGHTS:
        raise MflabError(
            "The pretrained baseline needs initial weights, but got model.weights=none; set model.weights."
        )
    prepare_process(config.train.threads, config.seed)
    inputs = open_inputs(config, cache)
    source = inputs.sources.val
    prompts = open_prompts(config, config.train.base_style, source, cache).tensor.float()
    num_views = len(source.view_names)
    model = make_model(config.model, config.data.size, num_views, torch_generator(config.seed, "init"))
    try:
        rows = inputs.validator.validate(model, prompts, 0).rows
    except Diverged:
        raise MflabError(
            f"Initial weights must give finite predictions, but model.weights={config.model.weights} gave NaN; set "
            "model.weights to other weights."
        ) from None
    return _written(path, dataset, {name: rows})


def _written(path: Path, dataset: str, rows: dict[str, list[MetricRow]]) -> TrialOutcome:
    write_baseline_rows(path, dataset, rows)
    columns = {f"{name}:{column}": value for name, group in rows.items() for column, value in responses(group).items()}
    return TrialOutcome(Status.done, responses=columns, peak_memory_gb=peak_memory_gb())
