"""Curricula: which settings hold at which training step."""

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


@dataclass(frozen=True)
class StageState:
    """What holds at one step: embeddings are (1 - blend) * prompt_from + blend * prompt_to, blend in ]0, 1]."""

    stage: Stage
    index: int
    prompt_from: str
    prompt_to: str
    blend: float


class Curriculum:
    """The stages of one run, resolved to integer step ranges that cover [0, num_steps) without gap or overlap.

    A fraction f ends at step floor(f * num_steps + 1/2). Stages are kept as declared, also when neighbours are equal.

    >>> cfg = CurriculumCfg(stages=[StageCfg(until=0.25, prompt="facelift"), StageCfg(until=1.0)])
    >>> curriculum = Curriculum(cfg, 200, "mouse_elevated", "none", "fixed")
    >>> [(stage.start, stage.end, stage.prompt) for stage in curriculum.stages]
    [(0, 50, 'facelift'), (50, 200, 'mouse_elevated')]
    >>> curriculum.at(49).prompt_to, curriculum.at(50).prompt_to
    ('facelift', 'mouse_elevated')

    Raises:
        MflabError: For boundaries that do not increase, do not end at the last step or leave a stage without a step,
            a linear first stage, and settings out of range.
    """

    def __init__(
        self, cfg: CurriculumCfg, num_steps: int, target_prompt: str, target_augmentation: str, target_reference: str
    ) -> None:
        check_curriculum(cfg)
        self.name = cfg.name
        self.num_steps = num_steps
        bounds = (0, *_boundaries(cfg, num_steps))
        self.stages = tuple(
            Stage(
                start=start,
                end=end,
                prompt=target_prompt if stage.prompt == TARGET else stage.prompt,
                transition=stage.transition,
                augmentation=target_augmentation if stage.augmentation == TARGET else stage.augmentation,
                lr_multiplier=stage.lr_multiplier,
                lr_multiplier_end=stage.lr_multiplier_end,
                trainable=stage.trainable,
                reference=target_reference if stage.reference == TARGET else stage.reference,
                base_fraction=stage.base_fraction,
            )
            for stage, start, end in zip(cfg.stages, bounds[:-1], bounds[1:], strict=True)
        )

    @property
    def prompt_styles(self) -> tuple[str, ...]:
        """All prompt styles the run uses, each once, in order of first use."""
        return tuple(dict.fromkeys(stage.prompt for stage in self.stages))

    def at(self, step: int) -> StageState:
        """Returns what holds at `step` in [0, num_steps).

        In a linear stage blend = (step - start + 1) / (end - start), which is 1 at the stage's last step. A blend
        between two equal prompts is that prompt, exactly.

        Raises:
            MflabError: For a step outside [0, num_steps).
        """
        if not 0 <= step < self.num_steps:
            raise MflabError(f"step must lie in [0, {self.num_steps}), but got step={step}.")
        index = next(i for i, stage in enumerate(self.stages) if step < stage.end)
        stage = self.stages[index]
        if stage.transition is Transition.linear:
            previous = self.stages[index - 1].prompt
            if previous != stage.prompt:
                return StageState(stage, index, previous, stage.prompt, (step - stage.start + 1) / stage.num_steps)
        return StageState(stage, index, stage.prompt, stage.prompt, 1.0)


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


def _boundaries(cfg: CurriculumCfg, num_steps: int) -> tuple[int, ...]:
    """Returns the exclusive end step of each stage; the last one is num_steps."""
    if num_steps < 1:
        raise MflabError(f"num_steps must be at least 1, but got num_steps={num_steps}.")
    untils = [stage.until for stage in cfg.stages]
    if cfg.unit is Unit.fraction:
        if untils[-1] != 1:
            raise MflabError(
                f"Curriculum '{cfg.name}': until of the last stage must be 1.0 (unit fraction), but got "
                f"{untils[-1]:g}; set curriculum.unit=steps if it counts steps."
            )
        ends = [math.floor(until * num_steps + 0.5) for until in untils]
    else:
        for i, until in enumerate(untils):
            if until != int(until):
                raise MflabError(
                    f"Curriculum '{cfg.name}', curriculum.stages[{i}]: until must be a whole number of steps, but got "
                    f"{until:g}; set curriculum.unit=fraction if it is a fraction."
                )
        ends = [int(until) for until in untils]
        if ends[-1] != num_steps:
            raise MflabError(
                f"Curriculum '{cfg.name}': until of the last stage must equal the {num_steps} steps of the run, but "
                f"got {ends[-1]}; change it or set curriculum.unit=fraction."
            )
    for i, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        if end <= start:
            raise MflabError(
                f"Curriculum '{cfg.name}': each stage must have at least 1 step, but stage {i} "
                f"(until={untils[i]:g} of {num_steps} steps) spans [{start}, {end}); raise the number of steps or "
                "move the boundary."
            )
    return tuple(ends)
