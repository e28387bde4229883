"""A fabricated sweep as each kind of sweep that a report knows."""

from dataclasses import replace
from pathlib import Path

from mflab.design.racing import race_threshold
from mflab.results import DesignRecord, read_plan

SEEDS = (0, 1, 2, 3)


def as_race(folder: Path) -> Path:
    """The sweep as a race with one look."""
    rule = {"looks": [3], "alpha": 0.05, "arms": 4, "threshold": race_threshold(1, 4, 0.05)}
    (folder / "plan.json").write_text(replace(read_plan(folder), race=rule).to_json())
    return folder


def as_search(folder: Path) -> Path:
    """The sweep as a search that suggested its cells."""
    plan = read_plan(folder)
    cells = list(dict.fromkeys(tuple(trial.cell.items()) for trial in plan.trials))
    trials = tuple(replace(t, run_order=cells.index(tuple(t.cell.items()))) for t in plan.trials)
    search = {
        "sampler": "tpe", "pruner": "asha", "trials": 4, "seed": 0, "startup": 1, "study": "feed", "rungs": [120],
        "objectives": [], "settings": {}, "space": {"schedule": {"choices": ["single", "two_stage"]}},
    }  # fmt: skip
    plan = replace(plan, factors=(), trials=trials, design=DesignRecord("search", SEEDS), search=search)
    (folder / "plan.json").write_text(plan.to_json())
    return folder


KINDS = {"design": lambda folder: folder, "race": as_race, "search": as_search}
