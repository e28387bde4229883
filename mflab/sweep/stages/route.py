"""What a trial needs from the store: the states it passes, the evaluations on its way, its last state."""

from collections.abc import Set
from dataclasses import dataclass

from mflab.config import RootCfg, fingerprint
from mflab.sweep.stages.chain import Chain
from mflab.sweep.stages.inputs import TrialInputs
from mflab.sweep.stages.keys import evaluation_key, evaluation_name, make_chain


@dataclass(frozen=True)
class Wanted:
    """An evaluation that a trial needs.

    Attributes:
        step: of the state that is evaluated.
        name: in the store.
        num_images: scenes whose pictures are needed too.
    """

    step: int
    name: str
    num_images: int

    @property
    def names(self) -> tuple[str, ...]:
        """Entries that must be in the store."""
        return (self.name, pictures_name(self.name, self.num_images)) if self.num_images else (self.name,)


def pictures_name(evaluation: str, num_images: int) -> str:
    """Name of the pictures of an evaluation.

    Example:
        >>> pictures_name("ab/ab01", 6)
        'ab/ab01-pictures6'
    """
    return f"{evaluation}-pictures{num_images}"


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
        """Names of the last state, if there is one, and of the evaluations."""
        return (*([self.leaf] if self.leaf else []), *(one.name for one in self.evaluations))

    def missing_evaluations(self, present: Set[str], until: int) -> list[Wanted]:
        """Evaluations up to step `until` of which something is not present."""
        return [one for one in self.evaluations if one.step <= until and not present >= set(one.names)]


def make_route(config: RootCfg, inputs: TrialInputs, records: bytes, trial_id: str) -> Route:
    """The route of a trial; `records` are those of its cell."""
    chain = make_chain(config, inputs, records)
    if not config.store.share:
        chain = Chain(fingerprint([chain.root, trial_id]), fingerprint([chain.initial, trial_id]), chain.records)
    key = evaluation_key(config, inputs)
    steps = inputs.validation_steps
    states = chain.names(list(steps))
    evaluations = tuple(
        Wanted(
            step,
            evaluation_name(chain, step, state, key),
            config.validation.num_images if step == chain.num_steps else 0,
        )
        for step, state in zip(steps, states, strict=True)
    )
    return Route(chain, evaluations, states[-1] if chain.num_steps else "", config.train.keep_weights)
