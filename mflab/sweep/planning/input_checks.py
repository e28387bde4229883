"""Checks of what cells read, before anything runs; equal things are checked once."""

from collections.abc import Mapping
from concurrent.futures import Future

from mflab.config import RootCfg, fingerprint
from mflab.data.augment import get_augmentation
from mflab.errors import MflabError
from mflab.prompts import PromptEmbeddings
from mflab.sweep.planning.model_check import ModelCheck, model_settings
from mflab.sweep.stages.inputs import TrialInputs
from mflab.train import reference_mode


class InputChecks:
    """What was checked of the cells of a plan.

    Args:
        start_check: finds out whether a model can be built, and how large its states are.
    """

    def __init__(self, start_check: ModelCheck) -> None:
        self._start_check = start_check
        self._models: dict[str, Future[int]] = {}
        self._drawn: set[str] = set()
        self._styles: dict[str, str] = {}

    def check_styles(self, prompts: Mapping[str, PromptEmbeddings]) -> None:
        """Refuses two prompt styles with one embedding: whatever compares them compares a treatment with itself."""
        for style, embeddings in prompts.items():
            owner = self._styles.setdefault(embeddings.values_sha256, style)
            if owner != style:
                raise MflabError(
                    f"Two prompt styles must have two embeddings, but {owner} and {style} have the same numbers; give "
                    "prompts.path a file per style, with {style} in its name."
                )

    def check_stages(self, config: RootCfg, inputs: TrialInputs) -> None:
        """Draws the first batch of every stage, so that one that cannot be drawn stops a sweep before it starts."""
        for stage in inputs.curriculum.stages if inputs.curriculum is not None else ():
            augmentation, reference = get_augmentation(stage.augmentation), reference_mode(stage.reference)
            base = config.base_data if stage.base_fraction > 0 else None
            drawn = [config.data, base, config.train.batch_size, augmentation, stage.reference]
            key = fingerprint([*drawn, stage.base_fraction])
            if key not in self._drawn:
                inputs.loader.batch(stage.start, augmentation, reference, stage.base_fraction)
                self._drawn.add(key)

    def check_model(self, config: RootCfg, inputs: TrialInputs) -> Future[int]:
        """The bytes of a training state, or why the model cannot be built, now or later."""
        num_views = len(inputs.sources.train.view_names)
        key = fingerprint(model_settings(config, num_views))
        if key not in self._models:
            self._models[key] = self._start_check(config, num_views)
        return self._models[key]
