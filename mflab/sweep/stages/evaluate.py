"""Evaluates the state in memory as a trial asks, and stores what was measured."""

import time

from mflab.config import RootCfg
from mflab.errors import MflabError
from mflab.sweep.stages.artifacts import draw_strips
from mflab.sweep.stages.chain import Chain
from mflab.sweep.stages.inputs import InputCache, TrialInputs, open_inputs
from mflab.sweep.stages.keys import evaluation_key, evaluation_name
from mflab.sweep.stages.place import Place
from mflab.sweep.stages.records import pack_evaluation, pack_pictures
from mflab.sweep.stages.route import Wanted, pictures_name
from mflab.sweep.store import Kind, Store
from mflab.train import Diverged, average_weights


def is_evaluated(store: Store, wanted: Wanted) -> bool:
    """Whether the store has all of an evaluation."""
    return all(store.has(Kind.evaluation, name) for name in wanted.names)


def inputs_as_planned(chain: Chain, wanted: Wanted, config: RootCfg, cache: InputCache) -> TrialInputs | None:
    """What another trial of the plan reads; None where that changed since the plan, which the trial will say itself.

    Args:
        chain: passes the state to be evaluated.
        wanted: the evaluation, under the name that the plan gave it.
        config: of the other trial.
        cache: inputs that this process opened before.
    """
    try:
        inputs = open_inputs(config, cache)
    except MflabError:
        return None
    state = chain.name(wanted.step) if wanted.step else ""
    name = evaluation_name(chain, wanted.step, state, evaluation_key(config, inputs))
    return inputs if name == wanted.name else None


def evaluate(place: Place, wanted: Wanted, config: RootCfg, inputs: TrialInputs) -> None:
    """Validates the averaged weights of what is in memory, as a config says, and stores rows and pictures.

    Raises:
        Diverged: a weight or a prediction is no number.
    """
    started = time.perf_counter()
    if not place.has_numbers:
        raise Diverged(wanted.step, "a weight", float("nan"))
    with average_weights(place.state.module, place.state.average):
        prompts = inputs.prompts[config.prompts.style].tensor.float()
        validation = inputs.validator.validate(place.model, prompts, wanted.step)
    seconds = time.perf_counter() - started
    meta = place.meta()
    if wanted.num_images:
        strips = draw_strips(inputs.validator.names, validation.images)
        name = pictures_name(wanted.name, wanted.num_images)
        place.store.put_bytes(Kind.evaluation, name, pack_pictures(strips), meta)
    place.store.put_bytes(Kind.evaluation, wanted.name, pack_evaluation(validation.rows, seconds), meta)
