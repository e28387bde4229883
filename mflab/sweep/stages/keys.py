"""Stage keys: names of training states and evaluations by everything that can change their bits, and nothing else.

The state before step t is a pure function of where a run starts (its root) and of the settings of steps 0 to t - 1. So
its name hashes the root and one record per step. Curricula that are cut into stages differently, or called differently,
meet wherever they did the same: a name knows steps, not stages.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from mflab.config import RootCfg, fields_of, fingerprint, json_text
from mflab.curriculum import Stage
from mflab.data.augment import get_augmentation
from mflab.metrics.table import METRICS_VERSION
from mflab.model.weights import NO_WEIGHTS, weights_fingerprint
from mflab.sweep.stages.chain import RECORD, STATE_DIGITS, Chain
from mflab.sweep.stages.data_keys import base_data, trained_data, validation_data
from mflab.sweep.stages.identity import TRAINING_VERSION, filled_in
from mflab.sweep.stages.inputs import TrialInputs
from mflab.sweep.stages.opening import find_metric
from mflab.train import OptimCfg
from mflab.train.optim import LRSchedule

# Fields of the validation that ask for more than the rows of single views.
WATCHED = ("consistency_scenes", "prior_scenes", "train_scenes")
# Fields of the optimiser that act through the learning rate of each step alone.
_THROUGH_LR = ("lr", "schedule", "warmup_steps")


@dataclass(frozen=True)
class Origin:
    """Where runs start that differ in the seed and the optimiser alone.

    Attributes:
        start: network and numerics as JSON text, without the seed.
        data: what is trained on, as JSON text.
        has_drawn_weights: the untrained network depends on the seed.
    """

    start: str
    data: str
    has_drawn_weights: bool


def find_origin(config: RootCfg, inputs: TrialInputs) -> Origin:
    """Where runs of a config start."""
    numerics = {
        "torch": torch.__version__,
        "training_version": TRAINING_VERSION,
        "threads": config.train.threads,
        "device": config.train.device.name,
        # Kernels of another instruction set add in another order.
        "processor": torch.backends.cpu.get_cpu_capability(),
    }
    network = {**fields_of(config.model), "name": "", "weights": weights_fingerprint(config.model.weights)}
    start = {
        "model": network,
        "size": config.data.size,
        "num_views": len(inputs.sources.train.view_names),
        "seed": None,
        "numerics": numerics,
    }
    data = [trained_data(config.data), inputs.sources.train.fingerprint]
    return Origin(json_text(start), json_text(data), config.model.weights == NO_WEIGHTS)


def make_chain(config: RootCfg, origin: Origin, records: bytes) -> Chain:
    """The chain of a trial.

    Args:
        config: of the trial.
        origin: from `find_origin`, the same for all optimisers and seeds.
        records: from `step_records`, the same for all seeds of a cell.
    """
    optimiser = {name: value for name, value in fields_of(config.optim).items() if name not in _THROUGH_LR}
    start = origin.start
    if origin.has_drawn_weights:
        start = filled_in(start, "seed", str(config.seed))
    root = f"[{start}, {json_text(optimiser)}, {origin.data}, {config.seed}, {config.train.batch_size}]"
    return Chain(_digest(root), _digest(start), records)


def _digest(text: str) -> str:
    """`fingerprint` of the values whose JSON text it is."""
    return hashlib.sha256(text.encode()).hexdigest()


def rate_settings(cfg: OptimCfg) -> tuple[object, ...]:
    """What of an optimiser `step_records` depend on."""
    return tuple(getattr(cfg, name) for name in _THROUGH_LR)


def step_records(config: RootCfg, inputs: TrialInputs) -> bytes:
    """One record per step of a cell."""
    curriculum = inputs.curriculum
    if curriculum is None:
        return b""
    records = np.zeros(curriculum.num_steps, RECORD)
    rates = _learning_rates(config.optim, curriculum.num_steps)
    for stage in curriculum.stages:
        own, steps = records[stage.start : stage.end], np.arange(stage.start, stage.end)
        first = curriculum.at(stage.start)
        own["lr"] = rates[stage.start : stage.end] * _multipliers(stage, steps)
        own["settings"] = _settings(config, inputs, stage, first.prompt_from)
        own["blend"] = 1.0
        if first.prompt_from != first.prompt_to:
            own["blend"] = (steps - stage.start + 1) / stage.num_steps
            # A blend of 1 no longer knows where it came from.
            own["settings"][-1] = _settings(config, inputs, stage, first.prompt_to)
    return records.tobytes()


def _learning_rates(cfg: OptimCfg, num_steps: int) -> np.ndarray:
    """`mflab.train.learning_rate` of every step, to the bit: the same operations in the same order."""
    rates = np.full(num_steps, cfg.lr)
    warmup = np.arange(min(cfg.warmup_steps, num_steps))
    rates[: len(warmup)] = cfg.lr * (warmup + 1) / (cfg.warmup_steps + 1)
    if cfg.schedule is not LRSchedule.constant:
        rates[cfg.warmup_steps :] = 0.5 * cfg.lr * _cosine(cfg.warmup_steps, num_steps)
    return rates


@lru_cache(maxsize=64)
def _cosine(warmup_steps: int, num_steps: int) -> np.ndarray:
    """1 + cos(pi s) after the warm-up, from `math`: numpy's cosine may differ in the last bit."""
    rest = max(num_steps - warmup_steps, 1)
    steps = range(warmup_steps, num_steps)
    return np.array([1.0 + math.cos(math.pi * ((step - warmup_steps) / rest)) for step in steps])


