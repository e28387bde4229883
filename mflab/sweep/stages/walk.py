"""The way along one chain of stages: whatever the store has is loaded, the rest is trained, evaluated and stored."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from mflab.config import RootCfg
from mflab.sweep.stages.attempts import Attempt, append_attempt
from mflab.sweep.stages.divergence import Divergence
from mflab.sweep.stages.evaluate import evaluate, inputs_as_planned, is_evaluated
from mflab.sweep.stages.inputs import TrialInputs
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.place import Place
from mflab.sweep.stages.route import Route
from mflab.sweep.stages.wanted import Wanted
from mflab.sweep.stages.work import StageFailed, Work
from mflab.sweep.store import Kind, Store
from mflab.train import Diverged, StepRecord, train

# Evaluations that are not there yet, each with the config that says how.
Missing = Sequence[tuple[Wanted, RootCfg]]


class Walk:
    """Makes what a route still misses.

    Args:
        trial_id: goes into the headers of what is stored.
        config: the trial's config.
        inputs: what it reads.
        route: what it needs.
        work: what this job does of it.
        store: where everything is found and left.
        attempts: file that tells which states were begun and stored.
        report: called with the step after every step; it may raise to stop the walk.
        cache: inputs that this process opened before.
    """

    def __init__(
        self,
        trial_id: str,
        config: RootCfg,
        inputs: TrialInputs,
        route: Route,
        work: Work,
        store: Store,
        attempts: Path,
        report: Callable[[int], None],
        cache: InputCache,
    ) -> None:
        self.config, self.inputs, self.route, self.work = config, inputs, route, work
        self.store, self.attempts, self.report, self.cache = store, attempts, report, cache
        self.chain = route.chain
        self.place = Place(trial_id, config, inputs, route.chain, store, work.keep, cache.shelf)
        self.train_seconds = self.validate_seconds = 0.0
        self.steps_run = 0
        self.divergence: Divergence | None = None
        self._begun: Attempt | None = None

    @property
    def step(self) -> int:
        """Step reached by what is in memory."""
        return self.place.step

    def run(self, needs_state: bool) -> None:
        """Reaches every step at which something is missing.

        Args:
            needs_state: whether the state at the end of the job is needed itself, not only what was recorded of it.

        Raises:
            Diverged: a loss, a weight or a prediction is no number; the store has it too, for who passes here next.
        """
        until = self.work.until
        wanted = [(one, self.config) for one in self.route.evaluations] + list(self.work.others)
        missing = [(one, config) for one, config in wanted if one.step <= until and not is_evaluated(self.store, one)]
        targets = {one.step for one, _ in missing}
        if until and (
            not self.store.has(Kind.history, self.chain.name(until))
            or (needs_state and not self.store.has(Kind.state, self.chain.name(until)))
        ):
            targets.add(until)
        if targets and min(targets) < self.step:
            # What is in memory has gone too far: begin again from what is stored.
            self.place.leave()
        for target in sorted(targets):
            self._reach(target, missing)
            self._evaluate_all(missing)

    def save(self) -> None:
        """Stores where the walk is, so that the next start goes on from here; nothing if it is nowhere."""
        if self.step:
            self._save(is_kept=False)

    def average(self) -> dict[str, torch.Tensor] | None:
        """Averaged weights at the end of the job if they are in memory."""
        if not self.place.is_set or self.step != self.work.until:
            return None
        return {name: value.cpu() for name, value in self.place.state.average.average.items()}

    def untrained(self) -> dict[str, torch.Tensor]:
        """Averaged weights of the network before its first step."""
        if not self.place.is_set:
            self.place.load(0)
        return {name: value.cpu() for name, value in self.place.state.average.average.items()}

    def _reach(self, target: int, missing: Missing) -> None:
        """Brings the state before step `target` into memory, from the nearest state there is."""
        for start in self.place.starts(target):
            if self.place.load(start):
                self._begun = None
                break
        if self.place.state.step < target:
            self._train(target, missing)

    def _train(self, target: int, missing: Missing) -> None:
        """Trains to `target`, and does on the way what is due at each step."""
        start = self.place.state.step
        due = {one.step for one, _ in missing if start < one.step <= target}
        kept = {step for step in self.work.keep if start < step <= target}
        for stop in sorted({target, *due, *kept}):
            self._begin()
            self._advance(stop)
            self._evaluate_all(missing)
            # Last: who finds a state in the store finds all that was measured on the way to it.
            if stop in kept or (not self.config.train.checkpoint_every and stop < self.chain.num_steps):
                self._save(stop in kept)

    def _begin(self) -> None:
        """Notes, once, which kept state is being made; none where the walk only passes a stored stage again."""
        present = self.place.state.step
        end = min((step for step in self.work.keep if present < step <= self.work.until), default=0)
        is_noted = self._begun is not None and self._begun.end == end
        if end and not is_noted and not self.store.has(Kind.state, self.chain.name(end)):
            self._begun = Attempt("begun", self.chain.name(end), present, end, os.getpid())
            append_attempt(self.attempts, self._begun)

    def _advance(self, until: int) -> None:
        state = self.place.state
        every = self.config.train.checkpoint_every
        before = elapsed = 0.0
        problem: Exception | None = None

        def on_step(record: StepRecord) -> None:
            nonlocal before, elapsed, problem
            self.place.add(record, record.seconds - before)
            self.steps_run += 1
            started = time.perf_counter()
            try:
                if every and state.step % every == 0 and state.step < until:
                    self._save(is_kept=False)
                self.report(state.step)
            except Exception as error:
                problem = error
                raise
            saving = time.perf_counter() - started
            before = record.seconds + saving
            elapsed += saving

        started = time.perf_counter()
        assert self.inputs.curriculum is not None
        try:
            train(state, self.place.network.task, self.inputs.curriculum, self.config.optim, until, on_step)
        except Diverged as error:
            self.divergence = self.place.save_divergence(error.step + 1, error, error.step, "")
            raise
        except Exception as error:
            if error is problem:
                # Storing or reporting failed, not the stage.
                raise
            raise StageFailed(state.step, error) from error
        finally:
            self.train_seconds += time.perf_counter() - started - elapsed

    def _evaluate_all(self, missing: Missing) -> None:
        """Makes what is missing at the present step; what goes wrong with another trial's evaluation is its own."""
        for wanted, config in missing:
            if wanted.step != self.place.state.step or is_evaluated(self.store, wanted):
                continue
            if config is self.config:
                self._evaluate(wanted, config, self.inputs)
                continue
            inputs = inputs_as_planned(self.chain, wanted, config, self.cache)
            if inputs is not None:
                try:
                    self._evaluate(wanted, config, inputs)
                except Diverged:
                    if not self.place.has_numbers:
                        raise

    def _evaluate(self, wanted: Wanted, config: RootCfg, inputs: TrialInputs) -> None:
        started = time.perf_counter()
        try:
            evaluate(self.place, wanted, config, inputs)
        except Diverged as error:
            only = wanted.name if self.place.has_numbers else ""
            self.divergence = self.place.save_divergence(wanted.step, error, error.step, only)
            raise
        self.validate_seconds += time.perf_counter() - started

    def _save(self, is_kept: bool) -> None:
        name = self.place.save(is_kept)
        if self._begun is not None and self._begun.state == name:
            append_attempt(self.attempts, self._begun._replace(event="stored"))
