"""Divergence as a fact about a chain: who passes the same step with the same settings diverges there too."""

from collections.abc import Iterable
from dataclasses import dataclass

from mflab.curriculum import Curriculum
from mflab.results import MetricRow
from mflab.sweep.stages.assemble import Assembled, training_rows
from mflab.sweep.stages.records import History, unpack_evaluation
from mflab.sweep.stages.route import Route
from mflab.sweep.store import Kind, Store


@dataclass(frozen=True)
class Divergence:
    """Where a chain stops giving numbers.

    Attributes:
        name: in the store.
        step: the step that could not be done.
        message: what was no number.
    """

    name: str
    step: int
    message: str

    def assemble(self, store: Store, route: Route, curriculum: Curriculum | None) -> Assembled | None:
        """What was recorded before; None if the record was damaged."""
        history = store.load(Kind.divergence, self.name, lambda file: History.from_bytes(file.read()))
        if history is None:
            return None
        metrics: list[MetricRow] = []
        for wanted in route.evaluations:
            if wanted.step > self.step:
                continue
            for name in (wanted.name, *(part.name for part in wanted.parts)):
                found = store.load(Kind.evaluation, name, unpack_evaluation(wanted.step))
                metrics += found.rows if found is not None else []
        return Assembled(metrics, training_rows(history, curriculum), [], [], {}, "")


def find_divergence(store: Store, route: Route, names: Iterable[str]) -> Divergence | None:
    """The divergence on a trial's way, if one of these is.

    Args:
        store: where they are.
        route: the trial.
        names: divergences to consider.
    """
    evaluations = {"", *(wanted.name for wanted in route.evaluations)}
    for name in names:
        if route.chain.passes(name):
            entry = store.find(Kind.divergence, name)
            if entry is not None and entry.meta["evaluation"] in evaluations:
                return Divergence(name, int(entry.meta["step"]), str(entry.meta["message"]))
    return None
