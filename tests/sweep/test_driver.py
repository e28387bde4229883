"""What a start of a sweep does, without Ray: runs what is missing, records what happened, exports tables."""

import errno
import json
import os
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest

from mflab.results import METRIC_COLUMNS, TRIAL_COLUMNS_AFTER, TRIAL_COLUMNS_BEFORE, read_ledger, read_plan
from mflab.results.tables import read_baselines, read_metrics, read_training, read_trials
from mflab.sweep import __main__ as entry_point
from mflab.sweep import command
from mflab.sweep.planning.model_process import CAN_FORK, ModelProcess
from mflab.sweep.running import adopt
from mflab.sweep.running.hooks import Hooks
from mflab.sweep.running.jobs import JobKind, run_job
from mflab.sweep.stages.chain import step_of
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.store import Kind, Store, collect
from tests.sweep.conftest import run_serially

pytestmark = pytest.mark.usefixtures("composed_once")


NAMES = ("psnr", "psnr_fg", "psnr_box", "ssim", "ssim_fg", "ssim_box")


def refuse(workers: int, threads: int, hooks: Hooks) -> None:
    raise AssertionError("nothing should run")


def test_finished_sweep_has_all_tables_and_runs_nothing_again(tiny: list[str], folder: Path, sweep, events):
    assert sweep([*tiny, "sweep.seeds=[0,1]"]) == 0
    trials = read_trials(folder)
    assert set(trials.status) == {"done"}
    responses = [f"val/{name}{seen}" for name in NAMES for seen in ("", "_seen")]
    assert set(trials.columns) == {*TRIAL_COLUMNS_BEFORE, "style", *responses, *TRIAL_COLUMNS_AFTER}
    metrics = read_metrics(folder)
    assert tuple(metrics.columns) == METRIC_COLUMNS
    assert set(metrics.trial_id) == set(read_training(folder).trial_id) == set(trials.trial_id)
    baselines = read_baselines(folder)
    assert set(baselines.baseline) == {"white", "copy_input", "mean_image"}
    (dataset,) = {trial.dataset for trial in read_plan(folder).trials}
    assert set(baselines.dataset) == {dataset}
    assert re.fullmatch(r"mice-16-[0-9a-f]{8}", dataset)
    assert len(list((folder / "images" / "ground_truth" / dataset).glob("*.png"))) == 1
    before = (folder / "trials.csv").read_text()
    assert sweep([*tiny, "sweep.seeds=[0,1]"], refuse) == 0
    assert (folder / "trials.csv").read_text() == before


def test_added_seed_runs_only_its_own_trials(tiny: list[str], sweep, events):
    assert sweep(tiny) == 0
    first = {trial for event, trial in events() if event == "done"}
    assert sweep([*tiny, "sweep.seeds=[0,1]"]) == 0
    done = [trial for event, trial in events() if event == "done"]
    assert len(done) == len(set(done)) == 4
    assert first < set(done)


def test_the_time_left_is_told_with_every_trial_that_ends(tiny: list[str], sweep, capsys):
    assert sweep(tiny) == 0
    ends = [line for line in capsys.readouterr().out.splitlines() if re.match(r"\[\d/2\]", line)]
    assert len(ends) == 2 and all(line.endswith(" left") for line in ends)


def test_trials_of_an_earlier_plan_leave_the_tables_but_not_the_ledger(
    tiny: list[str], folder: Path, sweep, events, capsys
):
    assert sweep(tiny) == 0
    old = {trial for event, trial in events() if event == "done"}
    capsys.readouterr()
    assert sweep([*tiny, "optim.lr=3e-3"]) == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"{len(old)} finished trials of the ledger (other overrides, data or versions): it keeps them" in said
    assert old.isdisjoint(read_trials(folder).trial_id)
    assert old.isdisjoint(read_metrics(folder).trial_id)
    assert old < {trial for _, trial in events()}


def test_failed_trial_is_reported_and_its_repeat_command_mends_it(tiny: list[str], folder: Path, sweep, capsys):
    assert sweep([*tiny, "sweep.dry_run=true"]) == 0
    bad = pd.read_json(folder / "plan.json", typ="series")["trials"][0]["trial_id"]
    (folder / "images").mkdir()
    (folder / "images" / bad).write_text("in the way")
    capsys.readouterr()
    assert sweep(tiny) == 1
    repeat = next(line for line in capsys.readouterr().out.splitlines() if "repeat:" in line)
    assert repeat.endswith(f"sweep.only={bad}")
    trials = read_trials(folder).set_index("trial_id")
    assert trials.loc[bad, "status"] == "failed"
    assert "Error" in str(trials.loc[bad, "error"])
    assert list(trials.index[trials["overhead_seconds"].isna()]) == [bad]
    row = next(row for row in read_ledger(folder) if row["event"] == "failed")
    assert "Traceback" in Path(row["traceback"]).read_text()
    (folder / "images" / bad).unlink()
    assert sweep([*tiny, f"sweep.only={bad[:12]}"]) == 0
    assert set(read_trials(folder).status) == {"done"}


