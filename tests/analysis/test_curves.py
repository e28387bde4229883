from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analysis.curves import arm_curves, first_crossing, reach_level, steps_to_reach
from analysis.load import Sweep
from mflab.results import Direction


def test_crossing_is_interpolated_and_absent_when_never_reached() -> None:
    curve = [(0, 1.0), (10, 2.0), (20, 1.5), (30, 4.0)]
    assert first_crossing(curve, 1.5, Direction.higher) == 5.0
    assert first_crossing(curve, 1.0, Direction.higher) == 0.0
    assert first_crossing(curve, 5.0, Direction.higher) is None
    assert first_crossing([(0, 3.0), (10, 2.0)], 2.25, Direction.lower) == 7.5


def test_curves_end_at_the_recorded_response(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    curves = arm_curves(Sweep(folder), "val/psnr_fg")
    trials = pd.read_csv(folder / "trials.csv")
    for (schedule, style), own in trials.groupby(["schedule", "style"]):
        points = curves[f"{schedule} · {style}"]
        assert [point.step for point in points] == [0, 50, 100, 200, 300]
        assert points[-1].interval.mean == pytest.approx(own["val/psnr_fg"].mean())
        assert points[-1].interval.n == 3


def test_the_better_schedule_reaches_the_level_sooner(make_sweep: Callable[..., Path]) -> None:
    sweep = Sweep(make_sweep(seed_sd=0.05))
    level, how = reach_level(sweep)
    assert 9.7 < level < 14
    assert "pretrained" in how
    reached = {reach.arm: reach for reach in steps_to_reach(sweep, level)}
    fast, slow = reached["two_stage · facelift"].interval, reached["single · facelift"].interval
    assert fast is not None
    assert slow is not None
    assert fast.mean < slow.mean
    assert reached["single · facelift"].num_reached == 3
    assert all(reach.interval is None for reach in steps_to_reach(sweep, 99.0))
