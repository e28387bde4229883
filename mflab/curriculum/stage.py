"""Stages: settings that hold over a range of steps, as a config writes them and as a run resolves them."""

import math
from dataclasses import dataclass, field
from enum import Enum

from mflab.errors import MflabError

TARGET = "target"


class Unit(Enum):
    """What `StageCfg.until` counts: a fraction of all steps, or steps."""

    fraction = "fraction"
    steps = "steps"


class Transition(Enum):
    """How a stage's prompt arrives: at its first step, or blended in over the whole stage."""

    switch = "switch"
    linear = "linear"


class Trainable(Enum):
    """The part of the UNet a stage trains; `mflab.curriculum.is_trainable` maps it to parameter names."""

    all = "all"
    attention = "attention"
    self_attention = "self_attention"
    cross_attention = "cross_attention"
    decoder = "decoder"


@dataclass
class StageCfg:
    """Settings that hold until a boundary; `target` stands for what the run as a whole is about.

    Attributes:
        until: End of the stage (exclusive), a fraction of all steps in ]0, 1] or a number of steps.
        prompt: Prompt style, or `target`.
        transition: `linear` blends the embeddings from the previous stage's prompt to this one's over the whole stage.
        augmentation: Augmentation, or `target`.
        lr_multiplier: Factor on the scheduled learning rate, above 0.
        lr_multiplier_end: Factor that a straight line reaches after the stage's last step, at least 0; none keeps
            `lr_multiplier` throughout.
        trainable: The part of the UNet that learns.
        reference: Mode of the reference view (fixed, random, rotated), or `target`.
        base_fraction: Share of scenes drawn from the base data instead of the target data, in [0, 1].
    """

    until: float
    prompt: str = TARGET
    transition: Transition = Transition.switch
    augmentation: str = TARGET
    lr_multiplier: float = 1.0
    lr_multiplier_end: float | None = None
    trainable: Trainable = Trainable.all
    reference: str = TARGET
    base_fraction: float = 0.0


@dataclass
class CurriculumCfg:
    """A named list of stages; the last one ends at 1.0 (fraction) or at the number of steps (steps)."""

    name: str = "single"
    unit: Unit = Unit.fraction
    stages: list[StageCfg] = field(default_factory=lambda: [StageCfg(until=1.0)])


@dataclass(frozen=True)
class Stage:
    """One resolved stage: it holds for steps [start, end), and `target` is replaced by the run's own setting."""

    start: int
    end: int
    prompt: str
    transition: Transition
    augmentation: str
    lr_multiplier: float
    lr_multiplier_end: float | None
    trainable: Trainable
    reference: str
    base_fraction: float

    @property
    def num_steps(self) -> int:
        """Number of steps of the stage, at least 1."""
        return self.end - self.start

    def lr_multiplier_at(self, step: int) -> float:
        """Factor on the scheduled learning rate at a step of the stage.

        >>> stage = Stage(4, 8, "p", Transition.switch, "none", 1.0, 0.0, Trainable.all, "fixed", 0.0)
        >>> [stage.lr_multiplier_at(step) for step in range(4, 8)]
        [1.0, 0.75, 0.5, 0.25]
        """
        if self.lr_multiplier_end is None:
            return self.lr_multiplier
        share = (step - self.start) / self.num_steps
        return self.lr_multiplier + share * (self.lr_multiplier_end - self.lr_multiplier)


def check_curriculum(cfg: CurriculumCfg) -> None:
    """Refuses a curriculum whose stages are wrong whatever the number of steps.

    Raises:
        MflabError: Names the stage, the constraint and the value.
    """
    if not cfg.stages:
        raise MflabError(f"Curriculum '{cfg.name}' must have at least 1 stage, but got 0; set curriculum.stages.")
    if cfg.stages[0].transition is Transition.linear:
        raise MflabError(
            f"Curriculum '{cfg.name}': the first stage has no prompt to blend from, but got transition=linear in "
            "curriculum.stages[0]; put a stage with the starting prompt before it, or use switch."
        )
    previous = 0.0
    for i, stage in enumerate(cfg.stages):
        where = f"Curriculum '{cfg.name}', curriculum.stages[{i}]"
        if not (math.isfinite(stage.until) and stage.until > previous):
            raise MflabError(f"{where}: until must be above {previous:g}, but got {stage.until:g}.")
        previous = stage.until
        if not (math.isfinite(stage.lr_multiplier) and stage.lr_multiplier > 0):
            raise MflabError(f"{where}: lr_multiplier must be above 0, but got {stage.lr_multiplier:g}.")
        if stage.lr_multiplier_end is not None and not 0 <= stage.lr_multiplier_end < math.inf:
            raise MflabError(f"{where}: lr_multiplier_end must be at least 0, but got {stage.lr_multiplier_end:g}.")
        if not 0 <= stage.base_fraction <= 1:
            raise MflabError(f"{where}: base_fraction must lie in [0, 1], but got {stage.base_fraction:g}.")
        for key in ("prompt", "augmentation", "reference"):
            if not getattr(stage, key):
                raise MflabError(f"{where}: {key} must be a name or 'target', but got an empty text.")
