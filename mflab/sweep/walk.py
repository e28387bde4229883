"""The way along one chain of stages: whatever the store has is loaded, the rest is trained, evaluated and stored."""

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mflab.config import RootCfg, StoreCfg
from mflab.errors import MflabError
from mflab.model import make_model
from mflab.sweep.artifacts import draw_strips, weights_digest
from mflab.sweep.attempts import Attempt, append_attempt
from mflab.sweep.inputs import InputCache, TrialInputs, open_inputs
from mflab.sweep.keys import ROOT_DIGITS, step_of
from mflab.sweep.records import History, pack_evaluation, pack_pictures
from mflab.sweep.route import Route, Wanted, pictures_name
from mflab.sweep.states import read_state, write_state
from mflab.sweep.store import Kind, Store
from mflab.sweep.store.collect import make_room
from mflab.train import (
    DiffusionTask,
    Diverged,
    StepRecord,
    TrainState,
    average_weights,
    find_device,
    torch_generator,
    train,
)


@dataclass(frozen=True)
class Work:
    """What one job does of a trial.

    Attributes:
        store: folder or URL, absolute.
        limits: of the store.
        leaf: name that the plan gave the trial's last state; the worker must find the same.
        until: last step of this job.
        keep: steps of the chain whose states outlive the job: ends of the plan's stages, and rungs of a search.
        others: evaluations that other trials of the plan need in the stages that this job trains, each with the config
            that says how.
        is_repeat: asked for by name, a trial that is known to diverge runs again.
    """

    store: str
    limits: StoreCfg
    leaf: str
    until: int
    keep: tuple[int, ...]
    others: tuple[tuple[Wanted, RootCfg], ...] = ()
    is_repeat: bool = False


class StopTrial(Exception):
    """Raised by a progress report: store the state and stop after the present step."""


