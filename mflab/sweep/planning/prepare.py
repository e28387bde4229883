"""From a config to what a plan needs of its trials; whatever can be wrong is found here, before anything runs."""

from concurrent.futures import Future
from dataclasses import dataclass, field

from mflab.config import RootCfg, fingerprint, plain
from mflab.curriculum import Curriculum, Stage
from mflab.results import StageSpan, ViewRecord
from mflab.sweep.planning.baselines import BaselineKeys, baseline_keys
from mflab.sweep.planning.cells import with_seed
from mflab.sweep.planning.input_checks import InputChecks
from mflab.sweep.planning.model_check import ModelCheck, check_model
from mflab.sweep.stages.identity import cell_identity, common_identity, id_under_seed
from mflab.sweep.stages.inputs import TrialInputs, open_inputs
from mflab.sweep.stages.keys import rate_settings, step_records
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.route import Route, RouteBase, make_route
from mflab.train import find_device
from mflab.train.optim import check_optim

# Parts of a config that a cell's inputs, baselines and model depend on: all but the optimiser, the sweep and the store.
_COMMON_PARTS = ("data", "base_data", "model", "prompts", "curriculum", "train", "validation", "paths")
# What a stage sets beside its prompt, and the value that needs no word because it leaves training as it is.
_NEUTRAL = {
    "transition": "switch",
    "augmentation": "none",
    "lr_multiplier": 1.0,
    "lr_multiplier_end": None,
    "trainable": "all",
    "reference": "fixed",
    "base_fraction": 0.0,
}


@dataclass(frozen=True)
class PreparedCell:
    """A config with everything that its trials have in common.

    Attributes:
        config: the config, of any seed.
        overrides: what makes it.
        inputs: what its trials read.
        identity: of the cell; see `mflab.sweep.stages.identity`.
        keys: of its baselines.
        records: of its steps; see `mflab.sweep.stages.keys`.
        base: of the routes of its trials.
        coming_bytes: of a stored training state, once its model was checked.
        stages: for people.
        views: of the validation set.
    """

    config: RootCfg
    overrides: tuple[str, ...]
    inputs: TrialInputs
    identity: str
    keys: BaselineKeys
    records: bytes
    base: RouteBase
    coming_bytes: Future[int]
    stages: tuple[StageSpan, ...]
    views: tuple[ViewRecord, ...]

    @property
    def state_bytes(self) -> int:
        """Bytes of a stored training state; waits for the check of its model.

        Raises:
            MflabError: the model cannot be built.
        """
        return self.coming_bytes.result()


@dataclass(frozen=True)
class PreparedTrial:
    """A trial, ready to run.

    Attributes:
        trial_id: see `mflab.sweep.stages.identity`.
        config: resolved.
        cell: what it shares with the other seeds.
        route: what it needs from the store.
    """

    trial_id: str
    config: RootCfg
    cell: PreparedCell
    route: Route

    @property
    def curriculum(self) -> Curriculum | None:
        return self.cell.inputs.curriculum


@dataclass(frozen=True)
class _Common:
    """What does not depend on the optimiser, and step records by what of it they depend on; see `PreparedCell`."""

    inputs: TrialInputs
    identity: str
    keys: BaselineKeys
    base: RouteBase
    coming_bytes: Future[int]
    stages: tuple[StageSpan, ...]
    views: tuple[ViewRecord, ...]
    known_records: dict[tuple[object, ...], bytes] = field(default_factory=dict)

    def records(self, config: RootCfg) -> bytes:
        """Records of the steps under an optimiser; those with the same learning rates share them."""
        key = rate_settings(config.optim)
        if key not in self.known_records:
            self.known_records[key] = step_records(config, self.inputs)
        return self.known_records[key]


class Preparer:
    """Opens and checks inputs; equal things are opened and checked once.

    Args:
        cache: keeps opened inputs.
        start_check: finds out whether a model can be built, and how large its states are.
    """

    def __init__(self, cache: InputCache, start_check: ModelCheck = check_model) -> None:
        self.cache = cache
        self._checks = InputChecks(start_check)
        self._commons: dict[tuple[int, ...], tuple[tuple[object, ...], _Common]] = {}
        self._by_content: dict[str, _Common] = {}

    def cell(self, config: RootCfg, overrides: tuple[str, ...]) -> PreparedCell:
        """A cell with all its inputs opened.

        Raises:
            MflabError: any input that is missing, broken or unfitting.
        """
        check_optim(config.optim)
        common = self._common(config)
        return PreparedCell(
            config=config,
            overrides=overrides,
            inputs=common.inputs,
            identity=cell_identity(common.identity, config),
            keys=common.keys,
            records=common.records(config),
            base=common.base,
            coming_bytes=common.coming_bytes,
            stages=common.stages,
            views=common.views,
        )

    def _common(self, config: RootCfg) -> _Common:
        """What a cell has in common with those that differ from it in the optimiser alone."""
        parts = (*(getattr(config, name) for name in _COMMON_PARTS), config.seed)
        # Cells share most parts of their configs (see `mflab.sweep.planning.cells`), and that is quickly seen.
        same = tuple(map(id, parts))
        if same not in self._commons:
            equal = fingerprint(parts)
            if equal not in self._by_content:
                self._by_content[equal] = self._find_common(config)
            # With the parts, so that no other part gets their place in memory.
            self._commons[same] = (parts, self._by_content[equal])
        return self._commons[same][1]

    def _find_common(self, config: RootCfg) -> _Common:
        find_device(config.train.device)
        inputs = self.inputs(config)
        self._checks.check_styles(inputs.prompts)
        self._checks.check_stages(config, inputs)
        source = inputs.sources.val
        views = zip(source.view_names, source.azimuths_deg, source.elevations_deg, strict=True)
        return _Common(
            inputs=inputs,
            identity=common_identity(config, inputs),
            base=RouteBase.of(config, inputs),
            keys=baseline_keys(config, inputs),
            coming_bytes=self._checks.check_model(config, inputs),
            stages=tuple(_span(stage) for stage in (inputs.curriculum.stages if inputs.curriculum else ())),
            views=tuple(ViewRecord(name, float(azimuth), float(elevation)) for name, azimuth, elevation in views),
        )

    def inputs(self, config: RootCfg) -> TrialInputs:
        """What a trial of a config reads."""
        return open_inputs(config, self.cache)

    def trial(self, cell: PreparedCell, seed: int) -> PreparedTrial:
        """The trial of a cell under a seed."""
        config = with_seed(cell.config, seed)
        own = id_under_seed(cell.identity, seed)
        return PreparedTrial(own, config, cell, make_route(config, cell.inputs, cell.records, own, cell.base))


def _span(stage: Stage) -> StageSpan:
    """A stage for people: its steps, its prompt, and whatever else it sets."""
    settings = {name: plain(getattr(stage, name)) for name in _NEUTRAL}
    told = {name: value for name, value in settings.items() if value != _NEUTRAL[name]}
    return StageSpan(stage.start, stage.end, stage.prompt, told)
