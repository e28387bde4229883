"""Composition: the typed configuration of a command line, with no key left over."""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mflab.config.mistakes import explain, explain_choice
from mflab.config.schema import RootCfg
from mflab.config.values import plain
from mflab.curriculum import CurriculumCfg
from mflab.data.sources import DataCfg
from mflab.errors import MflabError
from mflab.model import ModelCfg
from mflab.prompts import PromptsCfg

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
SWEEPS = ROOT / "sweeps"


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
    return compose_noting_interpolations(overrides)[0]


def compose_noting_interpolations(overrides: Sequence[str]) -> tuple[RootCfg, bool]:
    """The typed configuration of overrides, and whether a value of it is computed from others (`${...}`), so that its
    parts depend on one another.

    Raises:
        MflabError: as `compose` does.
    """
    register()
    for text in overrides:
        if text.lstrip("+~").startswith(("hydra.", "hydra/")):
            raise MflabError(f"Settings of Hydra itself have no effect here, but got {text}; leave that out.")
        section = text.removeprefix("~").partition("=")[0]
        if text.startswith("~") and section in get_type_hints(RootCfg):
            # Hydra would go back to what the schema says of it.
            raise MflabError(f"A section must stay, but got {text}; leave that out, or set keys of {section}.")
    try:
        composed = _composed(overrides)
        return to_typed(composed), "${" in str(OmegaConf.to_container(composed, resolve=False))
    except (HydraException, OmegaConfBaseException) as error:
        raise MflabError(explain(error)) from error


def to_typed(composed: DictConfig) -> RootCfg:
    """Plain dataclasses of a composed config.

    Raises:
        MflabError: a key was forced in (`+key=`) that the schema does not have, or a number is not finite.
    """
    config = OmegaConf.to_object(composed)
    assert isinstance(config, RootCfg)
    values = plain(config)
    extra = _extra_keys(OmegaConf.to_container(composed, resolve=True), values, "")
    if extra:
        raise MflabError(f"Every config key must be read by code, but {', '.join(extra)} is not; remove it.")
    for key, value in _infinite(values, ""):
        raise MflabError(f"{key} must be a finite number, but got {value}; set {key}.")
    return config


def convert_scalar(kind: Any, value: Any) -> Any:
    """A scalar as a config field annotated with `kind` holds it.

    Raises:
        MflabError: a field of this type cannot hold the value.

    Example:
        >>> from mflab.results import Direction
        >>> convert_scalar(float, 1), convert_scalar(Direction, "lower"), convert_scalar(int | None, None)
        (1.0, <Direction.lower: 'lower'>, None)
    """
    try:
        holder = DictConfig({}, element_type=kind)
        holder["value"] = value
        return holder["value"]
    except OmegaConfBaseException as error:
        raise MflabError(explain(error)) from error


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


def _composed(overrides: Sequence[str]) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            return hydra_compose("config", list(overrides))
        except (HydraException, OmegaConfBaseException):
            raise
        except (TypeError, ValueError) as error:
            # Hydra's way with a group that is given anything but names.
            raise MflabError(explain_choice(error, overrides, _group_choices())) from error


def _group_choices() -> dict[str, list[str]]:
    groups = {path.name: sorted(choice.stem for choice in path.glob("*.yaml")) for path in CONF.iterdir()}
    return {**groups, "sweep": sorted(path.stem for path in SWEEPS.glob("*.yaml"))}


def _extra_keys(given: Any, known: Any, prefix: str) -> list[str]:
    if not isinstance(given, dict) or not isinstance(known, dict):
        return []
    extra = [f"{prefix}{key}" for key in given if key not in known]
    return extra + [
        name for key in given if key in known for name in _extra_keys(given[key], known[key], f"{prefix}{key}.")
    ]


def _infinite(values: Any, key: str) -> Iterator[tuple[str, float]]:
    """Keys of numbers that are infinite or none, which neither JSON nor a treatment can hold."""
    if isinstance(values, float) and not math.isfinite(values):
        yield key, values
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for name, value in items:
        yield from _infinite(value, f"{key}.{name}" if key else str(name))
