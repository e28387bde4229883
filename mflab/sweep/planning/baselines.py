"""Which baselines a trial has: predictions that need no training, once per validation set and base model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from mflab.config import RootCfg, fields_of, fingerprint
from mflab.metrics import LpipsMetric
from mflab.metrics.table import METRICS_VERSION
from mflab.model.weights import NO_WEIGHTS, weights_fingerprint
from mflab.sweep.stages.artifacts import BASELINES_FOLDER
from mflab.sweep.stages.data_keys import trained_data, validation_data
from mflab.sweep.stages.identity import TRAINING_VERSION
from mflab.sweep.stages.inputs import TrialInputs
from mflab.sweep.stages.opening import find_metric
from mflab.train import SETS_VERSION

# Fields of a model config that say how it learns; its predictions do not depend on them.
_TRAINING_ONLY = ("timestep_shift", "condition_dropout", "loss_weight")
LABEL_DIGITS = 8


@dataclass(frozen=True)
class BaselineKeys:
    """What the baselines of a trial depend on.

    Attributes:
        dataset: hash of the validation set: scenes, views, size, background, how many.
        mean_image: hash of dataset and training scenes.
        pretrained: hash of dataset, sampler, initial model, wording and code; empty where the model starts from
            nothing.
    """

    dataset: str
    mean_image: str
    pretrained: str


def baseline_keys(config: RootCfg, inputs: TrialInputs) -> BaselineKeys:
    """The keys of a trial's baselines; equal keys have equal baselines."""
    validation = fields_of(config.validation)
    shown = validation_data(config.data, inputs.sources)
    # Where weights of LPIPS come later, the baselines get its values too.
    lpips = [validation["lpips"], *(["present"] if isinstance(find_metric(validation["lpips"]), LpipsMetric) else [])]
    sets = [validation["consistency_scenes"], SETS_VERSION]
    dataset = fingerprint([shown, validation["num_scenes"], validation["num_images"], METRICS_VERSION, sets, *lpips])
    mean_image = fingerprint([dataset, trained_data(config.data), inputs.sources.train.fingerprint])
    if config.model.weights == NO_WEIGHTS:
        return BaselineKeys(dataset, mean_image, "")
    for name in ("at", "prior_scenes", "train_scenes"):
        validation.pop(name)
    model = {**fields_of(config.model), "name": "", "weights": weights_fingerprint(config.model.weights)}
    for name in _TRAINING_ONLY:
        model.pop(name)
    if inputs.base_prompts is not None:
        wording = inputs.base_prompts.sha256
    else:
        wording = [config.prompts, config.train.base_style]
    code = [TRAINING_VERSION, torch.__version__, config.train.threads]
    return BaselineKeys(dataset, mean_image, fingerprint([dataset, validation, model, wording, code]))


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
