"""Suggested experiments: they fit the case, compose, and say where a sweep sets the key itself."""

import itertools
from dataclasses import replace

import pytest

from analysis.run_advice import Advice, next_experiment
from analysis.run_verdict import FATAL, MENDABLE
from mflab.config import compose
from mflab.results import DesignRecord, FactorRecord, LevelRecord, Plan, TrialRecord
from tests.analysis.conftest import Truth, build_plan
from tests.analysis.test_run_verdict import FATALITIES, GOOD, MISSES, judge, with_view

PLAN = build_plan(Truth())
TRIAL = PLAN.trials[0]
FREE = replace(PLAN, factors=(), design=DesignRecord("full_factorial", (0, 1, 4)))
CASES: dict[str, dict[str, object]] = {
    **MISSES,
    **FATALITIES,
    "converged": {},
    "partial": {"views": with_view("back", 11.0)},
    "failed": {"views": {**GOOD.views, "psnr_fg": dict.fromkeys(GOOD.views["psnr_fg"], 11.0)}},
    "diverged": {"status": "diverged"},
    "no_baselines": {"baselines": {}},
    "no_sets": {"sets": {}},
    "no_curve": {"curve": ((0, 10.0), (200, 14.0))},
    "untrained": {"curve": ((0, 14.0),), "steps": 0, "step": 0},
}


def advise(changes: dict[str, object], plan: Plan = FREE, trial: TrialRecord = TRIAL) -> Advice:
    return next_experiment(judge(**changes), trial, plan)


def suggestions() -> dict[str, list[str]]:
    """Every override that can be suggested, with the case, the wording and the curriculum of its run."""
    found: dict[str, list[str]] = {}
    for name, prompt, stages in itertools.product(CASES, ("facelift", "mouse_elevated", "realistic"), (1, 2, 3)):
        override = advise({**CASES[name], "prompt": prompt, "num_stages": stages}).override
        found.setdefault(override, []).append(f"{name} {prompt} {stages}")
    return found


def test_every_suggestion_composes_and_changes_something() -> None:
    found = suggestions()
    assert {case.split()[0] for case in found.pop("")} == {"no_baselines"}
    assert len(found) > 12
    for override, cases in found.items():
        # The run's own curriculum stands behind a suggestion about one of its stages.
        names = {"1": "single", "2": "two_stage", "3": "three_stage"}
        before = [f"curriculum={names[cases[0][-1]]}"] if override.startswith("curriculum.stages") else []
        compose([*before, override])
        assert not any(override == f"prompts.style={case.split()[1]}" for case in cases)


@pytest.mark.parametrize(
    ("name", "override"),
    [
        ("converged", "sweep.seeds=[0,1,4,5,6,7]"),
        ("rise", "train.steps=600"),
        ("decline", "train.steps=100"),
        ("inconsistent", "prompts.style=facelift"),
        ("failed", "prompts.style=realistic"),
        ("partial", "curriculum=two_stage"),
        ("forgetting", "curriculum.stages.0.base_fraction=0.25"),
        ("gap", "train.augmentation=mild"),
        ("gain", "+sweep=search_lr_schedule"),
        ("no_sets", "validation.consistency_scenes=4"),
        ("untrained", "train.steps=200"),
    ],
)
def test_the_checklist_is_followed(name: str, override: str) -> None:
    assert advise(CASES[name]).override == override


def test_a_failed_run_that_still_learns_is_trained_longer_first() -> None:
    assert advise({**CASES["failed"], **CASES["rise"]}).override == "train.steps=600"
    assert advise({**CASES["diversity"], **CASES["rise"]}).override == "prompts.style=facelift"


def test_every_cause_has_a_suggestion() -> None:
    assert set(MENDABLE) | set(FATAL) <= set(CASES)
    assert all(advise(changes).text for changes in CASES.values())


def test_settings_of_the_trial_are_read_from_its_overrides() -> None:
    trial = replace(TRIAL, overrides=("optim.lr=1e-2", "+optim.lr=4e-3", "train.reference=random"))
    assert advise(CASES["diverged"], trial=trial).override == "optim.lr=0.001"
    assert advise(CASES["diversity"], trial=trial).override == "train.reference=fixed"
    augmented = replace(TRIAL, overrides=("train.augmentation=mild",))
    assert advise(CASES["gap"], trial=augmented).override == "+sweep=augmentation_lr"


def test_a_key_that_the_sweep_sets_is_suggested_as_a_level() -> None:
    assert "(as a level of style)" in str(advise(CASES["inconsistent"], plan=PLAN))
    assert "(as a level of schedule)" in str(advise(CASES["partial"], plan=PLAN))
    assert "(as a level of schedule)" in str(advise(CASES["forgetting"], plan=PLAN))
    assert "(" not in advise(CASES["gap"], plan=PLAN).text
    levels = (LevelRecord("a", {"curriculum.stages": []}),)
    plan = replace(PLAN, factors=(FactorRecord("quarter", levels),))
    assert "(as a level of quarter)" in str(advise(CASES["partial"], plan=plan))


def test_a_key_that_a_search_draws_is_suggested_in_its_space() -> None:
    search = {"space": {"style": {"key": "prompts.style"}, "free": {}}, "settings": {"train.augmentation": "$free"}}
    plan = replace(PLAN, factors=(), search=search)
    assert "(in the space of the search)" in str(advise(CASES["failed"], plan=plan))
    assert "(in the space of the search)" in str(advise(CASES["gap"], plan=plan))
    assert "(" not in advise(CASES["rise"], plan=plan).text


@pytest.mark.parametrize(
    ("factor", "key", "case"),
    [
        ("schedule", "curriculum", {**CASES["partial"], "num_stages": 1}),
        ("schedule", "curriculum", {**CASES["partial"], "num_stages": 3}),
        ("style", "prompts.style", {**CASES["partial"], "prompt": "facelift"}),
        ("rate", "optim.lr", CASES["gain"]),
    ],
)
def test_levels_that_are_equivalent_are_not_suggested(factor: str, key: str, case: dict[str, object]) -> None:
    levels = tuple(LevelRecord(name, {key: name}) for name in ("a", "b"))
    plan = replace(FREE, factors=(FactorRecord(factor, levels),))
    settled = next_experiment(judge(**case), TRIAL, plan, [factor])
    assert settled == Advice(
        f"{factor} makes no difference here; train twice as long", f"train.steps={2 * TRIAL.steps}"
    )
    assert next_experiment(judge(**case), TRIAL, plan).override != settled.override
    assert next_experiment(judge(**case), TRIAL, FREE, [factor]) == next_experiment(judge(**case), TRIAL, FREE)
