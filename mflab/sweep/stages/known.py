"""What the store has, as far as a driver knows: one listing at its start, then what it hears of."""

from collections.abc import Callable, Iterable

from mflab.sweep.stages.chain import ROOT_DIGITS, Chain, step_of
from mflab.sweep.stages.route import Route
from mflab.sweep.stages.wanted import Wanted
from mflab.sweep.store import Kind, Store


class Known:
    """Names that are in the store.

    Args:
        is_evaluated: asks the store about one evaluation.

    Attributes:
        states: complete ones: state and history.
        histories: states that were complete once, the state itself may have been collected.
        evaluations: with pictures under names of their own.
        divergences: see `mflab.sweep.stages.divergence`.
    """

    def __init__(self, is_evaluated: Callable[[str], bool]) -> None:
        self._is_evaluated = is_evaluated
        self.states: set[str] = set()
        self.histories: set[str] = set()
        self.evaluations: set[str] = set()
        self.divergences: list[str] = []
        self._steps: dict[str, set[int]] = {}

    @classmethod
    def of(cls, store: Store) -> "Known":
        """Everything that is in the store now."""
        known = cls(lambda name: store.has(Kind.evaluation, name))
        known.evaluations = set(store.names(Kind.evaluation))
        known.divergences = store.names(Kind.divergence)
        states = set(store.names(Kind.state))
        for name in store.names(Kind.history):
            known.histories.add(name)
            if name in states:
                known.add_state(name)
        return known

    def add_state(self, name: str) -> None:
        """A state, with its history, is there."""
        self.states.add(name)
        self.histories.add(name)
        self._steps.setdefault(name[:ROOT_DIGITS], set()).add(step_of(name))

    def forget(self, kind: Kind, name: str) -> None:
        """An entry is not there any more."""
        if kind is Kind.evaluation:
            self.evaluations.discard(name)
        elif kind is Kind.divergence:
            self.divergences = [one for one in self.divergences if one != name]
        else:
            self.states.discard(name)
            self.histories -= {name} if kind is Kind.history else set()

    def stored_steps(self, chain: Chain) -> list[int]:
        """Steps of a chain whose states are there, ascending."""
        root = chain.root[:ROOT_DIGITS]
        steps = sorted(step for step in self._steps.get(root, ()) if step <= chain.num_steps)
        return [step for step, name in zip(steps, chain.names(steps), strict=True) if name in self.states]

    def add_evaluation(self, wanted: Wanted) -> None:
        """An evaluation is there, with its pictures."""
        self.evaluations.update(wanted.names)

    def look(self, route: Route, steps: Iterable[int]) -> bool:
        """Asks the store for evaluations of a trial up to the last of some steps; whether there were any unknown ones.

        Another driver, or a task that ended early, leaves more than is heard of.
        """
        missing = route.missing_evaluations(self.evaluations, max(steps, default=-1))
        found = [one for one in missing if all(map(self._is_evaluated, one.names))]
        for one in found:
            self.add_evaluation(one)
        return bool(found)

    def targets(self, route: Route, until: int, needs_state: bool) -> list[int]:
        """Steps up to `until` at which something of a trial is missing, ascending."""
        targets = {one.step for one in route.missing_evaluations(self.evaluations, until)}
        if until:
            name = route.leaf if until == route.chain.num_steps else route.chain.name(until)
            if name not in self.histories or (needs_state and name not in self.states):
                targets.add(until)
        return sorted(targets)
