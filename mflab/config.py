"""The typed configuration: schemas, the group `sweep` from `sweeps/*.yaml`, and composition with no key left over.

Hydra and OmegaConf end here: everything below gets plain dataclasses.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mflab.curriculum import CurriculumCfg
from mflab.data.sources import DataCfg
from mflab.design.racing import RaceCfg
from mflab.design.space import SearchCfg
from mflab.errors import MflabError
from mflab.model import ModelCfg
from mflab.prompts import PromptsCfg
from mflab.results import Direction
from mflab.train import Device, OptimCfg, ValidationCfg

ROOT = Path(__file__).resolve().parent.parent
CONF = ROOT / "conf"
SWEEPS = ROOT / "sweeps"


@dataclass
class PathsCfg:
    """Folders, relative to the working directory; none of them changes a result.

    Attributes:
        outputs: sweeps.
        data: procedural datasets, written once.
        store: training states and evaluations of all sweeps, a folder or a URL (s3://…); empty is `store` in `outputs`.
    """

    outputs: str = "outputs"
    data: str = "data"
    store: str = ""


@dataclass
class StoreCfg:
    """Limits of the store; none of them changes a result.

    Attributes:
        budget_gb: most it may hold, 10^9 bytes; states that no trial needs any more go first. 0 is no limit.
        min_free_gb: what stays free on its disk; a sweep stops clearly before it takes more.
        share: false trains every trial by itself, for comparison; what it stores is found by that trial alone.
    """

    budget_gb: float = 0.0
    min_free_gb: float = 1.0
    share: bool = True


@dataclass
class TrainCfg:
    """Length and conditions of a run.

    Attributes:
        steps: training steps; 0 only validates the initial weights.
        batch_size: scenes per step.
        augmentation: name of an augmentation (mflab.data.augment); stages say `target` for it.
        reference: fixed, random or rotated input view; stages say `target` for it.
        base_style: wording that the base weights know; scenes of the base data keep it.
        threads: torch threads; part of the numbers, since another count sums in another order.
        device: where it trains. On cpu equal seeds give equal bits; on cuda they do not, and records say `statistical`.
        checkpoint_every: steps between the states that an interrupted stage goes on from; 0 saves at validations.
        keep_weights: keep the averaged weights of finished trials.
    """

    steps: int = 200
    batch_size: int = 4
    augmentation: str = "none"
    reference: str = "fixed"
    base_style: str = "facelift"
    threads: int = 1
    device: Device = Device.cpu
    checkpoint_every: int = 100
    keep_weights: bool = True


@dataclass
class ResponseCfg:
    """What a sweep is about: a response column of trials.csv, its direction, unit and smallest effect of interest."""

    name: str = "val/psnr_fg"
    direction: Direction = Direction.higher
    unit: str = "dB"
    smallest_effect: float = 0.5


@dataclass
class SweepCfg:
    """One sweep: a question, factors, a design and replicates. Without factors it is a single trial.

    Attributes:
        name: folder of the sweep below paths.outputs.
        question: what the sweep answers.
        response: what is compared.
        factors: name -> {key, levels: [values]} or {levels: {level: {config key: value}}}.
        search: a search of a space by Optuna, instead of factors.
        race: looks after which cells that are beaten get no more seeds.
        design: full_factorial or one_factor.
        baseline: level per factor that one_factor varies around; empty means first levels.
        seeds: one block of trials per seed.
        order_seed: shuffles the run order.
        workers: trials at a time; 0 takes one per core (train.threads each).
        dry_run: print and write the plan, run nothing.
        only: run this trial alone; empty means all.
        allow_confounded: go on although the audit found effects that cannot be told apart.
    """

    name: str = "single"
    question: str = "What does this one configuration score?"
    response: ResponseCfg = field(default_factory=ResponseCfg)
    factors: dict[str, Any] = field(default_factory=dict)
    search: SearchCfg = field(default_factory=SearchCfg)
    race: RaceCfg = field(default_factory=RaceCfg)
    design: str = "full_factorial"
    baseline: dict[str, str] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0])
    order_seed: int = 0
    workers: int = 0
    dry_run: bool = False
    only: str = ""
    allow_confounded: bool = False


@dataclass
class RootCfg:
    """One resolved configuration: what a trial runs, and how its sweep is run."""

    data: DataCfg = MISSING
    base_data: DataCfg = MISSING
    model: ModelCfg = MISSING
    prompts: PromptsCfg = MISSING
    curriculum: CurriculumCfg = MISSING
    optim: OptimCfg = field(default_factory=OptimCfg)
    train: TrainCfg = field(default_factory=TrainCfg)
    validation: ValidationCfg = field(default_factory=ValidationCfg)
    sweep: SweepCfg = field(default_factory=SweepCfg)
    paths: PathsCfg = field(default_factory=PathsCfg)
    store: StoreCfg = field(default_factory=StoreCfg)
    seed: int = 0


# What is its own JSON value; most values of a config are.
_ATOMS = frozenset((str, int, float, bool, NoneType))
# Fields that cannot change the result of a trial.
_NOT_TREATMENT = ("sweep", "paths", "store")


@cache
def register() -> None:
    """Stores schemas and sweeps with Hydra, once in a process."""
    store = ConfigStore.instance()
    store.store(name="schema", node=RootCfg)
    for group, schema in (
        ("data", DataCfg),
        ("model", ModelCfg),
        ("prompts", PromptsCfg),
        ("curriculum", CurriculumCfg),
    ):
        store.store(group=group, name=f"{group}_schema", node=schema)
    store.store(group="base_data", name="base_data_schema", node=DataCfg)
    for path in sorted(SWEEPS.glob("*.yaml")):
        store.store(group="sweep", name=path.stem, node=OmegaConf.load(path), package="_global_")


def compose(overrides: Sequence[str]) -> RootCfg:
    """The typed configuration of command-line overrides.

    Raises:
        MflabError: unknown sweep, group or key, a wrong type, or a forced key that no code reads.
    """
    register()
    try:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            composed = hydra_compose("config", list(overrides))
        return to_typed(composed)
    except (HydraException, OmegaConfBaseException) as error:
        raise MflabError(_explain(error)) from error


def to_typed(composed: DictConfig) -> RootCfg:
    """Plain dataclasses of a composed config.

    Raises:
        MflabError: a key was forced in (`+key=`) that the schema does not have.
    """
    config = OmegaConf.to_object(composed)
    assert isinstance(config, RootCfg)
    extra = _extra_keys(OmegaConf.to_container(composed, resolve=True), plain(config), "")
    if extra:
        raise MflabError(f"Every config key must be read by code, but {', '.join(extra)} is not; remove it.")
    return config


def choice_keys(group: str, choice: str) -> list[str] | None:
    """Dotted keys that the group choice `conf/<group>/<choice>.yaml` sets; None where this is no group choice."""
    path = CONF / group / f"{choice}.yaml"
    if not path.is_file():
        return None
    values = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(values, dict)
    return [f"{group}.{key}" for key in values if key not in ("defaults", "name")]


def sweep_questions() -> dict[str, str]:
    """Every shipped sweep with its question."""
    return {path.stem: str(OmegaConf.load(path).sweep.question) for path in sorted(SWEEPS.glob("*.yaml"))}


def _extra_keys(given: Any, known: Any, prefix: str) -> list[str]:
    if not isinstance(given, dict) or not isinstance(known, dict):
        return []
    extra = [f"{prefix}{key}" for key in given if key not in known]
    return extra + [
        name for key in given if key in known for name in _extra_keys(given[key], known[key], f"{prefix}{key}.")
    ]


def _explain(error: Exception) -> str:
    """One line of a Hydra error: what is wrong, with the options it lists."""
    text = str(error) if error.__cause__ is None else f"{error}\n{error.__cause__}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    internal = ("full_key", "object_type", "reference_type", "Config search path", "provider=")
    kept = [line for line in lines if not line.startswith(internal) and not line.endswith("_schema")]
    keys = [line.removeprefix("full_key:").strip() for line in lines if line.startswith("full_key")]
    text = " ".join(dict.fromkeys(kept))
    return f"{text} (key {keys[0]})" if keys and keys[0] not in text else text


def plain(value: Any) -> Any:
    """Dataclasses, enums and tuples as JSON values."""
    if type(value) in _ATOMS:
        return value
    names = _field_names(type(value))
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    return tuple(item.name for item in fields(kind)) if is_dataclass(kind) else None


def treatment(config: RootCfg) -> dict[str, Any]:
    """Everything of a config that can change the result of its trial, as JSON values.

    Labels (the `name` of a part) and the base data of a run that never draws from it are left out, so that two names
    for one treatment give one trial.
    """
    names = [item.name for item in fields(config) if item.name not in _NOT_TREATMENT]
    values = {name: plain(getattr(config, name)) for name in names}
    for part in ("data", "base_data", "model", "curriculum"):
        values[part].pop("name")
        for key in ("root", "cache_mb"):
            values[part].pop(key, None)
    values["train"].pop("checkpoint_every")
    values["train"].pop("keep_weights")
    if all(stage.base_fraction == 0.0 for stage in config.curriculum.stages):
        values.pop("base_data")
        values["train"].pop("base_style")
    return values


def fingerprint(values: Any) -> str:
    """SHA-256 of JSON values, independent of key order."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def has_interpolations(overrides: Sequence[str]) -> bool:
    """Whether a value of the composed configuration is computed from others (`${...}`), so that its parts depend on
    one another.

    Args:
        overrides: command-line overrides that compose.
    """
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = hydra_compose("config", list(overrides))
    return "${" in str(OmegaConf.to_container(composed, resolve=False))


def convert_scalar(kind: Any, value: Any) -> Any:
    """A scalar as a config field annotated with `kind` holds it.

    Raises:
        MflabError: a field of this type cannot hold the value.

    Example:
        >>> convert_scalar(float, 1), convert_scalar(Direction, "lower"), convert_scalar(int | None, None)
        (1.0, <Direction.lower: 'lower'>, None)
    """
    try:
        holder = DictConfig({}, element_type=kind)
        holder["value"] = value
        return holder["value"]
    except OmegaConfBaseException as error:
        raise MflabError(_explain(error)) from error
