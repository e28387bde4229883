"""Curricula: stages of constant settings over the steps of a run."""

from mflab.curriculum.stage import (
    TARGET,
    Curriculum,
    CurriculumCfg,
    Stage,
    StageCfg,
    StageState,
    Trainable,
    Transition,
    Unit,
    check_curriculum,
)
from mflab.curriculum.trainable import is_trainable

__all__ = [
    "TARGET",
    "Curriculum",
    "CurriculumCfg",
    "Stage",
    "StageCfg",
    "StageState",
    "Trainable",
    "Transition",
    "Unit",
    "check_curriculum",
    "is_trainable",
]
