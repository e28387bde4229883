"""How far a start has come, for people."""

import dataclasses

import pytest

from mflab.config import compose
from mflab.results import Status
from mflab.sweep.planning.plan import make_plan
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.running.scoreboard import Scoreboard
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.outcome import TrialOutcome


@pytest.fixture
def plan(tiny: list[str]) -> SweepPlan:
    """Two trials of six steps."""
    return make_plan(compose(tiny), tiny, [], InputCache())


def test_trials_found_in_the_store_say_nothing_about_the_time_left(plan: SweepPlan):
    # Eight trials of which six were found: two of six steps each are to be trained.
    seconds = [50.0]
    scores = Scoreboard(lambda: seconds[-1])
    scores.counts[Status.done.value] = scores.found = 6
    scores.start()
    assert scores.snapshot(plan, 8, []).seconds_left is None
    seconds.append(60.0)
    scores.counts[Status.done.value] += 1
    scores.steps_run = 6
    left = scores.snapshot(plan, 8, []).seconds_left
    assert left == pytest.approx(10.0, rel=0.01)


def test_time_left_is_the_time_taken_over_the_share_done(plan: SweepPlan):
    """From the first trial on: the seconds before it are not those of a step, and a second trial restarts no clock."""
    seconds = [0.0]
    scores = Scoreboard(lambda: seconds[-1])
    seconds.append(30.0)
    scores.steps_run = 3
    before = scores.snapshot(plan, 2, [])
    assert before.seconds_left is None and before.steps_per_second is None
    scores.start()
    seconds.append(40.0)
    scores.start()
    after = scores.snapshot(plan, 2, [])
    assert after.seconds_left == pytest.approx(10.0 * (14 - 3) / 3)
    assert after.steps_per_second == pytest.approx(0.3)


def test_best_is_the_best_in_the_direction_of_the_response(plan: SweepPlan):
    response = plan.record.response
    for direction, best in ((response.direction, "b"), (type(response.direction)["lower"], "a")):
        record = dataclasses.replace(plan.record, response=dataclasses.replace(response, direction=direction))
        scores = Scoreboard()
        for name, value in (("a", 1.0), ("b", 2.0), ("c", 1.5)):
            outcome = TrialOutcome(Status.done, responses={response.name: value})
            scores.value(dataclasses.replace(plan, record=record), name, outcome)
        shown = scores.snapshot(plan, 3, []).best
        assert shown is not None and shown[0] == best
