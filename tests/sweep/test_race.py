"""A race: seeds come in blocks, and an arm that paired seeds have beaten gets no more of them."""

import dataclasses
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from mflab.results import MetricRow, Status, read_ledger, read_plan
from mflab.results.tables import read_trials
from mflab.sweep.running.hooks import Hooks
from mflab.sweep.running.jobs import Job, JobKind
from mflab.sweep.stages.artifacts import write_rows
from mflab.sweep.stages.outcome import TrialOutcome

pytestmark = pytest.mark.usefixtures("composed_once")
ARMS = "+sweep.factors.style={key:prompts.style,levels:[facelift,mouse_elevated,realistic]}"
SEEDS = 8


@pytest.fixture
def race(tiny: list[str]) -> list[str]:
    """Overrides of a race of three arms over eight seeds, with looks after three and five."""
    return [*tiny[:-1], ARMS, f"sweep.seeds={list(range(SEEDS))}", "sweep.race.looks=[3,5]"]


def pretend(value_of: Callable[[str, int], float], stop_after: int = 1000) -> Callable[[int, int, Hooks], None]:
    """A runner that trains nothing: trials score what a function of arm and seed says."""

    def run(workers: int, threads: int, hooks: Hooks) -> None:
        ended = 0
        while not hooks.is_finished():
            job = hooks.next_job()
            assert job is not None
            hooks.on_end(job, outcome(job), 0.0)
            ended += job.kind is JobKind.trial
            if ended == stop_after:
                os.kill(os.getpid(), signal.SIGINT)

    def outcome(job: Job) -> TrialOutcome:
        if job.kind is not JobKind.trial:
            return TrialOutcome(Status.failed, error="pretended")
        value = value_of(job.config.prompts.style, job.config.seed)
        row = MetricRow(6, "scene", "back", False, "psnr_fg", value)
        write_rows(job.sweep, job.job_id, [row], [(0, 0.0, 0.0, 0.0, 0, 0.0)])
        return TrialOutcome(Status.done, steps=6, steps_run=6, responses={"val/psnr_fg": value})

    return run


def clear(style: str, seed: int) -> float:
    """One arm far behind, two alike; seeds differ more than arms."""
    levels = {"facelift": -4.0, "mouse_elevated": 0.01, "realistic": 0.0}
    return 3.0 * seed + levels[style] + 0.05 * ((seed * len(style)) % 4)


def statuses(folder: Path) -> dict[str, list[str]]:
    trials = read_trials(folder).sort_values("seed")
    return {str(style): group["status"].tolist() for style, group in trials.groupby("style")}


def test_a_beaten_arm_gets_no_more_seeds_after_the_look_and_the_others_get_all(race: list[str], folder: Path, sweep):
    assert sweep(race, pretend(clear)) == 1  # The pretended baselines fail.
    found = statuses(folder)
    assert found["facelift"] == ["done"] * 3 + ["stopped"] * 5
    assert found["mouse_elevated"] == found["realistic"] == ["done"] * 8
    reasons = read_trials(folder).query("status == 'stopped'")["error"]
    assert all("dropped from the race after 3 seeds: worse than" in reason for reason in reasons)
    rule = read_plan(folder).race
    assert rule is not None
    assert (rule["looks"], rule["alpha"], rule["arms"]) == ([3, 5], 0.05, 3)
    assert rule["threshold"] == pytest.approx(0.05 / (2 * 2))
    # Nothing is left of it: what the rule stopped is no work to come.
    sweep([*race, "sweep.dry_run=true"])
    assert read_plan(folder).steps_to_run == 0


def test_arms_that_nothing_sets_apart_get_all_seeds(race: list[str], folder: Path, sweep):
    sweep(race, pretend(lambda style, seed: 3.0 * seed + ((seed * len(style)) % 5)))
    assert set(read_trials(folder)["status"]) == {"done"}


@pytest.mark.parametrize("stop_after", [1, 5, 9, 12])
def test_an_interrupted_race_ends_as_an_undisturbed_one(
    race: list[str], folder: Path, sweep, tmp_path: Path, stop_after: int
):
    assert sweep(race, pretend(clear, stop_after)) == 130
    sweep(race, pretend(clear))
    columns = ["trial_id", "status", "val/psnr_fg", "error"]
    other = tmp_path / "other"
    sweep([*race, f"paths.outputs={other}"], pretend(clear))
    pd.testing.assert_frame_equal(read_trials(folder)[columns], read_trials(other / "tiny")[columns])
    done = [row["trial_id"] for row in read_ledger(folder) if row["event"] == "done"]
    assert len(done) == len(set(done)) == 3 + 2 * SEEDS


def test_no_seed_of_a_later_block_starts_before_the_look(race: list[str], folder: Path, sweep):
    seeds: list[int] = []

    def note(style: str, seed: int) -> float:
        seeds.append(seed)
        return clear(style, seed)

    sweep(race, pretend(note))
    blocks = [next(place for place, end in enumerate((3, 5, 8)) if seed < end) for seed in seeds]
    assert blocks == sorted(blocks)


def test_an_arm_whose_trial_failed_is_not_compared_at_that_look(race: list[str], folder: Path, sweep):
    def runner(workers: int, threads: int, hooks: Hooks) -> None:
        def on_end(job: Job, outcome: TrialOutcome | None, wall: float) -> None:
            is_bad = job.kind is JobKind.trial and (job.config.prompts.style, job.config.seed) == ("facelift", 1)
            failed = TrialOutcome(Status.failed, error="pretended")
            hooks.on_end(job, failed if is_bad else outcome, wall)

        pretend(clear)(workers, threads, dataclasses.replace(hooks, on_end=on_end))

    assert sweep(race, runner) == 1
    assert statuses(folder)["facelift"].count("done") == 7


@pytest.mark.parametrize(
    "change", ["sweep.race.looks=[1,5]", "sweep.race.looks=[5,3]", "sweep.race.looks=[8]", "sweep.race.alpha=1.5"]
)
def test_a_race_that_cannot_be_run_is_refused(race: list[str], sweep, capsys, change: str):
    assert sweep([*race, change]) == 2
    assert capsys.readouterr().err.startswith("error: ")
