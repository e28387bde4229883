"""What sets arms apart, in words: the settings of their levels and what every stage does."""

from collections.abc import Mapping
from typing import Any

from analysis.blocks import MANY, Block, Table, Text
from analysis.findings import Findings
from analysis.load import Sweep
from mflab.design import level_name
from mflab.results import StageSpan

# Config keys that the stages show: as recorded by every plan, and by plans that record the settings of stages.
_PROMPT_KEYS = ("prompts.style", "train.steps")
_STAGE_KEYS = ("train.augmentation", "train.reference")
_TELL_NOTHING = (
    "The plan does not tell what stages set beside their prompt style: an earlier version wrote it. Start the sweep "
    "again to rewrite it."
)


def schedule_blocks(findings: Findings) -> list[Block]:
    """Settings and stages of every arm; nothing for a sweep that trains no step, or a search, which has no arms."""
    sweep = findings.sweep
    stages = {sweep.label_of(trial.cell): trial.stages for trial in reversed(sweep.plan.trials)}
    if not sweep.arms or not any(stages.values()):
        return []
    is_told = all(span.settings is not None for spans in stages.values() for span in spans)
    settings = {arm.label: _level_settings(sweep, arm.cell, is_told) for arm in sweep.arms}
    rows = [(arm.label, settings[arm.label] or "–", stages_text(stages[arm.label])) for arm in sweep.arms]
    headers = ("arm", "settings", "stages (steps)")
    if not any(settings.values()):
        rows, headers = [(label, text) for label, _, text in rows], (headers[0], headers[2])
    fold = f"Schedules of all {len(rows)} arms" if len(rows) > MANY else ""
    swatches = {label: style.colour for label, style in findings.styles.items()}
    caption = "Stages: prompt style, then what else is set"
    table = Table(headers, tuple(rows), tuple(range(len(headers))), caption, swatches=swatches, fold=fold)
    return [table] if is_told else [Text(_TELL_NOTHING, "warn"), table]


def stages_text(spans: tuple[StageSpan, ...]) -> str:
    """The stages of a trial in one line.

    Example:
        >>> stages_text((StageSpan(0, 150, "facelift", {}), StageSpan(150, 200, "realistic", {"lr_multiplier": 0.1})))
        'facelift (0–150) → realistic, lr × 0.1 (150–200)'
    """
    before = ["", *(span.prompt for span in spans)]
    parts = [
        f"{', '.join([_prompt(span, former), *_words(span.settings or {})])} ({span.start:,}–{span.end:,})"
        for span, former in zip(spans, before, strict=False)
    ]
    return " → ".join(parts) or "no training"


def _prompt(span: StageSpan, before: str) -> str:
    is_blended = bool(span.settings) and "transition" in span.settings and before not in ("", span.prompt)
    return f"{before} blended into {span.prompt}" if is_blended else span.prompt


def _words(settings: Mapping[str, Any]) -> list[str]:
    """What a stage sets beside its prompt."""
    words = []
    start = settings["lr_multiplier"] if "lr_multiplier" in settings else 1.0
    if "lr_multiplier_end" in settings:
        words.append(f"lr from × {start:g} to × {settings['lr_multiplier_end']:g}")
    elif "lr_multiplier" in settings:
        words.append(f"lr × {start:g}")
    for name, value in settings.items():
        if name == "augmentation":
            words.append(f"augmentation {value}")
        elif name == "trainable":
            words.append(f"trains {value} only")
        elif name == "reference":
            words.append(f"{value} reference view")
        elif name == "base_fraction":
            words.append(f"{100 * value:g} % base data")
        elif name not in ("transition", "lr_multiplier", "lr_multiplier_end"):
            words.append(f"{name} {flow_text(value)}")
    return words


def _level_settings(sweep: Sweep, cell: Mapping[str, str], is_told: bool) -> str:
    """What the levels of an arm set, as far as neither their names nor the stages show it."""
    chosen = [level for factor in sweep.plan.factors for level in factor.levels if level.name == cell[factor.name]]
    return "; ".join(
        f"{key} {flow_text(value)}"
        for level in chosen
        for key, value in level.overrides.items()
        if not _is_shown(key, is_told) and flow_text(value) != level.name
    )


def _is_shown(key: str, is_told: bool) -> bool:
    """Whether the stages show what a config key sets."""
    return key in _PROMPT_KEYS or (is_told and (key in _STAGE_KEYS or key.partition(".")[0] == "curriculum"))


def flow_text(value: Any) -> str:
    """A config value as a sweep file would write it on one line.

    Example:
        >>> flow_text([{"until": 0.75}, {"until": 1.0, "prompt": None}]), flow_text(True)
        ('[{until: 0.75}, {until: 1.0, prompt: null}]', 'true')
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow_text, value)) + "]"
    return level_name(value)
