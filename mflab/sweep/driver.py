"""Runs what a plan still misses: hands out jobs, keeps the ledger, shows progress, exports tables."""

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from types import FrameType
from typing import Any

from mflab.errors import MflabError
from mflab.metrics import Absent
from mflab.results import PLAN_FILE, Direction, Status, TrialRecord
from mflab.sweep.adopt import adopt, kept_steps
from mflab.sweep.agenda import Agenda, Verdict
from mflab.sweep.artifacts import TRACEBACK_FILE, trial_folder
from mflab.sweep.export import Throttle, export
from mflab.sweep.hooks import Hooks, JobRunner
from mflab.sweep.inputs import find_metric
from mflab.sweep.jobs import Job, JobKind, read_progress
from mflab.sweep.known import Known
from mflab.sweep.ledger import Ledger, latest
from mflab.sweep.overrides import repeat_command
from mflab.sweep.pending import baseline_files, pending_baselines, pending_trials, trial_job, trial_name
from mflab.sweep.plan import refreshed
from mflab.sweep.planned import SweepPlan
from mflab.sweep.prepare import PreparedTrial
from mflab.sweep.provenance import git_state, package_versions
from mflab.sweep.schedule import Assignment, Schedule, Task
from mflab.sweep.store import Kind
from mflab.sweep.store.leases import Leases
from mflab.sweep.store.references import ChainReference, register
from mflab.sweep.trial import TrialOutcome
from mflab.tracking.console import RunningTrial, Snapshot, SweepConsole
from mflab.train.atomic import write_atomically

TICK_SECONDS = 0.5
FOREIGN_SECONDS = 2.0
MakeAgenda = Callable[[SweepPlan, Sequence[TrialRecord], Schedule, Mapping[str, Mapping[str, Any]]], Agenda]
WORKER_DIED = "the worker process died, and died again when the trial went on: out of memory, or killed"