def test_diverged_trial_gives_exit_status_1_no_number_and_no_second_run(tiny: list[str], folder: Path, sweep):
    lr = "+sweep.factors.lr={levels:{low:{optim.lr:1e-4},huge:{optim.lr:1e30}}}"
    assert sweep([*tiny[:-1], lr]) == 1
    trials = read_trials(folder).set_index("lr")
    assert trials.loc["huge", "status"] == "diverged"
    assert pd.isna(trials.loc["huge", "val/psnr_fg"])
    assert trials.loc["low", "status"] == "done"
    assert sweep([*tiny[:-1], lr], refuse) == 1


def test_trials_whose_files_were_removed_are_made_again(tiny: list[str], folder: Path, sweep):
    assert sweep(tiny) == 0
    metrics = read_metrics(folder)
    first, second = read_trials(folder).trial_id
    shutil.rmtree(folder / "trials" / first)
    (folder / "trials" / second / "training.parquet").unlink()
    # The store has them: nothing has to run.
    assert sweep(tiny, refuse) == 0
    pd.testing.assert_frame_equal(read_metrics(folder), metrics)
    assert set(read_training(folder).trial_id) == {first, second}


def test_done_trial_whose_response_was_not_measured_is_evaluated_anew(tiny: list[str], folder: Path, sweep, events):
    assert sweep(tiny) == 0
    rows = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    done = [row for row in rows if row["event"] == "done"]
    for row in done:
        del row["responses"]["val/psnr_fg"]
    (folder / "ledger.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert sweep(tiny, refuse) == 0
    assert {one for event, one in events() if event == "done"} == {row["trial_id"] for row in done}
    assert read_trials(folder)["val/psnr_fg"].notna().all()


def test_dry_run_of_another_plan_leaves_plan_and_tables_of_the_same_trials(tiny: list[str], folder: Path, sweep):
    assert sweep(tiny) == 0
    assert sweep([*tiny, "sweep.seeds=[0,1]", "sweep.dry_run=true"], refuse) == 0
    trials = read_trials(folder)
    assert list(trials.trial_id) == [trial.trial_id for trial in read_plan(folder).trials]
    assert sorted(trials.status) == ["done", "done", "planned", "planned"]


def test_refused_start_leaves_the_plan_alone(tiny: list[str], folder: Path, sweep):
    assert sweep(tiny) == 0
    before = (folder / "plan.json").read_text()
    assert sweep([*tiny, "optim.lr=3e-3", "sweep.only=0123"], refuse) == 2
    assert (folder / "plan.json").read_text() == before


def test_interruption_is_recorded_and_the_same_command_goes_on(tiny: list[str], folder: Path, sweep, events, capsys):
    def interrupt_first_trial(workers: int, threads: int, hooks: Hooks) -> None:
        while (job := hooks.next_job()) is not None and job.kind is not JobKind.trial:
            hooks.on_end(job, run_job(job, InputCache()), 0.0)
        os.kill(os.getpid(), signal.SIGINT)
        run_serially(workers, threads, hooks)

    assert sweep(tiny, interrupt_first_trial) == 130
    said = capsys.readouterr().out
    assert "To go on: python -m mflab.sweep" in said
    assert "Stopped before any trial had begun." in said and "Nothing had to run" not in said
    assert "interrupted" in [row["event"] for row in read_ledger(folder)]
    assert set(read_trials(folder).status) == {"planned"}
    assert not list(folder.glob(".stop-*"))
    assert sweep(tiny) == 0


def test_trial_sees_the_stop_file_and_stores_its_state(tiny: list[str], folder: Path, sweep):
    def stop_at_once(workers: int, threads: int, hooks: Hooks) -> None:
        while (job := hooks.next_job()) is not None:
            if job.kind is JobKind.trial:
                job.stop_file.touch()
            hooks.on_end(job, run_job(job, InputCache()), 0.0)
            if job.kind is JobKind.trial:
                return

    sweep(tiny, stop_at_once)
    row = next(row for row in read_ledger(folder) if row["event"] == "stopped")
    assert row["steps"] == 1
    store = Store(str(folder.parent / "store"))
    assert [step_of(name) for name in store.names(Kind.state)] == [1]
    assert "stopped" in set(read_trials(folder).status)
    # Nobody's plan names that state, and the trial goes on from it.
    assert not collect(store).states
    assert sweep(tiny) == 0
    assert (
        sum(row["steps_run"] for row in read_ledger(folder) if "steps_run" in row) == read_plan(folder).steps_distinct
    )
    # What an interrupted stage went on from is of no use once the stage is stored.
    assert {step_of(name) for name in store.names(Kind.state)} == {6}


@pytest.mark.parametrize(
    "overrides", [["+sweep=nothing"], ["optim.lrr=1"], ["train.steps=many"], ["sweep.only=0123"], ["data.kind=folder"]]
)
def test_bad_input_is_one_line_and_exit_status_2(tiny: list[str], sweep, capsys, overrides: list[str]):
    assert sweep([*tiny, *overrides], refuse) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_one_trial_is_named_by_an_id_that_begins_no_other(tiny: list[str], folder: Path, sweep, capsys):
    # Of seventeen ids two begin with the same of sixteen digits.
    many = [*tiny, "sweep.seeds=[0,1,2,3,4,5,6,7,8]"]
    assert sweep([*many, "sweep.dry_run=true"], refuse) == 0
    ids = [trial["trial_id"] for trial in pd.read_json(folder / "plan.json", typ="series")["trials"]]
    assert len(ids) == 18
    shared = next(one[0] for one in ids if sum(other[0] == one[0] for other in ids) > 1)
    count = sum(one[0] == shared for one in ids)
    capsys.readouterr()
    for start, found in (
        ("x", f"a trial of the plan, but none begins with 'x'; choose one of {ids[0]}, "),
        ("12e4", "a trial of the plan, but none begins with '12e4'; choose one of "),
        (shared, f"one trial, but {count} begin with '{shared}': "),
    ):
        assert sweep([*many, f"sweep.only={start}"], refuse) == 2
        assert f"sweep.only must name {found}" in capsys.readouterr().err


def test_plan_tells_trials_to_run_from_trials_found(tiny: list[str], folder: Path, sweep, capsys):
    assert sweep(tiny) == 0
    capsys.readouterr()
    assert sweep([*tiny, "sweep.name=other", "sweep.seeds=[0,1]", "sweep.dry_run=true"], refuse) == 0
    assert "4, 2 to run, 2 found in the store" in capsys.readouterr().out


def test_plan_tells_a_budget_that_cannot_do(tiny: list[str], folder: Path, sweep, capsys):
    # Two trials with a common first half: three states, of which two are kept.
    common = "curriculum.stages=[{until:0.5,prompt:facelift},{until:1.0}]"
    shared = [*tiny, common, "optim.schedule=constant", "sweep.dry_run=true"]
    assert sweep(shared, refuse) == 0
    assert "its budget" not in capsys.readouterr().out
    each = read_plan(folder).disk_bytes / 1e9 / 3
    for states, text in ((2.5, "states that nobody needs any more go"), (1.5, "cannot hold the last states")):
        assert sweep([*shared, f"store.budget_gb={states * each:.9f}"], refuse) == 0
        assert text in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_disk_that_fails_while_trials_are_put_together_is_one_line(
    tiny: list[str], folder: Path, sweep, capsys, monkeypatch: pytest.MonkeyPatch
):
    assert sweep(tiny) == 0
    shutil.rmtree(folder / "trials")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(adopt, "write_assembled", fail)
        assert sweep(tiny, refuse) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: The sweep folder must stay writable") and "Input/output error" in line
    assert sweep(tiny, refuse) == 0
    assert set(read_metrics(folder).trial_id) == set(read_trials(folder).trial_id)


def test_store_over_its_budget_names_a_command_that_goes_on(tiny: list[str], folder: Path, sweep, capsys):
    assert sweep([*tiny, "sweep.dry_run=true"], refuse) == 0
    each = read_plan(folder).disk_bytes / len(read_plan(folder).stages)
    assert sweep([*tiny, f"store.budget_gb={1.2 * each / 1e9:.9f}"]) == 2
    command = capsys.readouterr().err.partition("To go on: python -m mflab.sweep ")[2]
    assert command.count("store.budget_gb=") == 1
    assert sweep(shlex.split(command)) == 0


def test_interruption_while_the_program_loads_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys):
    class Interrupting:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "mflab.sweep.command":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "mflab.sweep.command")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    assert entry_point.main() == 130
    assert capsys.readouterr().err == "Interrupted before anything began.\n"


@pytest.mark.skipif(not CAN_FORK, reason="elsewhere no process is forked")
def test_the_process_for_models_starts_with_the_command_and_ends_with_it(monkeypatch: pytest.MonkeyPatch):
    given: list[ModelProcess] = []

    def command_main(models: ModelProcess) -> int:
        assert models._process is not None and models._process.is_alive()
        given.append(models)
        return 7

    monkeypatch.setattr(command, "main", command_main)
    assert entry_point.main() == 7
    (models,) = given
    assert models._process is not None and not models._process.is_alive()


def test_folder_that_cannot_be_written_gives_exit_status_2(tiny: list[str], tmp_path: Path, sweep, capsys):
    (tmp_path / "outputs").write_text("a file")
    assert sweep(tiny, refuse) == 2
    assert "must be writable" in capsys.readouterr().err


def test_help_lists_every_sweep_with_its_question(sweep, capsys):
    assert sweep(["--help"], refuse) == 0
    assert "Does the whole loop work?" in capsys.readouterr().out
