"""Curricula: which stage, and so which settings, hold at which training step."""

import math
from dataclasses import dataclass

from mflab.curriculum.stage import TARGET, CurriculumCfg, Stage, Transition, Unit, check_curriculum
from mflab.errors import MflabError


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

    >>> from mflab.curriculum import StageCfg
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
