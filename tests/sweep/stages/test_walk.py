"""What a walk leaves in the store, and what it makes of what goes wrong."""

import dataclasses
import errno
import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from mflab.config import RootCfg, compose
from mflab.model import MVDiffusion
from mflab.results import Status
from mflab.sweep.running.hooks import Hooks
from mflab.sweep.running.jobs import Job, JobKind, run_job
from mflab.sweep.stages import place
from mflab.sweep.stages.attempts import Attempt, append_attempt, read_attempts
from mflab.sweep.stages.chain import step_of
from mflab.sweep.stages.divergence import find_divergence
from mflab.sweep.stages.inputs import open_inputs
from mflab.sweep.stages.keys import step_records
from mflab.sweep.stages.network import Network, open_network
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.outcome import Full, Progress, TrialOutcome
from mflab.sweep.stages.route import Route, make_route
from mflab.sweep.stages.trial import run_trial
from mflab.sweep.stages.work import StopTrial, Work
from mflab.sweep.store import Kind, Store
from mflab.train import DiffusionTask, TrainState, Validator
from tests.sweep.conftest import run_serially, whole

CACHE = InputCache()


@pytest.fixture
def config(tiny: list[str]) -> RootCfg:
    """Six steps at constant learning rate."""
    return compose([*tiny, "prompts.style=realistic", "optim.schedule=constant"])


def longer(config: RootCfg, steps: int) -> RootCfg:
    return dataclasses.replace(config, train=dataclasses.replace(config.train, steps=steps))


def evaluated(config: RootCfg, at: list[float]) -> RootCfg:
    return dataclasses.replace(config, validation=dataclasses.replace(config.validation, at=at))


def work_of(config: RootCfg, store: Path, keep: tuple[int, ...] = (), others: tuple = ()) -> Work:
    work = whole(config, store, CACHE, others)
    return dataclasses.replace(work, keep=tuple(sorted({*keep, *work.keep})))


def run(config: RootCfg, work: Work, folder: Path, trial_id: str = "trial", stop: int = -1) -> TrialOutcome:
    def report(progress: Progress) -> None:
        if progress.step == stop:
            raise StopTrial

    return run_trial(config, trial_id, folder, work, report, CACHE)


def stored_steps(folder: Path) -> list[int]:
    store = Store(str(folder))
    assert store.names(Kind.state) == store.names(Kind.history)
    return sorted(map(step_of, store.names(Kind.state)))


def route_of(config: RootCfg) -> Route:
    inputs = open_inputs(config, CACHE)
    return make_route(config, inputs, step_records(config, inputs), "trial")


def test_interim_state_goes_once_its_stage_is_stored(config: RootCfg, tmp_path: Path):
    work = work_of(config, tmp_path / "store")
    assert run(config, work, tmp_path, stop=5).status is Status.stopped
    assert stored_steps(tmp_path / "store") == [5]
    assert run(config, work, tmp_path).status is Status.done
    assert stored_steps(tmp_path / "store") == [6]


def test_interim_state_that_another_trial_builds_on_stays(config: RootCfg, tmp_path: Path):
    work = work_of(config, tmp_path / "store")
    run(config, work, tmp_path, stop=5)
    other = evaluated(longer(config, 8), [1.0])
    assert run(other, work_of(other, tmp_path / "store", keep=(5,)), tmp_path, "other").steps_run == 3
    assert run(config, work, tmp_path).steps_run == 1
    assert stored_steps(tmp_path / "store") == [5, 6, 8]


def test_last_state_of_a_shorter_run_outlives_the_run_that_goes_on_from_it(config: RootCfg, tmp_path: Path):
    run(config, work_of(config, tmp_path / "store"), tmp_path)
    other = longer(config, 12)
    assert run(other, work_of(other, tmp_path / "store"), tmp_path, "other").steps_run == 6
    assert stored_steps(tmp_path / "store") == [6, 12]


def test_walk_that_jumps_keeps_one_row_a_step_and_nothing_else(config: RootCfg, tmp_path: Path):
    run(config, work_of(config, tmp_path / "store"), tmp_path)
    # To step 5 for an evaluation, which leaves an interim state; then from the stored step 6.
    other = evaluated(longer(config, 8), [0.625, 1.0])
    straight = run(other, work_of(other, tmp_path / "straight"), tmp_path / "a")
    outcome = run(other, work_of(other, tmp_path / "store"), tmp_path / "b")
    assert (straight.steps_run, outcome.steps_run) == (8, 7)
    assert straight.weights_sha256 == outcome.weights_sha256
    tables = [pd.read_parquet(tmp_path / one / "trials" / "trial" / "training.parquet") for one in "ab"]
    pd.testing.assert_frame_equal(*(table.drop(columns="seconds") for table in tables))
    assert stored_steps(tmp_path / "store") == [6, 8]


@pytest.mark.parametrize("stop", [5, 6])
def test_weights_are_known_even_of_a_state_that_an_interruption_left(config: RootCfg, tmp_path: Path, stop: int):
    light = dataclasses.replace(config, train=dataclasses.replace(config.train, keep_weights=False))
    straight = run(light, work_of(light, tmp_path / "straight"), tmp_path / "a")
    run(light, work_of(light, tmp_path / "store"), tmp_path / "b", stop=stop)
    outcome = run(light, work_of(light, tmp_path / "store"), tmp_path / "b")
    assert (outcome.steps_run, outcome.weights_sha256) == (6 - stop, straight.weights_sha256)


