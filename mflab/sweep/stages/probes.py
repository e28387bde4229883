"""Probes: scenes beside the validation set on which a run is watched, for forgetting and for overfitting.

`prior` shows validation scenes of the base data under the base wording, which the initial weights knew: what falls
there is forgotten. `train` shows scenes of the training data: what is better there than on the validation set is
overfitted.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from mflab.config import RootCfg, fields_of, fingerprint
from mflab.data.sources import Sources
from mflab.metrics.table import METRICS_VERSION
from mflab.model.weights import NO_WEIGHTS
from mflab.prompts import PromptEmbeddings
from mflab.results import PRIOR, TRAIN
from mflab.sweep.stages.data_keys import base_data, trained_data
from mflab.sweep.stages.opening import InputCache, open_prompts, open_scenes
from mflab.train import Validator

# Fields of the validation that say when and how much is probed, not what.
_NOT_PROBED = ("at", "prior_scenes", "train_scenes")


@dataclass(frozen=True)
class Probe:
    """Scenes that are sampled and compared at every validation, beside the validation set.

    Attributes:
        validator: the scenes.
        prompts: embedding of every view.
        key: hash of all that its numbers depend on, beside the state that is probed.
    """

    validator: Validator
    prompts: PromptEmbeddings
    key: str


def open_probes(config: RootCfg, sources: Sources, cache: InputCache) -> dict[str, Probe]:
    """The probes of a trial by name; those that are switched off or make no sense for it are left out.

    Args:
        config: the trial's.
        sources: its scenes.
        cache: keeps what was opened.

    Raises:
        MflabError: base data that is missing or broken.
    """
    probes: dict[str, Probe] = {}
    if not absent_prior(config) and config.validation.prior_scenes:
        base = open_scenes(config.base_data, Path(config.paths.data), cache)
        prompts = open_prompts(config, config.train.base_style, base.val, cache)
        shown = [base_data(config.base_data), base.val.fingerprint]
        # Base scenes are shown on the background of the others, as in training.
        probes[PRIOR] = _probe(PRIOR, config, Sources(base.train, base.val), shown, prompts, cache)
    if config.validation.train_scenes:
        prompts = open_prompts(config, config.prompts.style, sources.train, cache)
        shown = [trained_data(config.data), sources.train.fingerprint]
        probes[TRAIN] = _probe(TRAIN, config, Sources(sources.train, sources.train), shown, prompts, cache)
    return probes


def absent_prior(config: RootCfg) -> str:
    """Why nothing can be said of what a trial forgets; empty where it can."""
    if config.model.weights == NO_WEIGHTS:
        return "model.weights=none: there is nothing to forget"
    if config.base_data.size != config.data.size:
        return (
            f"base scenes of {config.base_data.size} px do not fit a model of {config.data.size} px; set base_data.size"
        )
    return ""


def _probe(
    name: str, config: RootCfg, sources: Sources, shown: list[object], prompts: PromptEmbeddings, cache: InputCache
) -> Probe:
    asked = config.validation.prior_scenes if name == PRIOR else config.validation.train_scenes
    cfg = replace(
        config.validation, num_scenes=min(asked, len(sources.val)), num_images=0, consistency_scenes=0, lpips="none"
    )
    settings = {name: value for name, value in fields_of(cfg).items() if name not in _NOT_PROBED}
    shown = [name, *shown, config.data.background]
    validator = cache.get("probe", [shown, settings], lambda: Validator(sources.val, cfg, config.data.background))
    return Probe(validator, prompts, fingerprint([shown, settings, prompts.values_sha256, METRICS_VERSION]))
