import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.cards_cost import MAX_SHARED, forest_card
from analysis.findings import Findings
from analysis.forest import Layout, layout, shared_stages, stage_seconds
from analysis.load import Sweep
from mflab.results import StageRecord, TrialRecord, read_plan


def test_equal_stages_of_all_seeds_are_one_row(make_sweep: Callable[..., Path]) -> None:
    (row,) = shared_stages(Sweep(make_sweep()))
    assert (row.start, row.end, row.prompts, row.num_stages) == (0, 120, ("facelift",), 3)
    assert row.groups == ("two_stage · facelift", "two_stage · mouse_elevated")
    assert row.steps_saved == 360
    # 0.1 s a step, as the ledger says.
    assert row.seconds_saved == pytest.approx(36.0)


def test_seconds_count_only_what_done_trials_were_spared(make_sweep: Callable[..., Path]) -> None:
    status = {f"two_stage-mouse_elevated-{seed}": "failed" for seed in (0, 1, 2)}
    (row,) = shared_stages(Sweep(make_sweep(status=status)))
    assert (row.steps_saved, row.seconds_saved) == (360, 0.0)


def test_seconds_of_a_range_add_up() -> None:
    pieces = [("a", 5, 1.0), ("b", 3, 6.0), ("c", 0, 0.0), ("d", 2, 4.0)]
    cuts = [0, 2, 5, 7, 10]
    parts = [stage_seconds(pieces, a, b) for a, b in itertools.pairwise(cuts)]
    assert sum(parts) == pytest.approx(11.0)
    assert parts[0] == pytest.approx(0.4)


def check(drawn: Layout, stages: tuple[StageRecord, ...]) -> None:
    """Every trial has one row, and every bar covers the rows of its own trials and no others."""
    rows = {trial.trial_id: row for row, trial in enumerate(drawn.trials)}
    assert len(rows) == len(drawn.trials)
    expected = {(s.start, s.end, frozenset(rows[one] for one in s.trials)) for s in stages if s.trials[0] in rows}
    assert {(b.start, b.end, frozenset(range(b.row, b.row + b.height))) for b in drawn.bars} == expected


def test_bars_cover_the_rows_of_their_trials(make_sweep: Callable[..., Path]) -> None:
    sweep = Sweep(make_sweep())
    drawn = layout(sweep)
    assert len(drawn.trials) == 12
    check(drawn, sweep.plan.stages)


def nested(folder: Path) -> Sweep:
    """A sweep whose first three trials are one run read at three lengths."""
    plan = read_plan(folder)
    short, middle, long = (trial.trial_id for trial in plan.trials[:3])
    stages = (
        StageRecord("s", "", 0, 100, ("facelift",), (short, middle, long), True),
        StageRecord("m", "s", 100, 200, ("facelift",), (middle, long), True),
        StageRecord("l", "m", 200, 300, ("facelift",), (long,), True),
    )
    (folder / "plan.json").write_text(replace(plan, stages=stages).to_json())
    return Sweep(folder)


def test_a_trial_that_ends_inside_another_has_its_own_row(make_sweep: Callable[..., Path]) -> None:
    sweep = nested(make_sweep())
    drawn = layout(sweep)
    assert [trial.trial_id for trial in drawn.trials] == [trial.trial_id for trial in sweep.plan.trials[:3]]
    check(drawn, sweep.plan.stages)


def test_trees_that_do_not_fit_are_left_out_whole(make_sweep: Callable[..., Path]) -> None:
    sweep = Sweep(make_sweep())
    drawn = layout(sweep, max_rows=5)
    assert 0 < len(drawn.trials) <= 5
    check(drawn, sweep.plan.stages)
    assert layout(nested(sweep.folder), max_rows=2).trials == ()


def many(folder: Path, num_trials: int) -> Sweep:
    """As many trials in trees of eight that share three quarters."""
    plan = read_plan(folder)
    first = plan.trials[0]
    trials = tuple(
        TrialRecord(f"t{k}", first.cell, k // 8, k, 300, (), first.dataset, first.views, first.stages)
        for k in range(num_trials)
    )
    stages: list[StageRecord] = []
    for tree in range(num_trials // 8):
        own = tuple(f"t{k}" for k in range(8 * tree, 8 * tree + 8))
        stages.append(StageRecord(f"r{tree}", "", 0, 225, ("facelift",), own, False))
        stages += [StageRecord(f"l{one}", f"r{tree}", 225, 300, ("facelift",), (one,), False) for one in own]
    asked, distinct = 300 * num_trials, num_trials // 8 * (225 + 8 * 75)
    plan = replace(plan, trials=trials, stages=tuple(stages), steps_asked=asked, steps_distinct=distinct)
    (folder / "plan.json").write_text(plan.to_json())
    header = (folder / "trials.csv").read_text().splitlines()[0]
    (folder / "trials.csv").write_text(header + "\n")
    return Sweep(folder)


def test_a_thousand_trials_are_summed_up(make_sweep: Callable[..., Path]) -> None:
    sweep = many(make_sweep(), 1000)
    before = time.perf_counter()
    text, drawn, figure, table = forest_card(Findings(sweep))
    assert time.perf_counter() - before < 5
    assert text.text.startswith("1,000 trials: 1,125 stages in 125 trees, 300,000 steps asked, 103,125 distinct")  # pyright: ignore
    assert drawn.text == "Drawn: the first 5 of 125 trees."  # pyright: ignore
    assert figure.kind == "picture"
    assert len(table.rows) == 1 <= MAX_SHARED  # pyright: ignore
