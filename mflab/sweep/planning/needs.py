"""Which states of the store a sweep still needs."""

from collections.abc import Mapping
from typing import Any

from mflab.results import Status
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.planning.prepare import PreparedTrial
from mflab.sweep.stages.forest import Forest
from mflab.sweep.stages.known import Known
from mflab.sweep.store.references import ChainReference, register

_OVER = (Status.done.value, Status.diverged.value)


def register_needs(plan: SweepPlan, forest: Forest, endings: Mapping[str, Mapping[str, Any]], known: Known) -> None:
    """Tells the store which states this sweep still needs; collection spares them."""
    chains = []
    for trial in plan.trials.values():
        is_over = trial.trial_id in endings and endings[trial.trial_id]["event"] in _OVER
        chains.append(ChainReference(trial.trial_id, _states(trial, forest, known, is_over), is_over))
    register(plan.store, plan.record.sweep, plan.folder, chains)


def _states(trial: PreparedTrial, forest: Forest, known: Known, is_over: bool) -> tuple[str, ...]:
    """Names of the states that a trial may go on from, in order; the last alone if it is over."""
    chain = trial.route.chain
    if is_over or not chain.num_steps:
        return (trial.route.leaf,) if trial.route.leaf else ()
    every = trial.config.train.checkpoint_every or chain.num_steps
    steps = {forest.nodes[name].end for name in forest.paths[trial.trial_id]}
    steps |= {chain.num_steps, *range(every, chain.num_steps, every), *known.stored_steps(chain)}
    return tuple(chain.names(sorted(steps | {wanted.step for wanted in trial.route.evaluations if wanted.step})))
