"""Trials that the store already has in full: their files are put together without a worker."""

import time
from dataclasses import replace

from mflab.results import Status
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.stages.artifacts import responses
from mflab.sweep.stages.assemble import assemble, has_weights, load_average, write_assembled
from mflab.sweep.stages.assignment import Task
from mflab.sweep.stages.chain import step_of
from mflab.sweep.stages.divergence import find_divergence
from mflab.sweep.stages.known import Known
from mflab.sweep.stages.outcome import TrialOutcome
from mflab.sweep.stages.schedule import Schedule


def adopt(plan: SweepPlan, task: Task, keep: tuple[int, ...], known: Known) -> TrialOutcome | None:
    """The outcome of a trial that was already made, or is known to diverge, with its files written.

    None where something is missing or damaged: then the trial has to run.
    """
    started = time.perf_counter()
    num_damages = len(plan.store.damages)
    outcome = _diverged(plan, task, known) or _done(plan, task, keep, known)
    for damage in plan.store.damages[num_damages:]:
        known.forget(damage.kind, damage.name)
    if outcome is None:
        return None
    exactness = plan.trials[task.trial_id].config.train.device.exactness
    return replace(outcome, exactness=exactness, seconds=time.perf_counter() - started)


def is_found(task: Task, known: Known) -> bool:
    """Whether the store has everything of a trial that is to be brought to its end."""
    is_whole = 0 < task.until == task.route.chain.num_steps
    return is_whole and not known.targets(task.route, task.until, task.needs_state)


def kept_steps(schedule: Schedule, task: Task) -> tuple[int, ...]:
    """Ends of the stages that a trial shares or not, for telling their costs apart."""
    return tuple(schedule.forest.nodes[name].end for name in schedule.forest.paths[task.trial_id])


def _done(plan: SweepPlan, task: Task, keep: tuple[int, ...], known: Known) -> TrialOutcome | None:
    if not is_found(task, known):
        return None
    trial = plan.trials[task.trial_id]
    assembled = assemble(plan.store, task.route, task.until, keep, trial.curriculum)
    weights = None
    if assembled is not None and task.route.keeps_weights and not has_weights(plan.folder, task.trial_id):
        weights = load_average(plan.store, task.route.leaf)
        assembled = assembled if weights is not None else None
    if assembled is None:
        return None
    sha256 = write_assembled(plan.folder, task.trial_id, Status.done, assembled, weights)
    return TrialOutcome(
        Status.done,
        steps=task.until,
        seconds_alone=assembled.seconds,
        responses=responses(assembled.metrics),
        stages=assembled.stages,
        evaluations=assembled.evaluations,
        metrics_sha256=sha256,
        weights_sha256=assembled.weights_sha256,
    )


def _diverged(plan: SweepPlan, task: Task, known: Known) -> TrialOutcome | None:
    found = find_divergence(plan.store, task.route, known.divergences)
    if found is None or step_of(found.name) > task.until:
        return None
    curriculum = plan.trials[task.trial_id].curriculum
    assembled = found.assemble(plan.store, task.route, curriculum)
    if assembled is None:
        return None
    sha256 = write_assembled(plan.folder, task.trial_id, Status.diverged, assembled, None)
    return TrialOutcome(Status.diverged, steps=found.step, error=found.message, metrics_sha256=sha256)
