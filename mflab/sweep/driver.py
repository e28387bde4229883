"""Runs what a plan still misses: hands out jobs, keeps the ledger, shows progress, exports tables."""

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from mflab.errors import MflabError
from mflab.metrics import Absent
from mflab.results import Direction, Status
from mflab.sweep.artifacts import TRACEBACK_FILE
from mflab.sweep.export import Throttle, export
from mflab.sweep.hooks import Hooks, JobRunner
from mflab.sweep.inputs import find_metric
from mflab.sweep.jobs import Job, JobKind, read_progress
from mflab.sweep.ledger import Ledger, latest
from mflab.sweep.overrides import repeat_command
from mflab.sweep.pending import baseline_files, pending_baselines, pending_trials
from mflab.sweep.plan import SweepPlan
from mflab.sweep.provenance import git_state, package_versions
from mflab.sweep.trial import TrialOutcome
from mflab.tracking.console import RunningTrial, Snapshot, SweepConsole

TICK_SECONDS = 0.5
WORKER_DIED = "the worker process died, and died again when the trial went on: out of memory, or killed"


class Driver:
    """One start of a sweep.

    Args:
        plan: what to do.
        ledger: where everything that happens is written.
        console: where progress is shown.
    """

    def __init__(self, plan: SweepPlan, ledger: Ledger, console: SweepConsole) -> None:
        self.plan, self.ledger, self.console = plan, ledger, console
        self.rows = ledger.read()
        self.stop_file = plan.folder / f".stop-{os.getpid()}"
        self.counts: Counter[str] = Counter()
        self.running: dict[str, Job] = {}
        self.failed_baselines: list[str] = []
        self.trials = pending_trials(plan, latest(self.rows), self.stop_file)
        self.baselines = pending_baselines(plan, self.stop_file)
        self.is_stopping = False
        self.problem: Exception | None = None
        self.deaths: dict[str, str] = {}
        self.throttle = Throttle()
        self.best: tuple[str, float] | None = None
        self.started = self.ticked = time.monotonic()
        self.steps_ended = self.steps_before = self.order = 0

    def run(self, run_jobs: JobRunner) -> None:
        """Does every missing job and leaves ledger and tables complete, whatever happens in between."""
        self._record_start()
        self._remove_old_stop_files()
        jobs = [*self.baselines, *self.trials]
        try:
            if jobs:
                threads = max(config.train.threads for config in self.plan.configs.values())
                hooks = Hooks(
                    on_start=self._guarded(self._on_start),
                    on_end=self._guarded(self._on_end),
                    on_retry=self._guarded(self._on_retry),
                    on_tick=self._guarded(self._on_tick),
                    is_stopping=lambda: self.is_stopping,
                )
                with self.console, self._stop_signals():
                    run_jobs(jobs, self.plan.workers, threads, hooks)
                if self.problem is not None:
                    raise MflabError(
                        f"The sweep folder must stay writable and readable, but {type(self.problem).__name__}: "
                        f"{self.problem}; mend {self.plan.folder} and start again."
                    ) from self.problem
        finally:
            self.stop_file.unlink(missing_ok=True)
            if self.is_stopping:
                self._append("interrupted", running=sorted(self.running))
            self._append("end", counts=dict(self.counts))
            self.export()

    def export(self) -> None:
        files = [file for file, _ in baseline_files(self.plan).values()]
        with self.throttle:
            export(self.plan.folder, self.plan.record, self.rows, files)

    def _guarded(self, call: Callable[..., None]) -> Callable[..., None]:
        """Keeps the driver's own problems from the scheduler, which would take them for a failed trial."""

        def guarded(*values: Any) -> None:
            try:
                call(*values)
            except Exception as error:
                self.problem = self.problem or error
                self._stop()

        return guarded

    def _stop(self) -> None:
        self.is_stopping = True
        with suppress(OSError):
            self.stop_file.touch()

    def _append(self, event: str, **fields: Any) -> None:
        self.rows.append(self.ledger.append(event, **fields))

    def _record_start(self) -> None:
        self._append(
            "start",
            host=socket.gethostname(),
            pid=os.getpid(),
            overrides=list(self.plan.overrides),
            git=git_state(),
            versions=package_versions(),
            workers=self.plan.workers,
            cores=len(os.sched_getaffinity(0)),
        )
        self._append("planned", trials=len(self.plan.record.trials), to_run=len(self.trials))
        for net in dict.fromkeys(config.validation.lpips for config in self.plan.configs.values()):
            found = find_metric(net)
            if isinstance(found, Absent):
                self._append("metric_absent", metric=f"lpips_{net}", reason=found.reason)
        if not any(keys.pretrained for keys in self.plan.keys.values()):
            reason = "model.weights=none: there is no pretrained model to compare with"
            self._append("baseline_absent", baseline="pretrained", reason=reason)

    def _remove_old_stop_files(self) -> None:
        for path in self.plan.folder.glob(".stop-*"):
            path.unlink(missing_ok=True)

    @contextmanager
    def _stop_signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM stop every trial at its next step with a checkpoint; a second one stops at once."""

        def stop(number: int, frame: FrameType | None) -> None:
            if self.is_stopping:
                raise KeyboardInterrupt
            self._stop()
            self.console.line("Stopping: running trials save a checkpoint. Once more stops at once.")

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_start(self, job: Job) -> None:
        if job.kind is JobKind.trial:
            self.running[job.job_id] = job
            self.steps_before += read_progress(job.folder).step
            self.order += 1
            self._append("started", trial_id=job.job_id, order=self.order)

    def _on_retry(self, job: Job, reason: str) -> None:
        self.deaths[job.job_id] = reason
        self._append("retried", job=job.job_id, reason=reason)
        self.console.line(f"{job.name}: the worker process died; the trial goes on from its last checkpoint.")

    def _on_end(self, job: Job, outcome: TrialOutcome | None, wall: float) -> None:
        if outcome is None:
            error = f"{WORKER_DIED} ({self.deaths[job.job_id]})" if job.job_id in self.deaths else WORKER_DIED
            outcome = TrialOutcome(Status.failed, steps=read_progress(job.folder).step, error=error)
        if job.kind is not JobKind.trial:
            self._baseline_ended(job, outcome, wall)
            return
        self.running.pop(job.job_id)
        self.counts[outcome.status.value] += 1
        self.steps_ended += outcome.steps
        self._append(outcome.status.value, **self._ending(job, outcome, wall))
        name = self.plan.record.response.name
        value = outcome.responses[name] if outcome.status is Status.done else None
        if value is not None and self._is_better(value):
            self.best = (job.name, value)
        self.console.update(self._snapshot())
        self.console.ended(job.name, outcome.status.value, value, outcome.seconds, outcome.error)
        if self.throttle.is_due():
            self.export()

    def _ending(self, job: Job, outcome: TrialOutcome, wall: float) -> dict[str, Any]:
        # What a failed trial spent on training is lost with it, so what it spent on the rest is unknown.
        is_failed = outcome.status is Status.failed
        overhead = None if is_failed else wall - outcome.run_train_seconds - outcome.run_validate_seconds
        fields = asdict(outcome)
        for name in ("status", "run_train_seconds", "run_validate_seconds"):
            fields.pop(name)
        fields |= {"trial_id": job.job_id, "wall_seconds": wall, "overhead_seconds": overhead}
        fields |= {"threads": job.config.train.threads}
        if outcome.status in (Status.failed, Status.diverged):
            fields["repeat"] = repeat_command(self.plan.overrides, job.job_id)
            traceback = job.folder / TRACEBACK_FILE
            fields["traceback"] = str(traceback) if traceback.is_file() else ""
        return fields

    def _baseline_ended(self, job: Job, outcome: TrialOutcome, wall: float) -> None:
        status = outcome.status.value
        fields = {"error": outcome.error} if outcome.status is Status.failed else {"responses": outcome.responses}
        self._append(f"baseline_{status}", baseline=job.name, dataset=job.dataset, wall_seconds=wall, **fields)
        if outcome.status is Status.failed:
            self.failed_baselines.append(f"{job.name} on {job.dataset}: {outcome.error}")

    def _is_better(self, value: float) -> bool:
        if self.best is None:
            return True
        higher = self.plan.record.response.direction is Direction.higher
        return value > self.best[1] if higher else value < self.best[1]

    def _on_tick(self) -> None:
        now = time.monotonic()
        if now - self.ticked >= TICK_SECONDS:
            self.ticked = now
            self.console.update(self._snapshot())

    def _snapshot(self) -> Snapshot:
        progress = {one: read_progress(job.folder) for one, job in self.running.items()}
        steps = self.steps_ended + sum(p.step for p in progress.values()) - self.steps_before
        elapsed = time.monotonic() - self.started
        # A trial without steps still costs a validation, so a trial counts as one step more than it has.
        total = sum(job.config.train.steps + 1 for job in self.trials) - self.steps_before
        done = steps + self.counts.total()
        return Snapshot(
            total=len(self.trials),
            counts=dict(self.counts),
            running=[
                RunningTrial(job.name, progress[one].step, job.config.train.steps) for one, job in self.running.items()
            ],
            steps_per_second=steps / elapsed if steps > 0 else None,
            seconds_left=elapsed * (total - done) / done if done > 0 else None,
            best=self.best,
        )


def exit_status(plan: SweepPlan, driver: Driver) -> int:
    """130 after an interruption, 1 if a trial or a baseline failed or diverged, now or before; else 0."""
    if driver.is_stopping:
        return 130
    bad = failures(plan, driver)
    return 1 if bad or driver.failed_baselines else 0


def failures(plan: SweepPlan, driver: Driver) -> list[dict[str, Any]]:
    """Endings of the plan's trials that failed or diverged, in plan order."""
    endings = latest(driver.rows)
    only = plan.config.sweep.only
    own = [endings[t.trial_id] for t in plan.record.trials if t.trial_id in endings and only in ("", t.trial_id)]
    return [row for row in own if row["event"] in (Status.failed.value, Status.diverged.value)]


def running_folder(plan: SweepPlan) -> Path:
    """Sweep folder as people write it: relative where that is shorter."""
    try:
        return plan.folder.relative_to(Path.cwd())
    except ValueError:
        return plan.folder
