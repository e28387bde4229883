import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.costs import Costs, distinct_steps, saving_line, sweep_costs, trained_steps
from analysis.load import Sweep
from analysis.report import write_report
from mflab.results import StageRecord


def started(trial_id: str, steps: int) -> dict[str, object]:
    return {"event": "started", "trial_id": trial_id, "steps_to_run": steps}


def test_jobs_that_pause_at_a_rung_count_in_full() -> None:
    paused = {"event": "paused", "trial_id": "a", "steps_run": 3}
    stopped = {"event": "stopped", "trial_id": "a", "error": "stopped by asha", "steps": 9}
    rows = [started("a", 3), paused, started("a", 6), {**paused, "steps_run": 6}, stopped]
    assert trained_steps(rows).steps == {"a": 9}
    assert trained_steps([started("a", 3), {"event": "interrupted", "running": ["a"]}, {"event": "end"}]).num_lost == 1


def test_interrupted_trials_count_what_they_did_before_and_after() -> None:
    rows = [started("a", 8), {"event": "stopped", "trial_id": "a", "steps_run": 5, "error": ""}, {"event": "end"}]
    rows += [{"event": "start"}, started("a", 3), {"event": "done", "trial_id": "a", "steps_run": 3}]
    assert trained_steps(rows).steps == {"a": 8}


def test_jobs_that_died_are_counted_and_their_steps_are_not() -> None:
    rows = [{"event": "start"}, started("a", 8), started("b", 8), {"event": "start"}, started("a", 2)]
    rows += [{"event": "retried", "job": "a"}, {"event": "done", "trial_id": "a", "steps_run": 2}]
    found = trained_steps(rows)
    assert (found.steps["a"], found.num_lost) == (2, 3)


def test_distinct_steps_equal_a_count_of_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        cuts = sorted(rng.choice(range(1, 20), 2, replace=False).tolist())
        stages = [
            StageRecord("r", "", 0, cuts[0], (), ("a", "b", "c"), True),
            StageRecord("s", "r", cuts[0], cuts[1], (), ("a", "b"), True),
            StageRecord("t", "r", cuts[0], 20, (), ("c",), True),
            StageRecord("u", "s", cuts[1], 20, (), ("a",), True),
        ]
        reached = {name: int(rng.integers(0, 21)) for name in ("a", "b", "c")}
        pairs = {
            (stage.key, step)
            for stage in stages
            for one in stage.trials
            for step in range(stage.start, min(stage.end, reached[one]))
        }
        assert distinct_steps(stages, reached) == len(pairs)


def test_shared_stages_are_told_from_those_in_the_store(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    costs = sweep_costs(Sweep(folder))
    # Of each seed two trials share 120 steps, and all is trained here.
    assert (costs.asked, costs.distinct, costs.trained, costs.shared, costs.found) == (3600, 3240, 3240, 360, 0)
    rows = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    ids = {row["trial_id"] for row in rows if row["event"] == "done"}
    first = min(ids)
    rows = [row for row in rows if not (row["event"] == "started" and row["trial_id"] == first)]
    rows = [{**row, "steps_run": 0, "found": True} if row.get("trial_id") == first else row for row in rows]
    (folder / "ledger.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    costs = sweep_costs(Sweep(folder))
    assert (costs.trained, costs.shared, costs.found) == (2940, 360, 300)
    assert saving_line(costs).startswith("Sharing saved 660 of 3,600 steps (18 %): 360 that trials have in common")


def test_the_cost_card_shows_every_sum(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    write_report(make_sweep(), tmp_path / "report")
    markdown = (tmp_path / "report" / "report.md").read_text()
    assert "| 3,600 | 3,600 | 3,240 | 3,240 | 0 | 3,600 |" in markdown
    assert "| all | 12 of 12 | 3,600 | 3,240 | 546.00 | 360.00 | 288.00 | 1.44 | 0.90 |" in markdown
    assert "| single · facelift | single-facelift-0 | 0 | done | 300 | 300 | " in markdown
    cost = json.loads((tmp_path / "report" / "report.json").read_text())["cost"]
    assert (cost["steps_trained"], cost["seconds_alone"], cost["seconds_amortised"]) == (3240, 360.0, 288.0)


def test_jobs_that_died_are_said_beside_what_was_found(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    with (folder / "ledger.jsonl").open("a") as ledger:
        ledger.writelines(json.dumps(row) + "\n" for row in [started("single-facelift-0", 9), {"event": "start"}])
    write_report(folder, tmp_path / "report")
    assert "Died unrecorded: 1 job;" in (tmp_path / "report" / "report.md").read_text()


def unshared(**changes: float) -> Costs:
    numbers = {"asked": 90, "reached": 90, "distinct": 90, "trained": 90, "seconds_alone": 12.0}
    numbers |= {"seconds_amortised": 12.0, "seconds_saved": 0.0, "num_lost": 0, **changes}
    return Costs(**numbers)  # pyright: ignore[reportArgumentType]


def test_no_step_saved_but_evaluations_is_said_as_the_table_says_it() -> None:
    text = saving_line(unshared(seconds_amortised=10.5, seconds_saved=1.5))
    assert text.startswith("Sharing saved no step: no two trials have one in common, and the store had none of them.")
    assert text.endswith(
        "Common evaluations saved 1.50 s: done trials would have taken 12.00 s alone and took 10.50 s amortised."
    )
    assert saving_line(unshared()).endswith("so seconds alone and amortised are equal.")


def test_the_saving_is_the_difference_of_the_sums_in_the_table(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    write_report(folder, tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    (total,) = re.findall(r"\| all \|.*\| ([\d.]+) \| ([\d.]+) \| [\d.]+ \| [\d.]+ \|", text)
    said = re.search(r"saved ([\d.]+) s: done trials would have taken ([\d.]+) s alone and took ([\d.]+) s", text)
    assert said is not None
    assert said.groups()[1:] == total
    assert float(said[1]) == pytest.approx(float(said[2]) - float(said[3]))


def test_the_rounding_of_the_table_is_no_saving(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    table = pd.read_csv(folder / "trials.csv")
    table["seconds_amortised"] = table["seconds_alone"] - 1e-4
    table.to_csv(folder / "trials.csv", index=False)
    assert sweep_costs(Sweep(folder)).seconds_saved == 0.0


def test_small_costs_are_not_hidden(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    table = pd.read_csv(folder / "trials.csv")
    table["overhead_seconds"] = 0.0021
    table["peak_memory_gb"] = 0.0
    table.to_csv(folder / "trials.csv", index=False)
    write_report(folder, tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    # Memory of trials that no job made is unknown, not zero.
    assert "Largest overhead of a done trial: 0.0021 s; largest memory: – GB." in text
    assert "| 0.0063 | – |" in text
    assert "| 24.00 | 0.0021 |" in text