class Driver:
    """One start of a sweep.

    Args:
        plan: what to do.
        ledger: where everything that happens is written.
        console: where progress is shown.
        make_agenda: says which trials come when, of plan, pending trials, schedule and earlier endings.
    """

    def __init__(self, plan: SweepPlan, ledger: Ledger, console: SweepConsole, make_agenda: MakeAgenda) -> None:
        self.ledger, self.console = ledger, console
        self.rows = ledger.read()
        self.stop_file = plan.folder / f".stop-{os.getpid()}"
        self.counts: Counter[str] = Counter()
        self.running: dict[str, tuple[Job, Assignment]] = {}
        self._records: dict[str, TrialRecord] = {}
        self.failed_baselines: list[str] = []
        is_search = plan.record.search is not None and not plan.config.sweep.only
        pending = [] if is_search else pending_trials(plan, latest(self.rows))
        self.baselines = pending_baselines(plan, self.stop_file)
        self._baselines = {job.job_id for job in self.baselines}
        self.known = Known.of(plan.store)
        self.schedule = Schedule(self.known, self._is_stored)
        self.agenda = make_agenda(plan, pending, self.schedule, latest(self.rows))
        self.is_stopping = False
        self._written = plan
        self.problem: Exception | None = None
        self.deaths: dict[str, str] = {}
        self.throttle = Throttle()
        self.best: tuple[str, float] | None = None
        self.started = self.ticked = self.looked = time.monotonic()
        self.steps_run = self.order = 0

    @property
    def plan(self) -> SweepPlan:
        """The plan as it is now: a search's grows."""
        return self.agenda.plan

    def record(self, trial_id: str) -> TrialRecord:
        """What the plan says of a trial."""
        if trial_id not in self._records:
            self._records = {record.trial_id: record for record in self.plan.record.trials}
        return self._records[trial_id]

    def run(self, run_jobs: JobRunner) -> None:
        """Does every missing job and leaves ledger and tables complete, whatever happens in between."""
        self._record_start()
        self._remove_old_stop_files()
        try:
            with self.console, self._stop_signals(), Leases(self.plan.store.files) as leases:
                self.leases = self.schedule.claims = leases
                self._register()
                self._adopt_all()
                self._write_verdicts(self.agenda.verdicts)
                if self.baselines or not self.agenda.is_finished:
                    configs = [self.plan.config, *(trial.config for trial in self.plan.trials.values())]
                    threads = max(config.train.threads for config in configs)
                    hooks = Hooks(
                        next_job=self._next_job,
                        is_finished=lambda: self.is_stopping or (not self.baselines and self.agenda.is_finished),
                        on_end=self._guarded(self._on_end),
                        on_retry=self._guarded(self._on_retry),
                        on_tick=self._guarded(self._on_tick),
                    )
                    run_jobs(self.plan.workers, threads, hooks)
            if self.problem is not None:
                if isinstance(self.problem, MflabError):
                    raise self.problem
                raise MflabError(
                    f"The sweep folder must stay writable and readable, but {type(self.problem).__name__}: "
                    f"{self.problem}; mend {self.plan.folder} and start again."
                ) from self.problem
        finally:
            with suppress(OSError):
                self.stop_file.unlink(missing_ok=True)
            if self.is_stopping:
                self._append("interrupted", running=sorted(self.running))
            self._append("end", counts=dict(self.counts))
            self._register()
            self.export()

    def write_plan(self) -> None:
        """Writes `plan.json`."""
        self._written = self.plan
        plan = self.plan if self.plan.record.search is None else refreshed(self.plan, self.schedule.forest, self.known)
        content = plan.record.to_json().encode()
        write_atomically(self.plan.folder / PLAN_FILE, lambda file: file.write(content))

    def export(self) -> None:
        if self.plan is not self._written:
            self.write_plan()
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

    def _is_stored(self, name: str) -> bool:
        return self.plan.store.has(Kind.history, name) and self.plan.store.has(Kind.state, name)

    def _register(self) -> None:
        """Tells the store which states this sweep still needs."""
        over = latest(self.rows)
        chains = []
        for trial in self.plan.trials.values():
            is_done = trial.trial_id in over and over[trial.trial_id]["event"] in ("done", "diverged")
            chains.append(ChainReference(trial.trial_id, self._states(trial, is_done), is_done))
        register(self.plan.store, self.plan.record.sweep, self.plan.folder, chains)

    def _states(self, trial: PreparedTrial, is_done: bool) -> tuple[str, ...]:
        """Names of the states that a trial may go on from, in order; the last alone if it is done."""
        chain = trial.route.chain
        if is_done or not chain.num_steps:
            return (trial.route.leaf,) if trial.route.leaf else ()
        every = trial.config.train.checkpoint_every or chain.num_steps
        steps = {self.schedule.forest.nodes[name].end for name in self.schedule.forest.paths[trial.trial_id]}
        steps |= {chain.num_steps, *range(every, chain.num_steps, every)}
        return tuple(chain.names(sorted(steps | {wanted.step for wanted in trial.route.evaluations if wanted.step})))

    def _adopt_all(self) -> None:
        """Ends all trials that the store has in full."""
        for task in list(self.schedule.tasks.values()):
            self._adopt(task)

    def _adopt(self, task: Task) -> None:
        if self.plan.config.sweep.only:
            # Asked for by name, a trial that diverged runs again.
            return
        outcome = adopt(self.plan, task, kept_steps(self.schedule, task), self.known)
        if outcome is not None:
            self.schedule.remove(task.trial_id)
            self._trial_ended(self.record(task.trial_id), outcome, outcome.seconds, found=True)
            self._write_verdicts(self.agenda.ended(task.trial_id, outcome))

    def _next_job(self) -> Job | None:
        """The next job; None while everything left is held back."""
        try:
            if self.baselines:
                return self.baselines.pop(0)
            before = self.plan
            assignment = self.agenda.next()
            if self.plan is not before:
                self._add_baselines()
            return None if assignment is None else self._start(assignment)
        except Exception as error:
            self.problem = self.problem or error
            self._stop()
            return None

    def _add_baselines(self) -> None:
        """A plan that grew may need baselines that it did not need before."""
        new = [job for job in pending_baselines(self.plan, self.stop_file) if job.job_id not in self._baselines]
        self._baselines |= {job.job_id for job in new}
        self.baselines += new

    def _start(self, assignment: Assignment) -> Job:
        trial_id = assignment.task.trial_id
        job = trial_job(self.plan, self.record(trial_id), assignment, self.stop_file)
        self.running[trial_id] = (job, assignment)
        self.order += 1
        fields = {"order": self.order, "until": assignment.task.until, "steps_to_run": assignment.num_steps}
        self._append("started", trial_id=trial_id, **fields, stages=list(assignment.makes))
        return job

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
        self._append("planned", trials=len(self.plan.record.trials), to_run=self.agenda.num_trials)
        for net in dict.fromkeys(trial.config.validation.lpips for trial in self.plan.trials.values()):
            found = find_metric(net)
            if isinstance(found, Absent):
                self._append("metric_absent", metric=f"lpips_{net}", reason=found.reason)
        if not any(trial.cell.keys.pretrained for trial in self.plan.trials.values()):
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

    def _on_retry(self, job: Job, reason: str) -> None:
        self.deaths[job.job_id] = reason
        self._append("retried", job=job.job_id, reason=reason)
        self.console.line(f"{job.name}: the worker process died; the trial goes on from its last checkpoint.")

    def _on_end(self, job: Job, outcome: TrialOutcome | None, wall: float) -> None:
        died = outcome is None
        if outcome is None:
            error = f"{WORKER_DIED} ({self.deaths[job.job_id]})" if job.job_id in self.deaths else WORKER_DIED
            step = read_progress(job.folder).step
            outcome = TrialOutcome(Status.failed, steps=step, error=error, failed_step=step)
        if job.kind is not JobKind.trial:
            self._baseline_ended(job, outcome, wall)
            return
        _, assignment = self.running.pop(job.job_id)
        behind = self.schedule.behind(assignment, outcome.failed_step) if outcome.failed_step >= 0 else []
        self.schedule.ended(job.job_id)
        self.steps_run += outcome.steps_run
        for text in outcome.damages:
            self._append("damaged", job=job.job_id, entry=text)
            self.console.line(f"Damaged in the store, set aside and made again: {text}.")
        if outcome.is_full:
            self.problem = self.problem or MflabError(
                f"{outcome.error} To go on: {repeat_command(self.plan.overrides)}"
            )
            self._stop()
        # Paused at a rung, a trial has responses and goes on, or the agenda says why not.
        if not (outcome.status is Status.stopped and outcome.responses):
            self._trial_ended(self.record(job.job_id), outcome, wall)
        self._write_verdicts(self.agenda.ended(job.job_id, outcome))
        if outcome.status is Status.diverged:
            self._spread_divergence()
        for trial_id in behind:
            cause = f"its common stage with trial {job.job_id} failed: {outcome.error}"
            self.schedule.remove(trial_id)
            steps = outcome.steps if not died else 0
            self._trial_ended(self.record(trial_id), TrialOutcome(Status.failed, steps=steps, error=cause), 0.0)
        if self.throttle.is_due():
            self.export()

    def _write_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Ends trials that the agenda stopped."""
        for trial_id, event, reason, steps in verdicts:
            self.counts[event] += 1
            self._append(event, trial_id=trial_id, error=reason, found=False, steps=steps)
            self.console.line(f"{trial_name(self.record(trial_id))}: {reason}.")

    def _spread_divergence(self) -> None:
        """Ends the trials that would diverge at the step at which one just did."""
        self.known.divergences = self.plan.store.names(Kind.divergence)
        for task in [task for trial, task in self.schedule.tasks.items() if trial not in self.schedule.running]:
            if any(task.route.chain.passes(name) for name in self.known.divergences):
                self._adopt(task)

    def _trial_ended(self, record: TrialRecord, outcome: TrialOutcome, wall: float, found: bool = False) -> None:
        self.counts[outcome.status.value] += 1
        self._append(outcome.status.value, **self._ending(record, outcome, wall, found))
        name = self.plan.record.response.name
        value = outcome.responses[name] if outcome.status is Status.done else None
        text = trial_name(record)
        if value is not None and self._is_better(value):
            self.best = (text, value)
        self.console.update(self._snapshot())
        note = "found in the store" if found else outcome.error
        self.console.ended(text, outcome.status.value, value, outcome.seconds, note)

    def _ending(self, record: TrialRecord, outcome: TrialOutcome, wall: float, found: bool) -> dict[str, Any]:
        # What a failed trial spent on training is lost with it, so what it spent on the rest is unknown.
        is_failed = outcome.status is Status.failed
        overhead = None if is_failed else wall - outcome.train_seconds - outcome.validate_seconds
        fields = asdict(outcome)
        for name in ("status", "failed_step", "is_full", "damages"):
            fields.pop(name)
        fields |= {"trial_id": record.trial_id, "wall_seconds": wall, "overhead_seconds": overhead, "found": found}
        fields |= {"threads": self.plan.trials[record.trial_id].config.train.threads}
        if outcome.status in (Status.failed, Status.diverged):
            fields["repeat"] = repeat_command(self.plan.overrides, record.trial_id)
            traceback = trial_folder(self.plan.folder, record.trial_id) / TRACEBACK_FILE
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
        self.leases.beat()
        if now - self.looked >= FOREIGN_SECONDS:
            self.looked = now
            self.schedule.retry_foreign()
        if now - self.ticked >= TICK_SECONDS:
            self.ticked = now
            self.console.update(self._snapshot())

    def _snapshot(self) -> Snapshot:
        running, made = [], self.steps_run
        for job, assignment in self.running.values():
            step = read_progress(job.folder).step
            running.append(RunningTrial(job.name, step, assignment.task.until))
            made += max(0, step - (assignment.task.until - assignment.num_steps))
        elapsed = time.monotonic() - self.started
        # A trial without steps still costs a validation, so a trial counts as one step more than it has.
        total = self.plan.record.steps_to_run + self.agenda.num_trials
        done = made + self.counts.total()
        is_known = self.plan.record.search is None
        return Snapshot(
            total=self.agenda.num_trials,
            counts=dict(self.counts),
            running=running,
            steps_per_second=made / elapsed if made > 0 else None,
            seconds_left=elapsed * (total - done) / done if is_known and total >= done > 0 else None,
            best=self.best,
        )


def exit_status(driver: Driver) -> int:
    """130 after an interruption, 1 if a trial or a baseline failed or diverged, now or before; else 0."""
    if driver.is_stopping:
        return 130
    bad = failures(driver)
    return 1 if bad or driver.failed_baselines else 0


def failures(driver: Driver) -> list[dict[str, Any]]:
    """Endings of the plan's trials that failed or diverged, in plan order."""
    plan, endings = driver.plan, latest(driver.rows)
    only = plan.config.sweep.only
    own = [endings[t.trial_id] for t in plan.record.trials if t.trial_id in endings and only in ("", t.trial_id)]
    return [row for row in own if row["event"] in (Status.failed.value, Status.diverged.value)]
