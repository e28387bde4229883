"""One trial, from its inputs to its files, along the store. Knows no Ray: a process runs one trial after another."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from torch import Tensor

from mflab.config import RootCfg
from mflab.errors import MflabError
from mflab.results import Status
from mflab.sweep.stages.artifacts import responses, trial_folder, weights_digest
from mflab.sweep.stages.assemble import assemble, has_weights, load_average, write_assembled
from mflab.sweep.stages.attempts import ATTEMPTS_FILE
from mflab.sweep.stages.chain import ROOT_DIGITS, step_of
from mflab.sweep.stages.divergence import Divergence, find_divergence
from mflab.sweep.stages.inputs import TrialInputs, open_inputs
from mflab.sweep.stages.keys import step_records
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.outcome import Progress, TrialOutcome
from mflab.sweep.stages.process_state import peak_memory_gb, prepare_process
from mflab.sweep.stages.route import Route, make_route
from mflab.sweep.stages.walk import Walk
from mflab.sweep.stages.work import StopTrial, Work
from mflab.sweep.store import Kind, Store
from mflab.train import Diverged

# An entry may be found damaged when the trial is put together: it is made again, this often.
MAX_PASSES = 3


def run_trial(
    config: RootCfg, trial_id: str, folder: Path, work: Work, report: Callable[[Progress], None], cache: InputCache
) -> TrialOutcome:
    """Does a job of a trial from whatever the store has, and leaves the trial's files in the sweep folder.

    Args:
        config: the resolved config.
        trial_id: names its files.
        folder: sweep folder.
        work: what to do, up to which step.
        report: called after every step; it may raise `StopTrial`.
        cache: inputs that this process opened before.

    Raises:
        MflabError: an input is missing, broken or other than at the time of the plan, or the store is full.
    """
    prepare_process(config.train.threads, config.seed)
    inputs = open_inputs(config, cache)
    route = make_route(config, inputs, step_records(config, inputs), trial_id)
    if route.names != work.planned:
        now, planned = next((now, then) for now, then in zip_longest(route.names, work.planned) if now != then)
        raise MflabError(
            f"Data, weights and prompts must stay as they were planned, but trial {trial_id} now makes {now} instead "
            f"of {planned}; start the sweep again to plan it anew."
        )
    store = Store(work.store, work.limits.budget_gb, work.limits.min_free_gb)
    job = _Job(config, trial_id, folder, inputs, route, work, store, report, cache)
    outcome = job.run()
    # Only now: what an error left of a model is nothing to go on with.
    job.walk.place.leave()
    return outcome


class _Job:
    """A job in progress: its walk and its clock."""

    def __init__(
        self,
        config: RootCfg,
        trial_id: str,
        folder: Path,
        inputs: TrialInputs,
        route: Route,
        work: Work,
        store: Store,
        report: Callable[[Progress], None],
        cache: InputCache,
    ) -> None:
        self.entered = time.perf_counter()
        self.config, self.trial_id, self.folder, self.inputs, self.route = config, trial_id, folder, inputs, route
        self.work, self.store, self.report = work, store, report
        self.ends = work.until == route.chain.num_steps
        self.needs_weights = self.ends and route.keeps_weights and not has_weights(folder, trial_id)
        attempts = trial_folder(folder, trial_id) / ATTEMPTS_FILE
        self.walk = Walk(trial_id, config, inputs, route, work, store, attempts, self._progress, cache)

    def run(self) -> TrialOutcome:
        found = None if self.work.is_repeat else self._known_divergence()
        if found is not None:
            return found
        try:
            for _ in range(MAX_PASSES):
                self.walk.run(needs_state=self.needs_weights and self.work.until > 0)
                outcome = self._finish()
                if outcome is not None:
                    return outcome
        except StopTrial:
            self.walk.save()
            return self._outcome(Status.stopped)
        except Diverged as error:
            outcome = self._as_diverged(self.walk.divergence) if self.walk.divergence is not None else None
            if outcome is None:
                raise error
            return outcome
        raise MflabError(
            f"A store must keep what was put into it, but entries of trial {self.trial_id} were damaged {MAX_PASSES} "
            f"times in a row; run `python -m mflab.sweep.store verify {self.store.url}` and check its disk."
        )

    def _progress(self, step: int) -> None:
        self.report(Progress(step, self.route.chain.num_steps))

    def _finish(self) -> TrialOutcome | None:
        """The outcome of the job with everything in the store; None if something there turned out to be damaged."""
        assembled = assemble(self.store, self.route, self.work.until, self.work.keep, self.inputs.curriculum)
        if assembled is None:
            return None
        if not self.ends:
            return self._outcome(Status.stopped, responses=responses(assembled.metrics))
        weights: dict[str, Tensor] | None = None
        if self.needs_weights:
            weights = self.walk.average()
            if weights is None:
                weights = self.walk.untrained() if not self.work.until else load_average(self.store, self.route.leaf)
            if weights is None:
                return None
        sha256 = write_assembled(self.folder, self.trial_id, Status.done, assembled, weights)
        return self._outcome(
            Status.done,
            responses=responses(assembled.metrics),
            seconds_alone=assembled.seconds,
            stages=assembled.stages,
            evaluations=assembled.evaluations,
            metrics_sha256=sha256,
            weights_sha256=assembled.weights_sha256 or (weights_digest(weights) if weights else ""),
        )

    def _known_divergence(self) -> TrialOutcome | None:
        """The outcome of a trial of which the store knows that it gives no numbers up to the end of this job."""
        prefix = f"{self.route.chain.root[:ROOT_DIGITS]}/"
        found = find_divergence(self.store, self.route, self.store.names(Kind.divergence, prefix))
        return self._as_diverged(found) if found is not None and step_of(found.name) <= self.work.until else None

    def _as_diverged(self, found: Divergence) -> TrialOutcome | None:
        """Keeps what was measured before; None if the record of it was damaged."""
        assembled = found.assemble(self.store, self.route, self.inputs.curriculum)
        if assembled is None:
            return None
        sha256 = write_assembled(self.folder, self.trial_id, Status.diverged, assembled, None)
        return replace(self._outcome(Status.diverged, error=found.message, metrics_sha256=sha256), steps=found.step)

    def _outcome(self, status: Status, **fields: Any) -> TrialOutcome:
        return TrialOutcome(
            status=status,
            steps=self.work.until if status is Status.done else self.walk.step,
            steps_run=self.walk.steps_run,
            seconds=time.perf_counter() - self.entered,
            train_seconds=self.walk.train_seconds,
            validate_seconds=self.walk.validate_seconds,
            peak_memory_gb=peak_memory_gb(),
            damages=[str(one) for one in self.store.damages],
            exactness=self.config.train.device.exactness,
            **fields,
        )
