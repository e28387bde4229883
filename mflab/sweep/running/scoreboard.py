"""How far a start of a sweep has come, for people who watch."""

import time
from collections import Counter
from collections.abc import Callable, Iterable

from mflab.results import Direction, Status
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.running.jobs import Job, read_progress
from mflab.sweep.stages.assignment import Assignment
from mflab.sweep.stages.outcome import TrialOutcome
from mflab.tracking.console import RunningTrial, Snapshot


class Scoreboard:
    """Counts what ended.

    Args:
        clock: gives seconds.

    Attributes:
        counts: trials of this start by status.
        found: trials thereof that the store had in full; they cost no time.
        steps_run: steps trained by those that ended.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[str] = Counter()
        self.found = self.steps_run = 0
        self._best: tuple[str, float] | None = None
        self._clock = clock
        self._started: float | None = None

    def start(self) -> None:
        """Starts the clock, with the first trial: what Ray took before is paid once and tells nothing of the rest."""
        if self._started is None:
            self._started = self._clock()

    def value(self, plan: SweepPlan, name: str, outcome: TrialOutcome) -> float | None:
        """The response of a trial that is done, noted if it is the best so far."""
        if outcome.status is not Status.done:
            return None
        value = outcome.responses[plan.record.response.name]
        sign = 1.0 if plan.record.response.direction is Direction.higher else -1.0
        if self._best is None or sign * value > sign * self._best[1]:
            self._best = (name, value)
        return value

    def snapshot(self, plan: SweepPlan, num_trials: int, running: Iterable[tuple[Job, Assignment]]) -> Snapshot:
        """The sweep at this moment.

        Args:
            plan: the plan.
            num_trials: trials of this start.
            running: jobs at work.
        """
        shown, made = [], self.steps_run
        for job, assignment in running:
            step = read_progress(job.folder).step
            shown.append(RunningTrial(job.name, step, assignment.task.until))
            made += max(0, step - (assignment.task.until - assignment.num_steps))
        elapsed = 0.0 if self._started is None else self._clock() - self._started
        # A trial without steps still costs a validation, so a trial counts as one step more than it has.
        total = plan.record.steps_to_run + num_trials - self.found
        done = made + self.counts.total() - self.found
        is_known = plan.record.search is None and total >= done > 0 and elapsed > 0
        return Snapshot(
            total=num_trials,
            counts=dict(self.counts),
            running=shown,
            steps_per_second=made / elapsed if made > 0 and elapsed > 0 else None,
            seconds_left=elapsed * (total - done) / done if is_known else None,
            best=self._best,
        )
