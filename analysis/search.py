"""What a search tried: suggestions with their values, the Pareto front, and importances where they were computed."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.intervals import Interval, t_interval
from analysis.load import Sweep
from mflab.errors import MflabError
from mflab.results import IMPORTANCES_FILE, Direction, TrialRecord

# Worst first: a suggestion is what its worst trial is.
STATES = ("failed", "diverged", "stopped", "planned", "done")


@dataclass(frozen=True)
class Suggestion:
    """What a search tried, on all its seeds.

    Attributes:
        number: in the study; a repetition of an earlier suggestion has none of its own.
        values: drawn values by parameter; a parameter whose condition does not hold is absent.
        trials: one per seed.
        state: of the worst trial; `done` if all are.
        steps: to which it got.
        responses: response -> mean over its seeds; empty unless done.
        stopped_at: step of the rung at which it was stopped; None otherwise.
        stopped_value: the declared response there: of a run cut short, so never compared with a finished one.
    """

    number: int
    values: dict[str, str]
    trials: tuple[TrialRecord, ...]
    state: str
    steps: int
    responses: dict[str, Interval]
    stopped_at: int | None
    stopped_value: float | None


@dataclass(frozen=True)
class Importances:
    """Share of every parameter in what sets good trials apart, or the reason why there is none."""

    shares: dict[str, float] | None
    reason: str


def read_suggestions(sweep: Sweep) -> list[Suggestion]:
    """All suggestions by number; empty for a sweep that is no search."""
    if not sweep.is_search:
        return []
    groups: dict[int, list[TrialRecord]] = {}
    for trial in sweep.plan.trials:
        groups.setdefault(trial.run_order, []).append(trial)
    ended = {
        str(one): (str(status), int(steps))
        for one, status, steps in zip(*(sweep.trials[name] for name in ("trial_id", "status", "steps")), strict=True)
    }
    done = {
        name: dict(zip(sweep.done["trial_id"], map(float, sweep.done[name]), strict=True)) for name in sweep.responses
    }
    found = []
    for number, trials in sorted(groups.items()):
        ids = [trial.trial_id for trial in trials if trial.trial_id in ended]
        states = {ended[one][0] for one in ids}
        state = next((state for state in STATES if state in states), "planned")
        responses = {}
        if state == "done":
            columns = {name: [values[one] for one in ids] for name, values in done.items()}
            responses = {name: t_interval(own) for name, own in columns.items() if all(map(math.isfinite, own))}
        rows = [sweep.endings[one] for one in ids if one in sweep.stopped_by_rule]
        stop = next((row for row in rows if "rung_value" in row), None)
        steps = max((ended[one][1] for one in ids), default=0)
        found.append(
            Suggestion(
                number, dict(trials[0].cell), tuple(trials), state, steps, responses,
                int(stop["steps"]) if stop else None, float(stop["rung_value"]) if stop else None,
            )
        )  # fmt: skip
    return found


def objectives(sweep: Sweep) -> dict[str, Direction]:
    """What a search optimises: response -> better direction, the declared one first."""
    search = sweep.plan.search
    further = search["objectives"] if search is not None else []
    return {
        sweep.response: sweep.plan.response.direction,
        **{one["name"]: Direction[one["direction"]] for one in further},
    }


def ranked(suggestions: Sequence[Suggestion], response: str, direction: Direction) -> list[Suggestion]:
    """Finished suggestions, best mean first."""
    own = [one for one in suggestions if response in one.responses]
    sign = -1.0 if direction is Direction.higher else 1.0
    return sorted(own, key=lambda one: (sign * one.responses[response].mean, one.number))


def pareto_front(suggestions: Sequence[Suggestion], aims: dict[str, Direction]) -> list[Suggestion]:
    """Finished suggestions that no other one matches in all objectives and beats in one, by the first objective."""
    first, direction = next(iter(aims.items()))
    own = [one for one in ranked(suggestions, first, direction) if all(name in one.responses for name in aims)]
    signs = {name: 1.0 if side is Direction.higher else -1.0 for name, side in aims.items()}
    points = {one.number: [signs[name] * one.responses[name].mean for name in aims] for one in own}
    return [one for one in own if not any(_dominates(other, points[one.number]) for other in points.values())]


def _dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether a point is nowhere worse and somewhere better, higher being better.

    Example:
        >>> _dominates([1.0, 2.0], [1.0, 1.0]), _dominates([1.0, 2.0], [2.0, 1.0]), _dominates([1.0], [1.0])
        (True, False, False)
    """
    pairs = list(zip(first, second, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def read_importances(folder: Path) -> Importances | None:
    """The importances in a sweep folder; None without the file.

    Raises:
        MflabError: the file is malformed.
    """
    path = folder / IMPORTANCES_FILE
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        shares = value["shares"]
        known = None if shares is None else {str(name): float(share) for name, share in shares.items()}
        return Importances(known, str(value["reason"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MflabError(
            f"{path} must hold shares by parameter and a reason, but {type(error).__name__}: {error}; "
            "start the search again."
        ) from error
