"""A search: what Optuna suggests is trained through the store, told properly, and found again."""

import dataclasses
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from mflab.results import Status, read_ledger, read_plan
from mflab.results.tables import read_trials
from mflab.sweep.running.hooks import Hooks
from mflab.sweep.running.jobs import JobKind, run_job
from mflab.sweep.search import search_plan
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.outcome import TrialOutcome
from tests.sweep.conftest import run_serially

pytestmark = pytest.mark.usefixtures("composed_once", "quick_studies")
SPACE = (
    "+sweep.search.space={lr:{key:optim.lr,low:1e-4,high:1e-1,log:true},"
    "schedule:{key:curriculum,choices:[single,two_stage]},"
    "switch:{low:0.2,high:0.6,step:0.2,when:{schedule:[two_stage]}}}"
)
SETTINGS = "+sweep.search.settings={curriculum.stages:[{until:'$switch',prompt:facelift},{until:1.0}]}"
RUNG, STEPS = 3, 6


@pytest.fixture
def hunt(tiny: list[str]) -> list[str]:
    """Overrides of a tiny search with one rung, half-way."""
    numbers = ["sweep.search.trials=6", "sweep.search.startup=2", "sweep.search.first_rung=0.5"]
    return [*tiny[:-1], SPACE, SETTINGS, *numbers]


def study_of(folder: Path) -> optuna.Study:
    name = read_plan(folder).search["study"]  # pyright: ignore[reportOptionalSubscript]
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder / 'study.db'}")


def told(folder: Path) -> list[tuple[dict, str, list[float] | None]]:
    return [(trial.params, trial.state.name, trial.values) for trial in study_of(folder).trials]


def test_every_suggestion_is_told_as_its_trial_ended(hunt: list[str], folder: Path, sweep):
    assert sweep(hunt) == 0
    trials = read_trials(folder)
    states = {"done": optuna.trial.TrialState.COMPLETE, "stopped": optuna.trial.TrialState.PRUNED}
    study = study_of(folder)
    assert [trial.state for trial in study.trials] == [states[status] for status in trials["status"]]
    assert {"done", "stopped"} <= set(trials["status"])
    for trial, row in zip(study.trials, trials.itertuples(), strict=True):
        assert list(trial.intermediate_values) == [RUNG]
        assert row.steps == (STEPS if row.status == "done" else RUNG)
    done = trials[trials["status"] == "done"]
    assert next(trial.value for trial in study.trials if trial.value is not None) == done["val/psnr_fg"].iloc[0]
    reasons = trials[trials["status"] == "stopped"]["error"]
    assert all("was stopped by asha at step 3" in reason for reason in reasons)
    # The ledger has the number that decided as a number: the report draws it.
    values = {row["rung_value"] for row in read_ledger(folder) if row["event"] == "stopped"}
    assert values == {trial.intermediate_values[RUNG] for trial in study.trials if trial.state is states["stopped"]}
    assert set(json.loads((folder / "importances.json").read_text())) == {"shares", "reason"}


def test_the_end_names_the_best_suggestion_and_its_trial(hunt: list[str], folder: Path, sweep, capsys):
    assert sweep([*hunt, "sweep.search.pruner=none"]) == 0
    trials = read_trials(folder)
    best = trials.loc[trials["val/psnr_fg"].idxmax()]
    said = capsys.readouterr().out
    assert f"Best: suggestion {best.run_order} (lr=" in said and f"; trial {best.trial_id}." in said
    # While it ran, too: which suggestion, and what it drew.
    assert f"done  suggestion {best.run_order} (lr=" in said


def test_suggestions_of_a_dead_driver_are_told_once_and_by_a_start_alone(
    hunt: list[str], folder: Path, sweep, monkeypatch: pytest.MonkeyPatch, capsys
):
    opened = search_plan.open_study

    def left_behind(*arguments: Any) -> Any:
        study = opened(*arguments)
        study.requeued = 2
        return study

    monkeypatch.setattr(search_plan, "open_study", left_behind)
    few = [*hunt, "sweep.search.trials=1"]
    assert sweep([*few, "sweep.dry_run=true"]) == 0
    assert read_ledger(folder) == []
    assert sweep(few) == 0
    told = [row["event"] for row in read_ledger(folder)]
    assert told.count("requeued") == 1
    assert told.index("start") < told.index("requeued") < told.index("started")
    assert "suggestions of a driver that died were asked for again" in capsys.readouterr().out


def test_a_finished_search_runs_nothing_and_a_longer_one_only_what_is_new(hunt: list[str], folder: Path, sweep, events):
    assert sweep(hunt) == 0
    first = events()
    assert sweep(hunt) == 0
    assert events() == first
    assert sweep([*hunt, "sweep.search.trials=8"]) == 0
    assert [trial.number for trial in study_of(folder).trials] == list(range(8))
    assert len(read_trials(folder)) == 8


def test_an_interrupted_search_suggests_and_measures_what_an_undisturbed_one_does(
    hunt: list[str], folder: Path, sweep, tmp_path: Path
):
    def interrupt(workers: int, threads: int, hooks: Hooks) -> None:
        for _ in range(5):
            job = hooks.next_job()
            assert job is not None
            hooks.on_end(job, run_job(job, InputCache()), 0.0)
        os.kill(os.getpid(), signal.SIGINT)
        run_serially(workers, threads, hooks)

    assert sweep(hunt, interrupt) == 130
    assert sweep(hunt) == 0
    disturbed = [row for row in told(folder) if row[1] != "FAIL"]
    other = [*hunt, f"paths.outputs={tmp_path / 'other'}"]
    assert sweep(other) == 0
    assert disturbed == told(tmp_path / "other" / "tiny")
    assert len(read_trials(folder)) == 6


