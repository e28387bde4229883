"""`trials.csv`: what varies, responses, and costs that add up over all jobs of a trial."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mflab.results import (
    DesignRecord,
    Direction,
    FactorRecord,
    LevelRecord,
    Plan,
    ResponseRecord,
    StageRecord,
    TrialRecord,
    read_ledger,
    read_plan,
)
from mflab.results.tables import read_trials
from mflab.sweep.running.export import is_exported
from mflab.sweep.running.trial_table import job_costs, write_trials

PLAN = Plan(
    sweep="s", question="?", created="2026-01-01T00:00:00+00:00",
    response=ResponseRecord("val/psnr_fg", Direction.higher, "dB", 0.5),
    factors=(FactorRecord("steps", (LevelRecord("10", {"train.steps": 10}), LevelRecord("20", {"train.steps": 20}))),),
    design=DesignRecord("full_factorial", (0,)), audit={}, allow_confounded=False,
    trials=tuple(TrialRecord(f"t{k}", {"steps": f"{k}0"}, 0, k, 10 * k, (), "mice", (), ()) for k in (1, 2)),
    stages=(
        StageRecord("a", "", 0, 10, ("facelift",), ("t1", "t2"), False),
        StageRecord("b", "a", 10, 20, ("facelift",), ("t2",), False),
    ),
    steps_asked=30, steps_distinct=20, steps_to_run=20, estimated_seconds=None, disk_bytes=0, exactness="bitwise",
    search=None, race=None, provenance={},
)  # fmt: skip
JOB = {"found": False, "overhead_seconds": 0.5, "peak_memory_gb": 1.0, "seconds_alone": 0.0, "responses": {}}


def job(event: str, trial_id: str, steps: int, steps_run: int, seconds: float, **fields: Any) -> dict[str, Any]:
    own = {"event": event, "trial_id": trial_id, "steps": steps, "steps_run": steps_run, "seconds": seconds}
    return {**JOB, **own, "error": "", **fields}


def done(trial_id: str, pieces: list[list[Any]], value: float = 20.0, **fields: Any) -> dict[str, Any]:
    steps, seconds = sum(piece[1] for piece in pieces), sum(piece[2] for piece in pieces)
    known = {"seconds_alone": seconds, "stages": pieces, "evaluations": [], "responses": {"val/psnr_fg": value}}
    return {**job("done", trial_id, steps, steps, seconds, **known), **fields}


def written(folder: Path, ledger: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows as they are read again, by trial; what is empty is None."""
    (folder / "plan.json").write_text(PLAN.to_json())
    write_trials(folder, PLAN, ledger)
    table = read_trials(folder)
    return {
        str(row["trial_id"]): {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    }


def test_a_factor_named_like_a_cost_keeps_a_column_of_its_own(tmp_path: Path) -> None:
    table = written(tmp_path, [done("t1", [["a", 10, 1.0]])])
    header = (tmp_path / "trials.csv").read_text().splitlines()[0].split(",")
    assert len(header) == len(set(header))
    assert [row["factor.steps"] for row in table.values()] == ["10", "20"]
    assert [row["steps"] for row in table.values()] == [10, 0]


def test_jobs_of_a_trial_add_up_whatever_came_between(tmp_path: Path) -> None:
    rows = [
        job("paused", "t2", 5, 5, 1.0, peak_memory_gb=2.0),
        {"event": "start"},
        job("stopped", "t2", 8, 3, 0.5),
        {"event": "started", "trial_id": "t2", "steps_to_run": 12},
        done("t2", [["a", 10, 2.0], ["b", 10, 3.0]], steps_run=12, seconds=2.5),
    ]
    row = written(tmp_path, rows)["t2"]
    assert (row["steps"], row["steps_run"], row["seconds"]) == (20, 20, 4.0)
    assert (row["overhead_seconds"], row["peak_memory_gb"], row["seconds_alone"]) == (1.5, 2.0, 5.0)


def test_an_overhead_that_one_job_does_not_know_is_unknown(tmp_path: Path) -> None:
    rows = [job("failed", "t1", 5, 5, 1.0, overhead_seconds=None), done("t1", [["a", 10, 1.0]])]
    assert job_costs(rows)["t1"]["overhead_seconds"] is None
    assert written(tmp_path, rows)["t1"]["overhead_seconds"] is None


def test_a_trial_stopped_by_rule_keeps_what_its_jobs_cost(tmp_path: Path) -> None:
    rows = [
        job("paused", "t2", 10, 10, 3.0),
        {"event": "stopped", "trial_id": "t2", "error": "stopped by asha", "found": False, "steps": 0},
    ]
    row = written(tmp_path, rows)["t2"]
    assert (row["status"], row["steps"], row["steps_run"], row["seconds"]) == ("stopped", 10, 10, 3.0)
    assert row["error"] == "stopped by asha"
    assert row["seconds_alone"] is row["seconds_amortised"] is None


@pytest.mark.parametrize("others", [[], [job("failed", "t2", 12, 12, 4.0, error="lost")]])
def test_only_done_trials_share_a_cost(tmp_path: Path, others: list[dict[str, Any]]) -> None:
    # The other trial passes the same stage, but bears nothing that the table could show.
    row = written(tmp_path, [done("t1", [["a", 10, 1.0]]), *others])["t1"]
    assert row["seconds_amortised"] == row["seconds_alone"] == 1.0


def test_shares_of_done_trials_sum_to_what_their_stages_cost(tmp_path: Path) -> None:
    rows = [done("t1", [["a", 10, 1.0]]), done("t2", [["a", 10, 1.0], ["b", 10, 3.0]])]
    table = written(tmp_path, rows).values()
    assert [row["seconds_amortised"] for row in table] == [0.5, 3.5]
    assert [row["seconds_alone"] for row in table] == [1.0, 4.0]


def test_the_declared_response_has_a_column_though_no_trial_recorded_it(tmp_path: Path) -> None:
    row = written(tmp_path, [done("t1", [["a", 10, 1.0]], responses={"val/ssim": 0.5})])["t1"]
    assert (row["val/psnr_fg"], row["val/ssim"]) == (None, 0.5)


def test_tables_of_before_a_column_are_written_again(tmp_path: Path) -> None:
    rows = [done("t1", [["a", 10, 1.0]])]
    written(tmp_path, rows)
    for name in ("metrics.parquet", "training.parquet"):
        (tmp_path / name).touch()
    endings = {"t1": {"event": "done"}}
    assert is_exported(tmp_path, PLAN, endings, [])
    text = (tmp_path / "trials.csv").read_text()
    (tmp_path / "trials.csv").write_text(text.replace("factor.steps", "steps"))
    assert not is_exported(tmp_path, PLAN, endings, [])
    other = replace(PLAN, response=replace(PLAN.response, name="val/ssim"))
    (tmp_path / "trials.csv").write_text(text)
    assert not is_exported(tmp_path, other, endings, [])


def test_a_search_has_a_column_per_parameter_and_counts_all_its_jobs(
    tiny: list[str], folder: Path, sweep: Callable[..., int]
) -> None:
    space = (
        "+sweep.search.space={lr:{key:optim.lr,low:1e-4,high:1e-1,log:true},"
        "schedule:{key:curriculum,choices:[single,two_stage]},"
        "switch:{low:0.2,high:0.6,step:0.2,when:{schedule:[two_stage]}}}"
    )
    settings = "+sweep.search.settings={curriculum.stages:[{until:'$switch',prompt:facelift},{until:1.0}]}"
    numbers = ["sweep.search.trials=3", "sweep.search.startup=2", "sweep.search.first_rung=0.5"]
    assert sweep([*tiny[:-1], space, settings, *numbers]) == 0
    with open(folder / "trials.csv", encoding="utf-8", newline="") as file:
        rows = {row["trial_id"]: row for row in csv.DictReader(file)}
    plan, ledger = read_plan(folder), read_ledger(folder)
    assert len(rows) == len(plan.trials) == 3
    for trial in plan.trials:
        names = ("lr", "schedule", "switch")
        drawn = {name: rows[trial.trial_id][f"param.{name}"] for name in names}
        assert {name: value for name, value in drawn.items() if value} == trial.cell
        assert (drawn["switch"] == "") == (drawn["schedule"] == "single")
        jobs = [row for row in ledger if "steps_run" in row and row["trial_id"] == trial.trial_id]
        assert float(rows[trial.trial_id]["seconds"]) == pytest.approx(sum(row["seconds"] for row in jobs), abs=1e-3)
        assert int(rows[trial.trial_id]["steps_run"]) == sum(row["steps_run"] for row in jobs)
    assert any(row["param.schedule"] == "single" for row in rows.values())
    assert read_trials(folder)["param.lr"].tolist() == [trial.cell["lr"] for trial in plan.trials]
    paused = [row["trial_id"] for row in ledger if row["event"] == "paused"]
    assert any(rows[one]["status"] == "done" for one in paused)
