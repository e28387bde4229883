"""Curricula: stages of constant settings over the steps of a run."""

from mflab.curriculum.curriculum import Curriculum, StageState
from mflab.curriculum.stage import (
    TARGET,
    CurriculumCfg,
    Stage,
    StageCfg,
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
