"""Probes: scenes beside the validation set on which a run is watched, for forgetting and for overfitting.

`prior` shows validation scenes of the base data under the base wording, which the initial weights knew: what falls
there is forgotten. `train` shows scenes of the training data: what is better there than on the validation set is
overfitted.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from mflab.config import RootCfg, fields_of, fingerprint
from mflab.data.scenes import SceneSource
from mflab.data.sources import Sources
from mflab.errors import MflabError
from mflab.metrics import Absent
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


def open_probes(config: RootCfg, sources: Sources, cache: InputCache) -> dict[str, Probe | Absent]:
    """The probes of a trial by name, or why one that is asked for is not there; those switched off are left out.

    Base data and base wording are no need of a trial that does not train on them: what is wrong with them is a reason,
    no error.

    Args:
        config: the trial's.
        sources: its scenes.
        cache: keeps what was opened.

    Raises:
        MflabError: a negative number of scenes.
    """
    probes: dict[str, Probe | Absent] = {}
    if config.validation.prior_scenes:
        try:
            probes[PRIOR] = _prior(config, sources, cache)
        except MflabError as error:
            probes[PRIOR] = Absent(str(error))
    if config.validation.train_scenes:
        prompts = open_prompts(config, config.prompts.style, sources.train, cache)
        shown = [trained_data(config.data), sources.train.fingerprint]
        probes[TRAIN] = _probe(TRAIN, config, sources.train, shown, prompts, cache)
    return probes


def _prior(config: RootCfg, sources: Sources, cache: InputCache) -> Probe | Absent:
    if config.model.weights == NO_WEIGHTS:
        return Absent("model.weights=none: there is nothing to forget.")
    if config.base_data.size != config.data.size:
        return Absent(
            f"Base scenes of {config.base_data.size} px do not fit a model of {config.data.size} px; set "
            "base_data.size."
        )
    base = open_scenes(config.base_data, Path(config.paths.data), cache).val
    if base.view_names != sources.val.view_names:
        return Absent(
            f"Base scenes must have the views of the others, {', '.join(sources.val.view_names)}, but have "
            f"{', '.join(base.view_names)}; set base_data.rig."
        )
    prompts = open_prompts(config, config.train.base_style, base, cache)
    # Base scenes are shown on the background of the others, as in training.
    return _probe(PRIOR, config, base, [base_data(config.base_data), base.fingerprint], prompts, cache)


def _probe(
    name: str, config: RootCfg, scenes: SceneSource, shown: list[object], prompts: PromptEmbeddings, cache: InputCache
) -> Probe:
    asked = config.validation.prior_scenes if name == PRIOR else config.validation.train_scenes
    cfg = replace(
        config.validation, num_scenes=min(asked, len(scenes)), num_images=0, consistency_scenes=0, lpips="none"
    )
    settings = {name: value for name, value in fields_of(cfg).items() if name not in _NOT_PROBED}
    shown = [name, *shown, config.data.background]
    validator = cache.get("probe", [shown, settings], lambda: Validator(scenes, cfg, config.data.background))
    return Probe(validator, prompts, fingerprint([shown, settings, prompts.values_sha256, METRICS_VERSION]))