def test_a_stopped_trial_goes_on_from_its_rung(hunt: list[str], folder: Path, sweep):
    assert sweep(hunt) == 0
    trials = read_trials(folder)
    stopped = trials[trials["status"] == "stopped"].trial_id.iloc[0]
    assert sweep([*hunt, f"sweep.only={stopped}"]) == 0
    row = next(row for row in read_ledger(folder) if row["event"] == "done" and row["trial_id"] == stopped)
    assert (row["steps"], row["steps_run"]) == (STEPS, STEPS - RUNG)


def test_equal_suggestions_and_trials_of_another_sweep_train_once(hunt: list[str], folder: Path, sweep):
    few = "+sweep.search.space={style:{key:prompts.style,choices:[facelift,mouse_elevated]}}"
    # Random draws from two choices: some come again.
    search = [*hunt[:-5], few, "sweep.search.trials=5", "sweep.search.sampler=random", "sweep.search.pruner=none"]
    assert sweep(search) == 0
    assert len(read_trials(folder)) == 2
    assert [state for _, state, _ in told(folder)] == ["COMPLETE"] * 5
    assert sum(row["steps_run"] for row in read_ledger(folder) if row["event"] == "done") == 2 * STEPS
    design = "+sweep.factors.style={key:prompts.style,levels:[facelift,mouse_elevated]}"
    assert sweep([*hunt[:-5], design, "sweep.name=design"]) == 0
    rows = [row for row in read_ledger(folder.parent / "design") if row["event"] == "done"]
    assert [row["steps_run"] for row in rows] == [0, 0]


def test_the_value_of_a_suggestion_is_the_mean_over_its_seeds(hunt: list[str], folder: Path, sweep):
    assert sweep([*hunt, "sweep.search.trials=2", "sweep.seeds=[0,1]", "sweep.search.pruner=none"]) == 0
    trials = read_trials(folder)
    means = trials.groupby("run_order")["val/psnr_fg"].mean()
    assert [value for _, _, (value,) in told(folder)] == pytest.approx(means.tolist(), abs=1e-12)  # pyright: ignore[reportGeneralTypeIssues]


def test_a_diverged_suggestion_is_told_as_failed(hunt: list[str], folder: Path, sweep):
    wild = "+sweep.search.space={lr:{key:optim.lr,low:1e29,high:1e30,log:true}}"
    assert sweep([*hunt[:-5], wild, "sweep.search.trials=2", "sweep.search.first_rung=0.5"]) == 1
    assert [state for _, state, _ in told(folder)] == ["FAIL", "FAIL"]
    assert set(read_trials(folder)["status"]) == {"diverged"}


def test_a_seed_that_waits_at_a_rung_ends_with_a_suggestion_whose_other_seed_failed(
    hunt: list[str], folder: Path, sweep
):
    def runner(workers: int, threads: int, hooks: Hooks) -> None:
        cache, trials = InputCache(), 0
        while not hooks.is_finished():
            job = hooks.next_job()
            assert job is not None
            trials += job.kind is JobKind.trial
            is_second = job.kind is JobKind.trial and trials == 2
            hooks.on_end(job, TrialOutcome(Status.diverged, steps=1, error="no number") if is_second
                         else run_job(job, cache), 0.0)  # fmt: skip

    assert sweep([*hunt, "sweep.search.trials=1", "sweep.seeds=[0,1]"], runner) == 1
    trials = read_trials(folder)
    assert sorted(trials["status"]) == ["diverged", "stopped"]
    assert trials.set_index("status").loc["stopped", "steps"] == RUNG


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["optim.lr=1e-3"], "optim.lr belongs to the search space"),
        (["curriculum=blend"], "belongs to the search space"),
        (["sweep.search.first_rung=0.3"], "rungs"),
        (["+sweep.factors.style={key:prompts.style,levels:[facelift,simple]}"], "design, a race or a search"),
        (["sweep.search.pruner=none", "sweep.search.sampler=nsga2"], "nsga2"),
    ],
)
def test_a_search_that_cannot_be_is_refused_in_one_line(
    hunt: list[str], sweep: Callable[..., int], capsys, change: list[str], message: str
):
    assert sweep([*hunt, *change]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_rungs_without_validations_are_told_with_those_that_they_need(
    hunt: list[str], sweep: Callable[..., int], capsys
):
    change = ["sweep.search.first_rung=0.3", "sweep.dry_run=true"]
    assert sweep([*hunt, *change]) == 2
    remedy = re.search(r"validation\.at=\[.*?\]", capsys.readouterr().err)
    assert remedy is not None and sweep([*hunt, *change, remedy[0]]) == 0


def test_two_objectives_have_a_front(hunt: list[str], folder: Path, sweep):
    two = "sweep.search.objectives=[{name:val/ssim_fg,direction:higher}]"
    settings = ["sweep.search.pruner=none", "sweep.search.sampler=nsga2", "sweep.search.trials=4"]
    assert sweep([*hunt, two, *settings]) == 0
    assert all(len(values) == 2 for _, _, values in told(folder) if values is not None)
    assert study_of(folder).best_trials


def test_baselines_are_made_once(hunt: list[str], sweep):
    kinds: list[JobKind] = []

    def watch(workers: int, threads: int, hooks: Hooks) -> None:
        def next_job():
            job = hooks.next_job()
            kinds.extend([] if job is None else [job.kind])
            return job

        run_serially(workers, threads, dataclasses.replace(hooks, next_job=next_job))

    assert sweep([*hunt, "sweep.search.trials=1"], watch) == 0
    assert kinds.count(JobKind.reference) == 1
