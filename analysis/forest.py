"""The stage forest of a plan for readers: which arms share which steps, and a layout of its trees."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.load import Sweep
from mflab.results import StageRecord, TrialRecord

MAX_ROWS = 40


@dataclass(frozen=True)
class SharedStage:
    """Stages of several trees (one per seed, say) that the same arms have in common at the same steps.

    Attributes:
        start, end: steps [start, end).
        prompts: prompt styles along them.
        groups: the arms, or suggestions, that share them.
        num_stages: how often this happens.
        steps_saved: steps that would be trained again if each trial ran by itself.
        seconds_saved: what those would have cost; None where no trial is done.
    """

    start: int
    end: int
    prompts: tuple[str, ...]
    groups: tuple[str, ...]
    num_stages: int
    steps_saved: int
    seconds_saved: float | None


@dataclass(frozen=True)
class Bar:
    """A stage as drawn: steps [start, end) over `height` rows from `row` on."""

    start: int
    end: int
    row: int
    height: int
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """Trees as bars over rows of trials; `num_trees` of all trees fit."""

    trials: tuple[TrialRecord, ...]
    bars: tuple[Bar, ...]
    num_trees: int


def shared_stages(sweep: Sweep) -> list[SharedStage]:
    """Stages that at least two trials pass, equal ones of different trees together, largest saving first."""
    found: dict[tuple[Any, ...], list[StageRecord]] = {}
    for stage in sweep.plan.stages:
        if len(stage.trials) > 1:
            groups = tuple(dict.fromkeys(sweep.group_of(sweep.records[one]) for one in stage.trials))
            found.setdefault((stage.start, stage.end, stage.prompts, groups), []).append(stage)
    rows = []
    for (start, end, prompts, groups), stages in found.items():
        seconds = [_seconds_saved(sweep, stage) for stage in stages]
        known = [value for value in seconds if value is not None]
        steps = sum((end - start) * (len(stage.trials) - 1) for stage in stages)
        rows.append(SharedStage(start, end, prompts, groups, len(stages), steps, sum(known) if known else None))
    return sorted(rows, key=lambda row: (-row.steps_saved, row.start, row.groups))


def _seconds_saved(sweep: Sweep, stage: StageRecord) -> float | None:
    """What a stage cost, once for each done trial but one that passes it."""
    done = [one for one in stage.trials if one in sweep.endings and sweep.endings[one]["event"] == "done"]
    if not done:
        return None
    return stage_seconds(sweep.endings[done[0]]["stages"], stage.start, stage.end) * (len(done) - 1)


def stage_seconds(pieces: Iterable[tuple[str, int, float]], start: int, end: int) -> float:
    """Training time of steps [start, end) from the recorded pieces of a trial; a cut piece counts by its share.

    Example:
        >>> stage_seconds([("a", 4, 2.0), ("b", 4, 8.0)], 2, 6)
        5.0
    """
    total, place = 0.0, 0
    for _, steps, seconds in pieces:
        overlap = max(0, min(end, place + steps) - max(start, place))
        total += seconds * overlap / steps if steps else 0.0
        place += steps
    return total


def layout(sweep: Sweep, max_rows: int = MAX_ROWS) -> Layout:
    """As many trees as fit in `max_rows` rows of trials, in plan order; none if the first has more."""
    children: dict[str, list[StageRecord]] = {}
    for stage in sweep.plan.stages:
        children.setdefault(stage.parent, []).append(stage)
    last = _last_stages(sweep.plan.stages)
    trials: list[TrialRecord] = []
    bars: list[Bar] = []
    roots = children.get("", [])
    for number, root in enumerate(roots):
        if len(trials) + len(root.trials) > max_rows:
            return Layout(tuple(trials), tuple(bars), number)
        # Parents before children, a trial that ends in a stage before those that go on.
        stack = [root]
        while stack:
            stage = stack.pop()
            ending = [sweep.records[one] for one in stage.trials if last[one] == stage.key]
            place = len(trials)
            trials += ending
            bars.append(Bar(stage.start, stage.end, place, len(stage.trials), stage.prompts))
            stack += reversed(children.get(stage.key, []))
    return Layout(tuple(trials), tuple(bars), len(roots))


def _last_stages(stages: Iterable[StageRecord]) -> Mapping[str, str]:
    """Trial -> key of the stage that it ends with."""
    last: dict[str, tuple[int, str]] = {}
    for stage in stages:
        for one in stage.trials:
            if one not in last or last[one][0] < stage.end:
                last[one] = (stage.end, stage.key)
    return {one: key for one, (_, key) in last.items()}
