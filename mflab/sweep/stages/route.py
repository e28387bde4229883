"""What a trial needs from the store: the states it passes, the evaluations on its way, its last state."""

from collections.abc import Set
from dataclasses import dataclass

from mflab.config import RootCfg, fingerprint
from mflab.sweep.stages.chain import Chain
from mflab.sweep.stages.inputs import TrialInputs
from mflab.sweep.stages.keys import Origin, evaluation_key, find_origin, make_chain
from mflab.sweep.stages.wanted import Wanted, make_wanted


@dataclass(frozen=True)
class Route:
    """A trial as the store sees it.

    Attributes:
        chain: states by step.
        evaluations: in ascending order of steps; the last belongs to the last state.
        leaf: name of the last state; empty for a trial without steps.
        keeps_weights: whether the weights of the last state are asked for.
    """

    chain: Chain
    evaluations: tuple[Wanted, ...]
    leaf: str
    keeps_weights: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the last state, if there is one, and of all entries of the evaluations."""
        return (*([self.leaf] if self.leaf else []), *(name for one in self.evaluations for name in one.names))

    def missing_evaluations(self, present: Set[str], until: int) -> list[Wanted]:
        """Evaluations up to step `until` of which something is not present."""
        return [one for one in self.evaluations if one.step <= until and not present >= set(one.names)]


@dataclass(frozen=True)
class RouteBase:
    """What the routes of trials have in common that differ in the optimiser and the seed alone.

    Attributes:
        origin: where they start.
        evaluation: see `evaluation_key`.
    """

    origin: Origin
    evaluation: str

    @staticmethod
    def of(config: RootCfg, inputs: TrialInputs) -> "RouteBase":
        """What the routes of a config have in common."""
        return RouteBase(find_origin(config, inputs), evaluation_key(config, inputs))


def make_route(
    config: RootCfg, inputs: TrialInputs, records: bytes, trial_id: str, base: RouteBase | None = None
) -> Route:
    """The route of a trial.

    Args:
        config: of the trial.
        inputs: what it reads.
        records: of the steps of its cell.
        trial_id: its id.
        base: found before for another optimiser or seed.
    """
    base = base or RouteBase.of(config, inputs)
    chain = make_chain(config, base.origin, records)
    if not config.store.share:
        chain = Chain(fingerprint([chain.root, trial_id]), fingerprint([chain.initial, trial_id]), chain.records)
    steps = inputs.validation_steps
    states = chain.names(list(steps))
    num_images = config.validation.num_images
    evaluations = tuple(
        make_wanted(chain, step, state, base.evaluation, num_images, inputs)
        for step, state in zip(steps, states, strict=True)
    )
    return Route(chain, evaluations, states[-1] if chain.num_steps else "", config.train.keep_weights)
