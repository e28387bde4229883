"""Takes the end of every trial: tells ledger, watcher and agenda, and ends those that end with it."""

from collections.abc import Sequence

from mflab.results import Status, TrialRecord
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.running.adopt import adopt, kept_steps
from mflab.sweep.running.agenda import Agenda, Verdict
from mflab.sweep.running.endings import ending_fields
from mflab.sweep.running.jobs import Job
from mflab.sweep.running.journal import Journal
from mflab.sweep.running.pending import trial_name
from mflab.sweep.running.scoreboard import Scoreboard
from mflab.sweep.stages.assignment import Assignment, Task
from mflab.sweep.stages.known import Known
from mflab.sweep.stages.outcome import TrialOutcome
from mflab.sweep.stages.schedule import Schedule
from mflab.sweep.store import Kind
from mflab.tracking.console import SweepConsole


class Registrar:
    """Registers ends.

    Args:
        journal: the ledger.
        console: shows them.
        schedule: forgets who ended.
        known: what the store has.
        agenda: decides what follows.

    Attributes:
        scores: how far this start has come.
        running: jobs at work, by trial.
    """

    def __init__(
        self, journal: Journal, console: SweepConsole, schedule: Schedule, known: Known, agenda: Agenda
    ) -> None:
        self.journal, self.console, self.schedule, self.known, self.agenda = journal, console, schedule, known, agenda
        self.scores = Scoreboard()
        self.running: dict[str, tuple[Job, Assignment]] = {}
        self._records: dict[str, TrialRecord] = {}
        self._num_looked = 0

    @property
    def plan(self) -> SweepPlan:
        """The plan as it is now: a search's grows."""
        return self.agenda.plan

    def record(self, trial_id: str) -> TrialRecord:
        """What the plan says of a trial."""
        if trial_id not in self._records:
            self._records = {record.trial_id: record for record in self.plan.record.trials}
        return self._records[trial_id]

    def name_of(self, trial_id: str) -> str:
        """A trial for people."""
        return trial_name(self.record(trial_id), self.plan.record.search is not None)

    def adopt_all(self) -> None:
        """Ends all trials that the store has in full."""
        looked: set[str] = set()
        # The agenda may add tasks when others end.
        while self.schedule.num_added > self._num_looked:
            self._num_looked = self.schedule.num_added
            for trial_id in [one for one in self.schedule.tasks if one not in looked]:
                looked.add(trial_id)
                if trial_id in self.schedule.tasks and trial_id not in self.schedule.running:
                    self._adopt(self.schedule.tasks[trial_id])

    def _adopt(self, task: Task) -> None:
        if self.plan.config.sweep.only:
            # Asked for by name, a trial that diverged runs again.
            return
        outcome = adopt(self.plan, task, kept_steps(self.schedule, task), self.known)
        for damage in self.plan.store.damages:
            self.tell_damage(task.trial_id, f"{damage.kind.name} {damage.name}: {damage.reason}")
        self.plan.store.damages.clear()
        if outcome is not None:
            self.schedule.remove(task.trial_id)
            self._end(self.record(task.trial_id), outcome, outcome.seconds, found=True)
            self.write_verdicts(self.agenda.ended(task.trial_id, outcome))

    def ended(self, job: Job, outcome: TrialOutcome, wall: float) -> None:
        """Registers the end of a job, and of the trials that end with it."""
        _, assignment = self.running.pop(job.job_id)
        behind = self.schedule.behind(assignment, outcome.failed_step) if outcome.failed_step >= 0 else []
        self.schedule.ended(job.job_id)
        self.scores.steps_run += outcome.steps_run
        for text in outcome.damages:
            self.tell_damage(job.job_id, text)
        if outcome.status is Status.stopped and outcome.responses:
            # At a rung: it goes on, or the agenda says why not.
            self.journal.append("paused", **ending_fields(self.plan, job.job_id, outcome, wall, found=False))
        else:
            self._end(self.record(job.job_id), outcome, wall)
        self.write_verdicts(self.agenda.ended(job.job_id, outcome))
        if outcome.status is Status.diverged:
            self._spread_divergence()
        for trial_id in behind:
            if trial_id in self.schedule.tasks:
                self.schedule.remove(trial_id)
                error = f"its common stage with trial {job.job_id} failed: {outcome.error}"
                shared = TrialOutcome(Status.failed, steps=outcome.steps, error=error)
                self._end(self.record(trial_id), shared, 0.0)
                self.write_verdicts(self.agenda.ended(trial_id, shared))
        if self.plan.record.race is not None:
            self.adopt_all()

    def tell_damage(self, job_id: str, text: str) -> None:
        self.journal.append("damaged", job=job_id, entry=text)
        self.console.line(f"Damaged in the store, set aside and made again: {text}.")

    def write_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Ends trials that the agenda stopped."""
        for one in verdicts:
            self.scores.counts[one.event] += 1
            decided = {} if one.rung_value is None else {"rung_value": one.rung_value}
            self.journal.append(
                one.event, trial_id=one.trial_id, error=one.reason, found=False, steps=one.steps, **decided
            )
            self.console.line(f"{self.name_of(one.trial_id)}: {one.reason}.")

    def _spread_divergence(self) -> None:
        """Ends the trials that would diverge at the step at which one just did."""
        self.known.divergences = self.plan.store.names(Kind.divergence)
        for task in [task for trial, task in self.schedule.tasks.items() if trial not in self.schedule.running]:
            if task.trial_id not in self.schedule.tasks:
                # The end of one of them ended this one.
                continue
            if any(task.route.chain.passes(name) for name in self.known.divergences):
                self._adopt(task)

    def _end(self, record: TrialRecord, outcome: TrialOutcome, wall: float, found: bool = False) -> None:
        self.scores.counts[outcome.status.value] += 1
        self.scores.found += found
        fields = ending_fields(self.plan, record.trial_id, outcome, wall, found=found)
        self.journal.append(outcome.status.value, **fields)
        name = self.name_of(record.trial_id)
        value = self.scores.value(self.plan, name, outcome)
        self.show()
        note = "found in the store" if found else outcome.error
        self.console.ended(name, outcome.status.value, value, outcome.seconds, note)

    def show(self) -> None:
        """Brings the panel up to date."""
        self.console.update(self.scores.snapshot(self.plan, self.agenda.num_trials, self.running.values()))
