"""Where a process is on a chain: the network in memory, and what led to it; loaded from the store and stored there."""

import math
import os
import socket
from typing import Any

from torch import nn

from mflab.config import RootCfg
from mflab.sweep.stages.artifacts import weights_digest
from mflab.sweep.stages.chain import ROOT_DIGITS, Chain, step_of
from mflab.sweep.stages.divergence import Divergence
from mflab.sweep.stages.inputs import TrialInputs
from mflab.sweep.stages.network import Network, open_network
from mflab.sweep.stages.records import History
from mflab.sweep.stages.shelf import ModelShelf
from mflab.sweep.stages.states import PackedState, read_state
from mflab.sweep.store import Kind, Store
from mflab.sweep.store.collect import make_room
from mflab.train import StepRecord, TrainState, find_device


class Place:
    """The state before a step of a chain, and the history of the steps up to it. It is nowhere before the first `load`.

    Args:
        trial_id: goes into the headers of what is stored.
        config: the trial's config.
        inputs: what it reads.
        chain: names its states.
        store: where states are found and left.
        keep: steps whose states outlive the job.
        shelf: where models stand ready.
    """

    def __init__(
        self,
        trial_id: str,
        config: RootCfg,
        inputs: TrialInputs,
        chain: Chain,
        store: Store,
        keep: tuple[int, ...],
        shelf: ModelShelf,
    ) -> None:
        self.trial_id, self.config, self.inputs, self.chain = trial_id, config, inputs, chain
        self.store, self.keep, self.shelf = store, keep, shelf
        self.history = History.empty()
        self._network: Network | None = None
        self._rows: list[tuple[float, float, float, float]] = []
        self._came_from = ""
        self._temporary = ""

    @property
    def is_set(self) -> bool:
        """Whether a state is in memory."""
        return self._network is not None

    @property
    def step(self) -> int:
        """Step reached by what is in memory; 0 before anything is."""
        return self._network.state.step if self._network is not None else 0

    @property
    def network(self) -> Network:
        """What is in memory."""
        assert self._network is not None, "nothing was loaded"
        return self._network

    @property
    def state(self) -> TrainState:
        """Weights, their average, the optimiser and the step."""
        return self.network.state

    @property
    def has_numbers(self) -> bool:
        """Whether every weight is finite."""
        # The largest magnitude: unlike a sum or a root of squares, it is finite whenever all of them are.
        return bool(nn.utils.get_total_norm(self.state.weights, math.inf).isfinite())

    def starts(self, target: int) -> list[int]:
        """Steps from which to go on to `target`, best first; a start that cannot be loaded makes way for the next."""
        present = self.step if self.is_set else -1
        return [step for step in sorted({0, *self._stored(target)}, reverse=True) if step > present]

    def _stored(self, target: int) -> list[int]:
        """Steps up to `target` whose states are in the store, whoever stored them."""
        prefix = f"{self.chain.root[:ROOT_DIGITS]}/"
        names = set(self.store.names(Kind.state, prefix)) & set(self.store.names(Kind.history, prefix))
        steps = sorted({step for step in map(step_of, names) if step <= target})
        return [step for step, name in zip(steps, self.chain.names(steps), strict=True) if name in names]

    def load(self, step: int) -> bool:
        """Goes to a stored step, or to the untrained network; false if the store's entry was damaged."""
        if not step:
            self.leave()
            self._network = open_network(self.config, self.inputs, self.shelf)
            self.history, self._came_from, temporary = History.empty(), "", ""
        else:
            name = self.chain.name(step)
            device = find_device(self.config.train.device)
            content = self.store.load(Kind.state, name, lambda file: read_state(file, device))
            history = self.store.load(Kind.history, name, lambda file: History.from_bytes(file.read()))
            entry = self.store.find(Kind.history, name)
            if content is None or history is None or entry is None:
                return False
            if self._network is None:
                self._network = open_network(self.config, self.inputs, self.shelf)
            self._network.state.load_state_dict(content)
            self.history = history
            self._came_from = name
            is_kept = bool(entry.meta["kept"])
            if step in self.keep and not is_kept:
                # Whoever left it as a state to go on from must not take it away when going on.
                self.store.put_bytes(Kind.history, name, history.to_bytes(), {**entry.meta, "kept": True})
                is_kept = True
            temporary = "" if is_kept else name
        if self._temporary and step_of(self._temporary) < step:
            # Left behind: the way jumps over what it would have gone on from.
            self._remove_temporary(temporary)
        # Steps of the place that is left are no part of this one's history.
        self._temporary, self._rows = temporary, []
        return True

    def leave(self) -> None:
        """Is nowhere any more; the model is there for whoever comes next."""
        if self._network is not None:
            self.shelf.put_back(self._network.built)
            self._network = None

    def add(self, record: StepRecord, seconds: float) -> None:
        """Notes a step that was trained; `seconds` are its own."""
        self._rows.append((record.loss, record.lr, record.grad_norm, seconds))

    def save(self, is_kept: bool) -> str:
        """Stores the present state, then its history, which says that the state is complete; returns its name."""
        state = self.state
        self._flush()
        name = self.chain.name(state.step)
        packed = PackedState(state.state_dict())
        make_room(self.store, packed.num_bytes)
        meta = {**self.meta(), "parent": self._came_from, "kept": is_kept}
        meta["weights_sha256"] = weights_digest(state.average.average)
        self.store.put(Kind.state, name, packed.write, meta)
        self.store.put_bytes(Kind.history, name, self.history.to_bytes(), meta)
        self._remove_temporary(name)
        self._temporary = "" if is_kept else name
        self._came_from = name
        return name

    def save_divergence(self, step: int, error: Exception, error_step: int, evaluation: str) -> Divergence:
        """Stores that the chain gives no numbers from the state before `step` on.

        A state has one record. Where another evaluation of it had no numbers before, that one stays: both hold the same
        history.

        Args:
            step: first state of the chain that has none.
            error: what was no number.
            error_step: at which step it was found.
            evaluation: the only evaluation that has none, where the state itself is whole; else empty.
        """
        self._flush()
        name = self.chain.name(step)
        meta = {**self.meta(), "step": error_step, "message": str(error), "evaluation": evaluation}
        if not evaluation or self.store.find(Kind.divergence, name) is None:
            self.store.put_bytes(Kind.divergence, name, self.history.to_bytes(), meta)
        return Divergence(name, error_step, str(error))

    def meta(self) -> dict[str, Any]:
        """Who made an entry; nothing here is part of its name."""
        return {
            "trial_id": self.trial_id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "exactness": self.config.train.device.exactness,
        }

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
