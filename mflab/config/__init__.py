"""The typed configuration: schemas, the group `sweep` from `sweeps/*.yaml`, and composition with no key left over.

Hydra and OmegaConf end here: everything below gets plain dataclasses.
"""

from mflab.config.composition import (
    CONF,
    ROOT,
    SWEEPS,
    choice_keys,
    compose,
    compose_noting_interpolations,
    convert_scalar,
    sweep_questions,
)
from mflab.config.schema import PathsCfg, ResponseCfg, RootCfg, StoreCfg, SweepCfg, TrainCfg
from mflab.config.values import fields_of, fingerprint, json_text, plain, treatment

__all__ = [
    "CONF",
    "ROOT",
    "SWEEPS",
    "PathsCfg",
    "ResponseCfg",
    "RootCfg",
    "StoreCfg",
    "SweepCfg",
    "TrainCfg",
    "choice_keys",
    "compose",
    "compose_noting_interpolations",
    "convert_scalar",
    "fields_of",
    "fingerprint",
    "json_text",
    "plain",
    "sweep_questions",
    "treatment",
]
