"""What a trial reads before it starts: scenes, prompts, curriculum, validation set. Opened once per process."""

from dataclasses import dataclass
from pathlib import Path

from mflab.config import RootCfg
from mflab.curriculum import Curriculum
from mflab.data.loader import Loader
from mflab.data.scenes import SceneSource
from mflab.data.sources import Sources
from mflab.errors import MflabError
from mflab.metrics import Absent
from mflab.model.weights import NO_WEIGHTS
from mflab.prompts import PromptEmbeddings
from mflab.sweep.stages.data_keys import validation_data
from mflab.sweep.stages.opening import InputCache, open_lpips, open_prompts, open_scenes
from mflab.sweep.stages.probes import Probe, open_probes
from mflab.train import Validator, validation_steps
from mflab.train.optim import check_optim


@dataclass(frozen=True)
class TrialInputs:
    """Everything a trial reads.

    Attributes:
        sources: scenes to train and to validate on.
        base_source: scenes of the base task, None where no stage draws from them.
        prompts: embeddings of every style that the trial names.
        base_prompts: embeddings of the wording that the initial weights know; None without initial weights, and where
            there are none of that wording: then the baseline that needs them says why.
        curriculum: None for a trial without steps.
        validation_steps: steps after which to validate.
        validator: the validation set.
        probes: scenes beside it on which the run is watched, by name.
        absent_probes: why one that is asked for is not there, by name.
        loader: batches.
    """

    sources: Sources
    base_source: SceneSource | None
    prompts: dict[str, PromptEmbeddings]
    base_prompts: PromptEmbeddings | None
    curriculum: Curriculum | None
    validation_steps: tuple[int, ...]
    validator: Validator
    probes: dict[str, Probe]
    absent_probes: dict[str, str]
    loader: Loader


def open_inputs(config: RootCfg, cache: InputCache) -> TrialInputs:
    """The inputs of a trial.

    Raises:
        MflabError: anything missing, broken or unfitting.
    """
    check_optim(config.optim)
    folder = Path(config.paths.data)
    sources = open_scenes(config.data, folder, cache)
    has_base = any(stage.base_fraction > 0 for stage in config.curriculum.stages)
    base_source = open_scenes(config.base_data, folder, cache).train if has_base else None
    if base_source is not None and base_source.view_names != sources.train.view_names:
        raise MflabError(
            f"Base scenes must have the views that the prompts name, {', '.join(sources.train.view_names)}, but got "
            f"{', '.join(base_source.view_names)}; set base_data.rig."
        )
    train = config.train
    if train.steps < 0:
        raise MflabError(f"steps must be at least 0, but got steps={train.steps}; set train.steps.")
    if train.threads < 1 or train.checkpoint_every < 0:
        raise MflabError(
            f"threads must be at least 1 and checkpoint_every at least 0, but got {train.threads} and "
            f"{train.checkpoint_every}; set train.threads and train.checkpoint_every."
        )
    curriculum = None
    styles = [config.prompts.style]
    if train.steps:
        curriculum = Curriculum(
            config.curriculum, train.steps, config.prompts.style, train.augmentation, train.reference
        )
        styles += [*curriculum.prompt_styles, *([train.base_style] if has_base else [])]
    validator = cache.get(
        "validator",
        [validation_data(config.data, sources), config.validation],
        lambda: Validator(
            sources.val, config.validation, config.data.background, open_lpips(config.validation.lpips, cache)
        ),
    )
    probes = open_probes(config, sources, cache)
    return TrialInputs(
        sources=sources,
        base_source=base_source,
        prompts={style: open_prompts(config, style, sources.val, cache) for style in dict.fromkeys(styles)},
        base_prompts=_base_prompts(config, sources.val, cache),
        curriculum=curriculum,
        validation_steps=validation_steps(config.validation.at, train.steps),
        validator=validator,
        probes={name: one for name, one in probes.items() if isinstance(one, Probe)},
        absent_probes={name: one.reason for name, one in probes.items() if isinstance(one, Absent)},
        loader=Loader(sources.train, base_source, train.batch_size, config.seed, config.data.background),
    )


def _base_prompts(config: RootCfg, source: SceneSource, cache: InputCache) -> PromptEmbeddings | None:
    if config.model.weights == NO_WEIGHTS:
        return None
    try:
        return open_prompts(config, config.train.base_style, source, cache)
    except MflabError:
        # The trials need no embedding of that wording. The pretrained baseline does, and fails with this message.
        return None