def test_attempts_tell_each_state_once_begun_and_once_stored(config: RootCfg, tmp_path: Path):
    work = work_of(config, tmp_path / "store", keep=(4,))
    run(config, work, tmp_path, stop=3)
    run(config, work, tmp_path)
    chain = route_of(config).chain
    rows = [(one.event, one.state, one.start, one.end) for one in read_attempts(tmp_path)]
    fourth, last = chain.names([4, 6])
    assert rows == [
        ("begun", fourth, 0, 4),
        ("begun", fourth, 3, 4),
        ("stored", fourth, 3, 4),
        ("begun", last, 4, 6),
        ("stored", last, 4, 6),
    ]


def test_attempt_that_a_crash_cut_short_is_left_out(tmp_path: Path):
    path = tmp_path / "trials" / "a" / "attempts.jsonl"
    append_attempt(path, Attempt("begun", "s", 0, 4, 1))
    path.write_text(path.read_text() + json.dumps({"event": "stored"})[:9])
    assert read_attempts(tmp_path) == [Attempt("begun", "s", 0, 4, 1)]


def job_of(config: RootCfg, folder: Path) -> Job:
    work = work_of(config, folder / "store")
    return Job(JobKind.trial, "trial", "trial", config, "mice", folder, Path.cwd(), folder / ".stop", work)


def test_failing_step_is_the_stages_fault_and_named(config: RootCfg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole_loss = DiffusionTask.loss

    def loss(self: DiffusionTask, batch: object, step: int, state: object) -> Tensor:
        if step == 3:
            raise ValueError("bad luck")
        return whole_loss(self, batch, step, state)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(DiffusionTask, "loss", loss)
    outcome = run_job(job_of(config, tmp_path), CACHE)
    assert (outcome.status, outcome.failed_step) == (Status.failed, 3)
    assert outcome.error == "ValueError at step 3: bad luck"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_disk_that_takes_no_more_is_not_the_stages_fault(
    config: RootCfg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, "the disk said no")

    monkeypatch.setattr(Path, "write_text", fail)
    outcome = run_job(job_of(config, tmp_path), CACHE)
    assert (outcome.status, outcome.failed_step) == (Status.failed, -1)
    assert (outcome.full is Full.disk) == (number == errno.ENOSPC)
    assert "the disk said no" in outcome.error


def broken_validation(monkeypatch: pytest.MonkeyPatch, is_bad: Callable[[Tensor], bool]) -> None:
    """Predictions without numbers for some prompts, from weights that are whole."""
    validate = Validator.validate

    def broken(self: Validator, model: MVDiffusion, prompts: Tensor, step: int, with_sets: bool = False) -> object:
        return validate(self, model, prompts * float("nan") if step and is_bad(prompts) else prompts, step, with_sets)

    monkeypatch.setattr(Validator, "validate", broken)


def test_evaluation_without_numbers_ends_only_who_asked_for_it(
    config: RootCfg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stages = [dataclasses.replace(config.curriculum.stages[0], prompt="facelift")]
    config = dataclasses.replace(config, curriculum=dataclasses.replace(config.curriculum, stages=stages))
    other = dataclasses.replace(config, prompts=dataclasses.replace(config.prompts, style="simple"))
    bad = open_inputs(other, CACHE).prompts["simple"].tensor.float()
    broken_validation(monkeypatch, lambda prompts: torch.equal(prompts, bad))
    others = tuple((wanted, other) for wanted in route_of(other).evaluations)
    outcome = run(config, work_of(config, tmp_path / "store", others=others), tmp_path)
    assert outcome.status is Status.done
    store = Store(str(tmp_path / "store"))
    names = store.names(Kind.divergence)
    assert find_divergence(store, route_of(config), names) is None
    found = find_divergence(store, route_of(other), names)
    assert found is not None and found.step == 3
    assert run(other, work_of(other, tmp_path / "store"), tmp_path, "other").status is Status.diverged


@pytest.mark.parametrize("change", [{"num_scenes": 1}, {"num_scenes": 99}], ids=["other data", "missing data"])
def test_evaluation_of_a_trial_whose_data_changed_is_left_to_that_trial(
    config: RootCfg, tmp_path: Path, change: dict[str, int]
):
    planned = dataclasses.replace(config, prompts=dataclasses.replace(config.prompts, style="simple"))
    now = dataclasses.replace(planned, validation=dataclasses.replace(planned.validation, **change))
    evaluations = route_of(planned).evaluations
    others = tuple((wanted, now) for wanted in evaluations)
    outcome = run(config, work_of(config, tmp_path / "store", others=others), tmp_path)
    assert outcome.status is Status.done
    store = Store(str(tmp_path / "store"))
    # All trials share the evaluation before the first step.
    assert not [one.step for one in evaluations if one.step and store.has(Kind.evaluation, one.name)]


def test_jobs_that_run_one_after_another_leave_no_progress_file(tiny: list[str], folder: Path, sweep):
    def run_all(workers: int, threads: int, hooks: Hooks) -> None:
        run_serially(workers, threads, hooks)
        assert not list(folder.rglob("progress.json"))

    assert sweep(tiny, run_all) == 0


def test_a_training_state_goes_with_its_trial(config: RootCfg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but a search for garbage would free weights that refer to themselves, and none is made between trials."""
    states: list[weakref.ref[TrainState]] = []

    def opened(*arguments: Any) -> Network:
        network = open_network(*arguments)
        states.append(weakref.ref(network.state))
        return network

    monkeypatch.setattr(place, "open_network", opened)
    gc.disable()
    try:
        run(config, work_of(config, tmp_path / "store"), tmp_path / "sweep")
        assert [state() for state in states] == [None]
    finally:
        gc.enable()