def _multipliers(stage: Stage, steps: np.ndarray) -> np.ndarray | float:
    if stage.lr_multiplier_end is None:
        return stage.lr_multiplier
    share = (steps - stage.start) / stage.num_steps
    return stage.lr_multiplier + share * (stage.lr_multiplier_end - stage.lr_multiplier)


def _settings(config: RootCfg, inputs: TrialInputs, stage: Stage, prompt_from: str) -> bytes:
    """Digest of what holds in a step, by content: two names for one embedding or augmentation give one digest."""
    base = None
    if stage.base_fraction > 0.0:
        assert inputs.base_source is not None
        base = [
            base_data(config.base_data),
            inputs.base_source.fingerprint,
            inputs.prompts[config.train.base_style].values_sha256,
        ]
    augmentation = fields_of(get_augmentation(stage.augmentation))
    augmentation.pop("name")
    values = {
        "prompts": [inputs.prompts[prompt_from].values_sha256, inputs.prompts[stage.prompt].values_sha256],
        "augmentation": augmentation,
        "trainable": stage.trainable.name,
        "reference": stage.reference,
        "base": [stage.base_fraction, base],
    }
    # Hexadecimal digits, since a field of bytes would lose trailing zeros.
    return fingerprint(values)[:16].encode()


def evaluation_key(config: RootCfg, inputs: TrialInputs) -> str:
    """Hash of how a trial is evaluated: validation set, sampler, wording, metrics; not of what is evaluated."""
    validation = fields_of(config.validation)
    validation.pop("at")
    # Pictures are extra: an evaluation with them serves who needs none.
    validation.pop("num_images")
    # These have entries of their own.
    for name in WATCHED:
        validation.pop(name)
    lpips = find_metric(config.validation.lpips)
    return fingerprint(
        [
            validation_data(config.data, inputs.sources),
            validation,
            inputs.prompts[config.prompts.style].values_sha256,
            type(lpips).__name__,
            METRICS_VERSION,
        ]
    )


def evaluation_name(chain: Chain, step: int, state: str, key: str) -> str:
    """Name of the evaluation `key` of the state before `step`.

    Args:
        chain: the trial's chain.
        step: 0 is the untrained network, which needs no seed if its weights are loaded.
        state: the state's name.
        key: from `evaluation_key`.
    """
    digest = hashlib.sha256(f"{state if step else chain.initial} {key}".encode()).hexdigest()[:STATE_DIGITS]
    return f"{digest[:2]}/{digest}"
