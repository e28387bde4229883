"""What a trial reads before it starts: scenes, prompts, curriculum, validation set. Opened once per process."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mflab.config import RootCfg, fingerprint
from mflab.curriculum import Curriculum
from mflab.data.loader import Loader
from mflab.data.scenes import SceneSource
from mflab.data.sources import DataCfg, Sources, open_sources
from mflab.errors import MflabError
from mflab.metrics import Absent, LpipsMetric, find_lpips
from mflab.model.weights import NO_WEIGHTS
from mflab.prompts import EncoderKind, PromptEmbeddings, check_width, make_embeddings, make_encoder
from mflab.sweep.stages.data_keys import validation_data
from mflab.train import Validator, validation_steps
from mflab.train.optim import check_optim

NO_LPIPS = "none"
# Different datasets, validation sets and prompts that a process keeps; a sweep over more of them opens some twice.
KEPT = 16


class InputCache:
    """Keeps the last few things a process opened, by the settings that made them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def get(self, kind: str, settings: object, make: Callable[[], Any]) -> Any:
        """What `make` returned for these settings, now or before."""
        key = fingerprint([kind, settings])
        if key not in self._kept:
            self._kept[key] = make()
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


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
        loader: batches.
    """

    sources: Sources
    base_source: SceneSource | None
    prompts: dict[str, PromptEmbeddings]
    base_prompts: PromptEmbeddings | None
    curriculum: Curriculum | None
    validation_steps: tuple[int, ...]
    validator: Validator
    loader: Loader


def open_inputs(config: RootCfg, cache: InputCache) -> TrialInputs:
    """The inputs of a trial.

    Raises:
        MflabError: anything missing, broken or unfitting.
    """
    check_optim(config.optim)
    folder = Path(config.paths.data)
    sources = _sources(config.data, folder, cache)
    has_base = any(stage.base_fraction > 0 for stage in config.curriculum.stages)
    base_source = _sources(config.base_data, folder, cache).train if has_base else None
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
            sources.val, config.validation, config.data.background, _lpips(config.validation.lpips, cache)
        ),
    )
    return TrialInputs(
        sources=sources,
        base_source=base_source,
        prompts={style: open_prompts(config, style, sources.val, cache) for style in dict.fromkeys(styles)},
        base_prompts=_base_prompts(config, sources.val, cache),
        curriculum=curriculum,
        validation_steps=validation_steps(config.validation.at, train.steps),
        validator=validator,
        loader=Loader(sources.train, base_source, train.batch_size, config.seed, config.data.background),
    )


def open_prompts(config: RootCfg, style: str, source: SceneSource, cache: InputCache) -> PromptEmbeddings:
    """The embeddings of a style for the views of a source.

    Raises:
        MflabError: no such style or file, or embeddings that the UNet cannot attend to.
    """
    cfg = replace(config.prompts, style="")

    def make() -> PromptEmbeddings:
        is_file = cfg.encoder is EncoderKind.file
        encoder = None if is_file else cache.get("encoder", cfg, lambda: make_encoder(cfg))
        return make_embeddings(
            cfg, style, source.view_names, source.azimuths_deg, source.elevations_deg, encoder=encoder
        )

    views = [source.view_names, source.azimuths_deg, source.elevations_deg]
    embeddings = cache.get("prompts", [cfg, style, views], make)
    check_width(embeddings, config.model.unet.cross_attention_dim)
    return embeddings


def _base_prompts(config: RootCfg, source: SceneSource, cache: InputCache) -> PromptEmbeddings | None:
    if config.model.weights == NO_WEIGHTS:
        return None
    try:
        return open_prompts(config, config.train.base_style, source, cache)
    except MflabError:
        # The trials need no embedding of that wording. The pretrained baseline does, and fails with this message.
        return None


def find_metric(net: str) -> LpipsMetric | Absent | None:
    """LPIPS of a validation config: the metric, why it is absent, or None where it is not asked for."""
    return None if net == NO_LPIPS else find_lpips(net)


def _lpips(net: str, cache: InputCache) -> LpipsMetric | None:
    found = cache.get("lpips", net, lambda: find_metric(net))
    return found if isinstance(found, LpipsMetric) else None


def _sources(cfg: DataCfg, folder: Path, cache: InputCache) -> Sources:
    return cache.get("sources", [cfg, str(folder)], lambda: open_sources(cfg, folder))
