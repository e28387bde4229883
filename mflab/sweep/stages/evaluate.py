"""Evaluates the state in memory as a trial asks, and stores what was measured."""

import time
from collections.abc import Sequence
from dataclasses import replace

from mflab.config import RootCfg
from mflab.errors import MflabError
from mflab.results import MetricRow
from mflab.sweep.stages.artifacts import draw_strips
from mflab.sweep.stages.chain import Chain
from mflab.sweep.stages.inputs import TrialInputs, open_inputs
from mflab.sweep.stages.keys import evaluation_key
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.place import Place
from mflab.sweep.stages.records import pack_evaluation, pack_pictures
from mflab.sweep.stages.wanted import SETS, Wanted, make_wanted, pictures_name
from mflab.sweep.store import Kind, Store
from mflab.train import Diverged


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
    num_images = config.validation.num_images
    found = make_wanted(chain, wanted.step, state, evaluation_key(config, inputs), num_images, inputs)
    # Sets belong to the last step, which may be another one on this chain.
    probes = [[part for part in one.parts if part.kind != SETS] for one in (found, wanted)]
    return inputs if found.name == wanted.name and probes[0] == probes[1] else None


def evaluate(place: Place, wanted: Wanted, config: RootCfg, inputs: TrialInputs) -> None:
    """Validates the averaged weights of what is in memory, as a config says, and stores what is missing of it.

    Raises:
        Diverged: a weight or a prediction is no number.
    """
    if not place.has_numbers:
        raise Diverged(wanted.step, "a weight", float("nan"))
    missing = {name for name in wanted.names if not place.store.has(Kind.evaluation, name)}
    with place.state.average.applied():
        probed = [part for part in wanted.parts if part.kind != SETS and part.name in missing]
        for part in probed:
            started = time.perf_counter()
            probe = inputs.probes[part.kind]
            rows = probe.validator.validate(place.network.model, probe.prompts.tensor.float(), wanted.step).rows
            named = [replace(row, metric=f"{part.kind}/{row.metric}") for row in rows]
            _store_rows(place, part.name, named, time.perf_counter() - started)
        if missing > {part.name for part in probed}:
            _evaluate_own(place, wanted, config, inputs)


def _evaluate_own(place: Place, wanted: Wanted, config: RootCfg, inputs: TrialInputs) -> None:
    """The validation set itself: pictures, rows of whole sets, rows of single views."""
    started = time.perf_counter()
    prompts = inputs.prompts[config.prompts.style].tensor.float()
    sets = [part for part in wanted.parts if part.kind == SETS]
    validation = inputs.validator.validate(place.network.model, prompts, wanted.step, with_sets=bool(sets))
    seconds = time.perf_counter() - started
    if wanted.num_images:
        strips = draw_strips(inputs.validator.names, validation.images)
        name = pictures_name(wanted.name, wanted.num_images)
        place.store.put_bytes(Kind.evaluation, name, pack_pictures(strips), place.meta())
    for part in sets:
        _store_rows(place, part.name, validation.set_rows, 0.0)
    _store_rows(place, wanted.name, validation.rows, seconds)


def _store_rows(place: Place, name: str, rows: Sequence[MetricRow], seconds: float) -> None:
    place.store.put_bytes(Kind.evaluation, name, pack_evaluation(rows, seconds), place.meta())
