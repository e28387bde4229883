"""Runs what a plan still misses: hands out jobs, tells the ledger, shows progress."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mflab.errors import MflabError
from mflab.results import TrialRecord
from mflab.sweep.planning.ledger import Ledger
from mflab.sweep.planning.needs import register_needs
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.running.adopt import is_found
from mflab.sweep.running.agenda import Agenda
from mflab.sweep.running.baseline_queue import BaselineQueue
from mflab.sweep.running.endings import dead_worker, failures, full_store
from mflab.sweep.running.hooks import Hooks, JobRunner
from mflab.sweep.running.jobs import Job, JobKind
from mflab.sweep.running.journal import Journal
from mflab.sweep.running.pending import pending_trials, trial_job
from mflab.sweep.running.registrar import Registrar
from mflab.sweep.running.start_events import start_events
from mflab.sweep.running.stop_switch import StopSwitch
from mflab.sweep.stages.assignment import Assignment
from mflab.sweep.stages.known import Known
from mflab.sweep.stages.outcome import Full, TrialOutcome
from mflab.sweep.stages.schedule import Schedule
from mflab.sweep.store import Kind
from mflab.sweep.store.full import full_disk, full_folder
from mflab.sweep.store.leases import Leases
from mflab.tracking.console import SweepConsole

TICK_SECONDS = 0.5
FOREIGN_SECONDS = 2.0
MakeAgenda = Callable[[SweepPlan, Sequence[TrialRecord], Schedule, Mapping[str, Mapping[str, Any]]], Agenda]


class Driver:
    """One start of a sweep.

    Args:
        plan: what to do.
        ledger: where everything that happens is written.
        console: where progress is shown.
        make_agenda: says which trials come when, of plan, pending trials, schedule and earlier endings.
    """

    def __init__(self, plan: SweepPlan, ledger: Ledger, console: SweepConsole, make_agenda: MakeAgenda) -> None:
        self.journal, self.console = Journal(ledger), console
        self.stop = StopSwitch(plan.folder)
        self.baselines = BaselineQueue(plan, self.stop, self.journal)
        self.problem: Exception | None = None
        self._deaths: dict[str, str] = {}
        self._has_announced = False
        self._ticked = self._looked = time.monotonic()
        self._order = 0
        is_search = plan.record.search is not None and not plan.config.sweep.only
        pending = [] if is_search else pending_trials(plan, self.journal.endings)
        self.known = Known.of(plan.store)
        self.schedule = Schedule(self.known, self._is_stored)
        self.agenda = make_agenda(plan, pending, self.schedule, self.journal.endings)
        self.registrar = Registrar(self.journal, console, self.schedule, self.known, self.agenda)

    @property
    def plan(self) -> SweepPlan:
        """The plan as it is now: a search's grows."""
        return self.registrar.plan

    @property
    def num_found(self) -> int:
        """Trials still to be ended that the store has in full."""
        tasks = [] if self.plan.config.sweep.only else self.schedule.tasks.values()
        return sum(is_found(task, self.known) for task in tasks)

    def run(self, run_jobs: JobRunner) -> None:
        """Does every missing job and leaves ledger and tables complete, whatever happens in between."""
        for event, fields in start_events(self.plan, self.agenda):
            self.journal.append(event, **fields)
        self.stop.clear()
        try:
            with self.console, self.stop.on_signals(self.console.line), Leases(self.plan.store.files) as leases:
                self.leases = self.schedule.claims = leases
                self._register_needs()
                self._guarded(self.registrar.adopt_all)()
                self.registrar.write_verdicts(self.agenda.verdicts)
                if self.problem is None and (self.baselines.jobs or not self.agenda.is_finished):
                    configs = [self.plan.config, *(trial.config for trial in self.plan.trials.values())]
                    run_jobs(self.plan.workers, max(config.train.threads for config in configs), self._hooks())
        finally:
            for step in (self._tell_end, self._register_needs, self.export):
                # What fails here must neither hide the first problem nor keep the rest from being done.
                self._guarded(step)()
            self.stop.clear()
        self._raise_problem()

    def write_plan(self) -> None:
        """Writes `plan.json`."""
        self.journal.write_plan(self.plan, self.schedule.forest, self.known)

    def export(self) -> None:
        """Brings the tables of the sweep folder up to date."""
        self.journal.export(self.plan, self.schedule.forest, self.known)

    def _hooks(self) -> Hooks:
        num_left = self.agenda.num_trials - self.registrar.scores.counts.total()
        return Hooks(
            num_jobs=len(self.baselines.jobs) + max(1, num_left),
            next_job=self._next_job,
            is_finished=lambda: self.stop.is_on or (not self.baselines.jobs and self.agenda.is_finished),
            on_end=self._guarded(self._on_end),
            on_retry=self._guarded(self._on_retry),
            on_tick=self._guarded(self._on_tick),
        )

    def _tell_end(self) -> None:
        if self.stop.is_on and self.problem is None:
            self.journal.append("interrupted", running=sorted(self.registrar.running))
        self.journal.append("end", counts=dict(self.registrar.scores.counts))

    def _raise_problem(self) -> None:
        if self.problem is None:
            return
        cause = full_disk(self.problem)
        if cause is not None and not isinstance(self.problem, MflabError):
            raise full_folder(self.plan.folder, cause) from self.problem
        if isinstance(self.problem, OSError):
            raise MflabError(
                f"The sweep folder must stay writable and readable, but {type(self.problem).__name__}: "
                f"{self.problem}; mend {self.plan.folder} and start again."
            ) from self.problem
        raise self.problem

    def _guarded(self, call: Callable[..., None]) -> Callable[..., None]:
        """Keeps the driver's own problems from the scheduler, which would take them for a failed trial."""

        def guarded(*values: Any) -> None:
            try:
                call(*values)
            except Exception as error:
                self._stop_for(error)

        return guarded

    def _stop_for(self, problem: Exception) -> None:
        self.problem = self.problem or problem
        self.stop.turn_on()

    def _register_needs(self) -> None:
        register_needs(self.plan, self.schedule.forest, self.journal.endings, self.known)

    def _is_stored(self, name: str) -> bool:
        return self.plan.store.has(Kind.history, name) and self.plan.store.has(Kind.state, name)

    def _next_job(self) -> Job | None:
        """The next job; None while everything left is held back."""
        try:
            if self.baselines.jobs:
                return self.baselines.jobs.pop(0)
            before = self.plan
            assignment = self.agenda.next()
            if self.plan is not before:
                self.baselines.add(self.plan)
                self._register_needs()
            return None if assignment is None else self._start(assignment)
        except Exception as error:
            self._stop_for(error)
            return None

    def _start(self, assignment: Assignment) -> Job:
        trial_id = assignment.task.trial_id
        job = trial_job(self.plan, self.registrar.record(trial_id), assignment, self.stop.file)
        self.registrar.running[trial_id] = (job, assignment)
        self.registrar.scores.start()
        self._order += 1
        fields = {"order": self._order, "until": assignment.task.until, "steps_to_run": assignment.num_steps}
        self.journal.append("started", trial_id=trial_id, **fields, stages=list(assignment.makes))
        return job

    def _on_retry(self, job: Job, reason: str) -> None:
        self._deaths[job.job_id] = reason
        self.journal.append("retried", job=job.job_id, reason=reason)
        self.console.line(f"{job.name}: the worker process died; the trial goes on from its last stored state.")

    def _on_end(self, job: Job, outcome: TrialOutcome | None, wall: float) -> None:
        if outcome is None:
            outcome = dead_worker(job, self._deaths[job.job_id] if job.job_id in self._deaths else "")
        if job.kind is not JobKind.trial:
            self.baselines.ended(job, outcome, wall)
            return
        self.registrar.ended(job, outcome, wall)
        if outcome.full is not Full.no:
            self._stop_for(full_store(self.plan, outcome))
        self.journal.export_if_due(self.plan, self.schedule.forest, self.known)

    def _announce_wait(self) -> None:
        """Says once for whom this driver waits."""
        names = self.schedule.foreign_stages() if self.schedule.is_waiting_for_others else []
        holders = {holder for name in names if (holder := self.leases.holder(name)) is not None}
        if holders and not self._has_announced:
            self.console.line(f"Waiting for stages that {', '.join(sorted(holders))} makes in the same store.")
        self._has_announced = bool(holders)

    def _on_tick(self) -> None:
        now = time.monotonic()
        self.leases.beat()
        if now - self._looked >= FOREIGN_SECONDS:
            # At a time of its own, so that two drivers do not ask at the same moment for ever.
            self._looked = now + random.uniform(0.0, FOREIGN_SECONDS)
            self._announce_wait()
            self.schedule.retry_foreign()
        if now - self._ticked >= TICK_SECONDS:
            self._ticked = now
            self.registrar.show()


def exit_status(driver: Driver) -> int:
    """130 after an interruption, 1 if a trial or a baseline failed or diverged, now or before; else 0."""
    if driver.stop.is_on:
        return 130
    return 1 if failures(driver.plan, driver.journal.endings) or driver.baselines.failed else 0
