"""Runs what a plan still misses: hands out jobs, keeps the ledger, shows progress, exports tables."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mflab.errors import MflabError
from mflab.results import PLAN_FILE, Status, TrialRecord
from mflab.sweep.adopt import adopt, kept_steps
from mflab.sweep.agenda import Agenda, Verdict
from mflab.sweep.endings import baseline_fields, ending_fields, failures
from mflab.sweep.export import Throttle, export, is_exported
from mflab.sweep.hooks import Hooks, JobRunner
from mflab.sweep.jobs import Job, JobKind, read_progress
from mflab.sweep.known import Known
from mflab.sweep.ledger import Ledger, latest
from mflab.sweep.needs import register_needs
from mflab.sweep.overrides import repeat_command
from mflab.sweep.pending import baseline_files, pending_baselines, pending_trials, trial_job, trial_name
from mflab.sweep.plan import refreshed
from mflab.sweep.planned import SweepPlan
from mflab.sweep.schedule import Assignment, Schedule, Task
from mflab.sweep.scoreboard import Scoreboard
from mflab.sweep.start_events import start_events
from mflab.sweep.stop_switch import StopSwitch
from mflab.sweep.store import Kind
from mflab.sweep.store.leases import Leases
from mflab.sweep.trial import TrialOutcome
from mflab.tracking.console import SweepConsole
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
        self.stop = StopSwitch(plan.folder)
        self.scores = Scoreboard()
        self.running: dict[str, tuple[Job, Assignment]] = {}
        self._records: dict[str, TrialRecord] = {}
        self.failed_baselines: list[str] = []
        self.has_new_baselines = self.has_announced = False
        is_search = plan.record.search is not None and not plan.config.sweep.only
        pending = [] if is_search else pending_trials(plan, latest(self.rows))
        self.baselines = pending_baselines(plan, self.stop.file)
        self._baselines = {job.job_id for job in self.baselines}
        self.known = Known.of(plan.store)
        self.schedule = Schedule(self.known, self._is_stored)
        self.agenda = make_agenda(plan, pending, self.schedule, latest(self.rows))
        self._written = plan
        self.problem: Exception | None = None
        self.deaths: dict[str, str] = {}
        self.throttle = Throttle()
        self.ticked = self.looked = time.monotonic()
        self.order = 0

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
        for event, fields in start_events(self.plan, self.agenda.num_trials):
            self._append(event, **fields)
        self.stop.clear()
        try:
            with self.console, self.stop.on_signals(self.console.line), Leases(self.plan.store.files) as leases:
                self.leases = self.schedule.claims = leases
                register_needs(self.plan, self.schedule.forest, latest(self.rows), self.known)
                self._adopt_all()
                self._write_verdicts(self.agenda.verdicts)
                if self.baselines or not self.agenda.is_finished:
                    configs = [self.plan.config, *(trial.config for trial in self.plan.trials.values())]
                    threads = max(config.train.threads for config in configs)
                    hooks = Hooks(
                        num_jobs=len(self.baselines) + max(1, self.agenda.num_trials - self.scores.counts.total()),
                        next_job=self._next_job,
                        is_finished=lambda: self.stop.is_on or (not self.baselines and self.agenda.is_finished),
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
            self.stop.clear()
            if self.stop.is_on:
                self._append("interrupted", running=sorted(self.running))
            self._append("end", counts=dict(self.scores.counts))
            register_needs(self.plan, self.schedule.forest, latest(self.rows), self.known)
            self.export()

    def write_plan(self) -> None:
        """Writes `plan.json`."""
        self._written = self.plan
        plan = self.plan if self.plan.record.search is None else refreshed(self.plan, self.schedule.forest, self.known)
        content = plan.record.to_json().encode()
        write_atomically(self.plan.folder / PLAN_FILE, lambda file: file.write(content))

    def export(self) -> None:
        """Brings the tables of the sweep folder up to date."""
        if self.plan is not self._written:
            self.write_plan()
        with self.throttle:
            self._export()

    def _export(self) -> None:
        files = [file for file, _ in baseline_files(self.plan).values()]
        if not self.has_new_baselines and is_exported(self.plan.folder, self.plan.record, latest(self.rows), files):
            return
        export(self.plan.folder, self.plan.record, self.rows, files)

    def _guarded(self, call: Callable[..., None]) -> Callable[..., None]:
        """Keeps the driver's own problems from the scheduler, which would take them for a failed trial."""

        def guarded(*values: Any) -> None:
            try:
                call(*values)
            except Exception as error:
                self.problem = self.problem or error
                self.stop.turn_on()

        return guarded

    def _append(self, event: str, **fields: Any) -> None:
        self.rows.append(self.ledger.append(event, **fields))

    def _is_stored(self, name: str) -> bool:
        return self.plan.store.has(Kind.history, name) and self.plan.store.has(Kind.state, name)

    def _adopt_all(self) -> None:
        """Ends all trials that the store has in full."""
        for task in list(self.schedule.tasks.values()):
            self._adopt(task)

    def _adopt(self, task: Task) -> None:
        if self.plan.config.sweep.only:
            # Asked for by name, a trial that diverged runs again.
            return
        outcome = adopt(self.plan, task, kept_steps(self.schedule, task), self.known)
        for damage in self.plan.store.damages:
            self._tell_damage(task.trial_id, f"{damage.kind.name} {damage.name}: {damage.reason}")
        self.plan.store.damages.clear()
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
                register_needs(self.plan, self.schedule.forest, latest(self.rows), self.known)
            return None if assignment is None else self._start(assignment)
        except Exception as error:
            self.problem = self.problem or error
            self.stop.turn_on()
            return None

    def _add_baselines(self) -> None:
        """A plan that grew may need baselines that it did not need before."""
        new = [job for job in pending_baselines(self.plan, self.stop.file) if job.job_id not in self._baselines]
        self._baselines |= {job.job_id for job in new}
        self.baselines += new

    def _start(self, assignment: Assignment) -> Job:
        trial_id = assignment.task.trial_id
        job = trial_job(self.plan, self.record(trial_id), assignment, self.stop.file)
        self.running[trial_id] = (job, assignment)
        self.order += 1
        fields = {"order": self.order, "until": assignment.task.until, "steps_to_run": assignment.num_steps}
        self._append("started", trial_id=trial_id, **fields, stages=list(assignment.makes))
        return job

    def _on_retry(self, job: Job, reason: str) -> None:
        self.deaths[job.job_id] = reason
        self._append("retried", job=job.job_id, reason=reason)
        self.console.line(f"{job.name}: the worker process died; the trial goes on from its last checkpoint.")

    def _on_end(self, job: Job, outcome: TrialOutcome | None, wall: float) -> None:
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
        self.scores.steps_run += outcome.steps_run
        for text in outcome.damages:
            self._tell_damage(job.job_id, text)
        if outcome.is_full:
            self.problem = self.problem or MflabError(
                f"{outcome.error} To go on: {repeat_command(self.plan.overrides)}"
            )
            self.stop.turn_on()
        if outcome.status is Status.stopped and outcome.responses:
            # At a rung: it goes on, or the agenda says why not.
            fields = ending_fields(self.plan, job.job_id, outcome, wall, found=False)
            self._append("paused", **fields)
        else:
            self._trial_ended(self.record(job.job_id), outcome, wall)
        self._write_verdicts(self.agenda.ended(job.job_id, outcome))
        if outcome.status is Status.diverged:
            self._spread_divergence()
        for trial_id in behind:
            if trial_id in self.schedule.tasks:
                self.schedule.remove(trial_id)
                error = f"its common stage with trial {job.job_id} failed: {outcome.error}"
                shared = TrialOutcome(Status.failed, steps=outcome.steps, error=error)
                self._trial_ended(self.record(trial_id), shared, 0.0)
                self._write_verdicts(self.agenda.ended(trial_id, shared))
        if self.throttle.is_due():
            self.export()

    def _tell_damage(self, job_id: str, text: str) -> None:
        self._append("damaged", job=job_id, entry=text)
        self.console.line(f"Damaged in the store, set aside and made again: {text}.")

    def _write_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Ends trials that the agenda stopped."""
        for trial_id, event, reason, steps in verdicts:
            self.scores.counts[event] += 1
            self._append(event, trial_id=trial_id, error=reason, found=False, steps=steps)
            self.console.line(f"{trial_name(self.record(trial_id))}: {reason}.")

    def _spread_divergence(self) -> None:
        """Ends the trials that would diverge at the step at which one just did."""
        self.known.divergences = self.plan.store.names(Kind.divergence)
        for task in [task for trial, task in self.schedule.tasks.items() if trial not in self.schedule.running]:
            if task.trial_id not in self.schedule.tasks:
                # The end of one of them ended this one.
                continue
            if any(task.route.chain.passes(name) for name in self.known.divergences):
                self._adopt(task)

    def _trial_ended(self, record: TrialRecord, outcome: TrialOutcome, wall: float, found: bool = False) -> None:
        self.scores.counts[outcome.status.value] += 1
        fields = ending_fields(self.plan, record.trial_id, outcome, wall, found=found)
        self._append(outcome.status.value, **fields)
        name = trial_name(record)
        value = self.scores.value(self.plan, name, outcome)
        self._show()
        note = "found in the store" if found else outcome.error
        self.console.ended(name, outcome.status.value, value, outcome.seconds, note)

    def _announce_wait(self) -> None:
        """Says once for whom this driver waits."""
        names = self.schedule.foreign_stages() if self.schedule.is_waiting_for_others else []
        holders = {holder for name in names if (holder := self.leases.holder(name)) is not None}
        if holders and not self.has_announced:
            self.console.line(f"Waiting for stages that {', '.join(sorted(holders))} makes in the same store.")
        self.has_announced = bool(holders)

    def _show(self) -> None:
        running = self.running.values()
        self.console.update(self.scores.snapshot(self.plan, self.agenda.num_trials, running))

    def _baseline_ended(self, job: Job, outcome: TrialOutcome, wall: float) -> None:
        self._append(f"baseline_{outcome.status.value}", **baseline_fields(job, outcome, wall))
        self.has_new_baselines = True
        if outcome.status is Status.failed:
            self.failed_baselines.append(f"{job.name} on {job.dataset}: {outcome.error}")

    def _on_tick(self) -> None:
        now = time.monotonic()
        self.leases.beat()
        if now - self.looked >= FOREIGN_SECONDS:
            # At a time of its own, so that two drivers do not ask at the same moment for ever.
            self.looked = now + random.uniform(0.0, FOREIGN_SECONDS)
            self._announce_wait()
            self.schedule.retry_foreign()
        if now - self.ticked >= TICK_SECONDS:
            self.ticked = now
            self._show()


def exit_status(driver: Driver) -> int:
    """130 after an interruption, 1 if a trial or a baseline failed or diverged, now or before; else 0."""
    if driver.stop.is_on:
        return 130
    return 1 if failures(driver.plan, latest(driver.rows)) or driver.failed_baselines else 0