class StageFailed(MflabError):
    """Training failed at a step: so it would for every trial that passes here."""

    def __init__(self, step: int, error: Exception) -> None:
        super().__init__(f"{type(error).__name__} at step {step}: {error}")
        self.step = step


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
        self.trial_id, self.config, self.inputs, self.route, self.work = trial_id, config, inputs, route, work
        self.store, self.attempts, self.report, self.cache = store, attempts, report, cache
        self.chain = route.chain
        self.train_seconds = self.validate_seconds = 0.0
        self.steps_run = 0
        self.divergence = ""
        self.history = History.empty()
        self._rows: list[tuple[float, float, float, float]] = []
        self._state: TrainState | None = None
        self._is_placed = False
        self._came_from = ""
        self._temporary = ""
        self._begun: Attempt | None = None

    @property
    def step(self) -> int:
        """Step reached by what is in memory."""
        return self._state.step if self._state is not None and self._is_placed else 0

    def run(self, needs_state: bool) -> None:
        """Reaches every step at which something is missing.

        Args:
            needs_state: whether the state at the end of the job is needed itself, not only what was recorded of it.

        Raises:
            Diverged: a loss, a weight or a prediction is no number; the store has it too, for who passes here next.
        """
        until = self.work.until
        wanted = [(one, self.config) for one in self.route.evaluations] + list(self.work.others)
        missing = [(one, config) for one, config in wanted if one.step <= until and not self._is_there(one)]
        targets = {one.step for one, _ in missing}
        if until and (
            not self.store.has(Kind.history, self.chain.name(until))
            or (needs_state and not self.store.has(Kind.state, self.chain.name(until)))
        ):
            targets.add(until)
        if targets and min(targets) < self.step:
            # What is in memory has gone too far: begin again from what is stored.
            self._is_placed = False
        for target in sorted(targets):
            self._reach(target, missing)
            self._evaluate_all(missing)

    def save(self) -> None:
        """Stores where the walk is, so that the next start goes on from here; nothing if it is nowhere."""
        if self.step:
            self._save(is_kept=False)

    def average(self) -> dict[str, torch.Tensor] | None:
        """Averaged weights at the end of the job if they are in memory."""
        if self._state is None or not self._is_placed or self._state.step != self.work.until:
            return None
        return {name: value.cpu() for name, value in self._state.average.average.items()}

    def untrained(self) -> dict[str, torch.Tensor]:
        """Averaged weights of the network before its first step."""
        return {name: value.cpu() for name, value in self._open().average.average.items()}

    def _is_there(self, wanted: Wanted) -> bool:
        return all(self.store.has(Kind.evaluation, name) for name in wanted.names)

    def _open(self) -> TrainState:
        """Builds the model once; the walk may need none."""
        if self._state is None:
            config, source = self.config, self.inputs.sources.train
            device = find_device(config.train.device)
            generator = torch_generator(config.seed, "init")
            self._model = make_model(config.model, config.data.size, len(source.view_names), generator).to(device)
            self._state = TrainState(self._model.unet, config.optim)
            prompts = {style: one.tensor.float() for style, one in self.inputs.prompts.items()}
            self._task = DiffusionTask(self._model, self.inputs.loader, prompts, config.train.base_style, config.seed)
        return self._state

    def _reach(self, target: int, missing: Sequence[tuple[Wanted, RootCfg]]) -> None:
        """Brings the state before step `target` into memory, from the nearest state there is."""
        for start in self._starts(target):
            if self._load(start):
                break
        if self._open().step < target:
            self._train(target, missing)

    def _starts(self, target: int) -> list[int]:
        """Steps from which to go on to `target`, best first; a start that cannot be loaded makes way for the next."""
        place = self._state.step if self._state is not None and self._is_placed else -1
        stored = self._stored(target)
        return [step for step in sorted({0, *stored}, reverse=True) if step > place]

    def _stored(self, target: int) -> list[int]:
        """Steps up to `target` whose states are in the store, whoever stored them."""
        prefix = f"{self.chain.root[:ROOT_DIGITS]}/"
        names = set(self.store.names(Kind.state, prefix)) & set(self.store.names(Kind.history, prefix))
        steps = sorted({step for step in map(step_of, names) if step <= target})
        return [step for step, name in zip(steps, self.chain.names(steps), strict=True) if name in names]

    def _load(self, step: int) -> bool:
        """Puts the walk at a stored step, or at the untrained network; false if the store's entry was damaged."""
        if not step:
            if self._state is not None and self._state.step:
                self._state = None
            self._open()
            self.history, self._came_from, temporary = History.empty(), "", ""
        else:
            state = self._open()
            name = self.chain.name(step)
            device = find_device(self.config.train.device)
            content = self.store.load(Kind.state, name, lambda file: read_state(file, device))
            history = self.store.load(Kind.history, name, lambda file: History.from_bytes(file.read()))
            entry = self.store.find(Kind.history, name)
            if content is None or history is None or entry is None:
                return False
            state.load_state_dict(content)
            self.history = history
            self._came_from = name
            is_kept = bool(entry.meta["kept"])
            if step in self.work.keep and not is_kept:
                # Whoever left it as a state to go on from must not take it away when going on.
                self.store.put_bytes(Kind.history, name, history.to_bytes(), {**entry.meta, "kept": True})
                is_kept = True
            temporary = "" if is_kept else name
        if self._temporary and step_of(self._temporary) < step:
            # Left behind: the walk jumps over what it would have gone on from.
            self._remove_temporary(temporary)
        # Steps of the place that is left are no part of this one's history.
        self._temporary, self._rows = temporary, []
        self._is_placed, self._begun = True, None
        return True

    def _train(self, target: int, missing: Sequence[tuple[Wanted, RootCfg]]) -> None:
        """Trains to `target`, and does on the way what is due at each step."""
        start = self._open().step
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
        place = self._open().step
        end = min((step for step in self.work.keep if place < step <= self.work.until), default=0)
        is_noted = self._begun is not None and self._begun.end == end
        if end and not is_noted and not self.store.has(Kind.state, self.chain.name(end)):
            self._begun = Attempt("begun", self.chain.name(end), place, end, os.getpid())
            append_attempt(self.attempts, self._begun)

    def _advance(self, until: int) -> None:
        state = self._open()
        every = self.config.train.checkpoint_every
        before = elapsed = 0.0

        problem: Exception | None = None

        def on_step(record: StepRecord) -> None:
            nonlocal before, elapsed, problem
            self._rows.append((record.loss, record.lr, record.grad_norm, record.seconds - before))
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
            train(state, self._task, self.inputs.curriculum, self.config.optim, until, on_step)
        except Diverged as error:
            self._keep_divergence(error, error.step + 1)
            raise
        except Exception as error:
            if error is problem:
                # Storing or reporting failed, not the stage.
                raise
            raise StageFailed(state.step, error) from error
        finally:
            self.train_seconds += time.perf_counter() - started - elapsed

    def _keep_divergence(self, error: Diverged, step: int, evaluation: str = "") -> None:
        """Stores what is known of a chain that gives no numbers, for who passes the state before step `step`.

        Args:
            error: what was no number.
            step: first state of the chain that has none.
            evaluation: the only evaluation that has none, where the state itself is whole.
        """
        self._flush()
        self.divergence = self.chain.name(step)
        meta = {**self._meta(), "step": error.step, "message": str(error), "evaluation": evaluation}
        self.store.put_bytes(Kind.divergence, self.divergence, self.history.to_bytes(), meta)

    def _evaluate_all(self, missing: Sequence[tuple[Wanted, RootCfg]]) -> None:
        """Makes what is missing at the present step; another trial's evaluation without numbers is that trial's."""
        for wanted, config in missing:
            if wanted.step == self._open().step and not self._is_there(wanted):
                try:
                    self._evaluate(wanted, config)
                except Diverged:
                    if config is self.config or not self._has_numbers():
                        raise

    def _has_numbers(self) -> bool:
        return all(bool(torch.isfinite(value).all()) for value in self._open().module.parameters())

    def _evaluate(self, wanted: Wanted, config: RootCfg) -> None:
        """Validates what is in memory, as a config says."""
        state = self._open()
        inputs = self.inputs if config is self.config else open_inputs(config, self.cache)
        started = time.perf_counter()
        try:
            if not self._has_numbers():
                raise Diverged(wanted.step, "a weight", float("nan"))
            with average_weights(state.module, state.average):
                prompts = inputs.prompts[config.prompts.style].tensor.float()
                validation = inputs.validator.validate(self._model, prompts, wanted.step)
        except Diverged as error:
            self._keep_divergence(error, wanted.step, wanted.name if self._has_numbers() else "")
            raise
        seconds = time.perf_counter() - started
        if wanted.num_images:
            strips = draw_strips(inputs.validator.names, validation.images)
            name = pictures_name(wanted.name, wanted.num_images)
            self.store.put_bytes(Kind.evaluation, name, pack_pictures(strips), self._meta())
        self.store.put_bytes(Kind.evaluation, wanted.name, pack_evaluation(validation.rows, seconds), self._meta())
        self.validate_seconds += time.perf_counter() - started

    def _save(self, is_kept: bool) -> None:
        """Stores the present state, then its history, which says that the state is complete."""
        state = self._open()
        self._flush()
        name = self.chain.name(state.step)
        content = state.state_dict()
        make_room(self.store, _num_bytes(content))
        meta = {**self._meta(), "parent": self._came_from, "kept": is_kept}
        meta["weights_sha256"] = weights_digest(state.average.average)
        self.store.put(Kind.state, name, lambda file: write_state(file, content), meta)
        self.store.put_bytes(Kind.history, name, self.history.to_bytes(), meta)
        if self._begun is not None and self._begun.state == name:
            append_attempt(self.attempts, self._begun._replace(event="stored"))
        self._remove_temporary(name)
        self._temporary = "" if is_kept else name
        self._came_from = name

    def _remove_temporary(self, name: str) -> None:
        """Removes the state that was stored on the way to this one, unless someone else keeps it by now."""
        if self._temporary in ("", name):
            return
        entry = self.store.find(Kind.history, self._temporary)
        if entry is None or not entry.meta["kept"]:
            self.store.remove(Kind.state, self._temporary)
            self.store.remove(Kind.history, self._temporary)

    def _flush(self) -> None:
        self.history = self.history.extended(History.from_rows(self._rows))
        self._rows = []

    def _meta(self) -> dict[str, Any]:
        """Who made an entry; nothing here is part of its name."""
        return {
            "trial_id": self.trial_id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "exactness": self.config.train.device.exactness,
        }


def _num_bytes(content: Any) -> int:
    """Bytes of all tensors in nested containers."""
    if isinstance(content, torch.Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, dict):
        return sum(_num_bytes(value) for value in content.values())
    if isinstance(content, list | tuple):
        return sum(_num_bytes(value) for value in content)
    return 0
