"""From overrides to the plan of a sweep: factors, cells, seeds, run order, audit, stage forest, cost."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from mflab.config import RootCfg
from mflab.data.splits import find_leakage
from mflab.design import Audit, Cell, Factor, Run, audit_design, make_design, parse_factors, replicate, run_order
from mflab.design.racing import check_race, race_threshold
from mflab.errors import MflabError
from mflab.results import (
    DesignRecord,
    FactorRecord,
    LevelRecord,
    Plan,
    ResponseRecord,
    StageRecord,
    TrialRecord,
)
from mflab.sweep.baselines import dataset_labels
from mflab.sweep.cells import compose_cells
from mflab.sweep.estimate import estimate_seconds
from mflab.sweep.forest import Forest
from mflab.sweep.identity import check_distinct
from mflab.sweep.inputs import InputCache
from mflab.sweep.known import Known
from mflab.sweep.ledger import latest
from mflab.sweep.overrides import check_overrides
from mflab.sweep.pending import is_over, task_of
from mflab.sweep.planned import SweepPlan, open_store, sweep_folder
from mflab.sweep.prepare import PreparedCell, PreparedTrial, Preparer, check_response
from mflab.sweep.provenance import provenance
from mflab.sweep.schedule import Schedule, count_steps


def make_plan(
    config: RootCfg, overrides: Sequence[str], ledger: Sequence[Mapping[str, Any]], cache: InputCache
) -> SweepPlan:
    """The plan of a sweep; every input of every cell is opened and checked on the way.

    Args:
        config: composed from `overrides`.
        overrides: the command line.
        ledger: rows of earlier starts: finished trials are not run again, and their speed gives the estimate.
        cache: keeps opened inputs.

    Raises:
        MflabError: a design that cannot answer its question, an override of a factor's key, two names for one
            treatment, or any input that is missing, broken or unfitting.
    """
    sweep = config.sweep
    if sweep.search.space or sweep.search.settings:
        raise MflabError("A search must have suggestions to make, but got trials=0; set sweep.search.trials.")
    factors = parse_factors(sweep.factors)
    owners = {key: f"factor {factor.name}" for factor in factors for key in factor.keys}
    check_overrides(overrides, owners, "sweep.factors")
    runs = replicate(make_design(sweep.design, factors, sweep.baseline), sweep.seeds)
    audit = audit_design(factors, runs)
    check_audit(audit, sweep.allow_confounded)
    order = run_order(runs, np.random.default_rng(sweep.order_seed))
    preparer = Preparer(cache)
    distinct = {_key(run.cell): run.cell for run in runs}
    composed = compose_cells(factors, list(distinct.values()), overrides)
    cells = {key: preparer.cell(*one) for key, one in zip(distinct, composed, strict=True)}
    prepared = [preparer.trial(cells[_key(run.cell)], run.seed) for run in runs]
    check_distinct([one.trial_id for one in prepared], [run.cell for run in runs], [run.seed for run in runs])
    trials = {one.trial_id: one for one in prepared}
    response = check_response(config, {one.config.validation.lpips for one in cells.values()})
    return assemble_plan(
        config,
        overrides,
        trials,
        [trial_record(one, run, place) for one, run, place in zip(prepared, runs, order, strict=True)],
        factors,
        audit,
        response,
        ledger,
    )


def assemble_plan(
    config: RootCfg,
    overrides: Sequence[str],
    trials: dict[str, PreparedTrial],
    records: Sequence[TrialRecord],
    factors: Sequence[Factor],
    audit: Audit,
    response: ResponseRecord,
    ledger: Sequence[Mapping[str, Any]],
    search: dict[str, Any] | None = None,
) -> SweepPlan:
    """The plan of prepared trials: what they share, what the store already has, what is left and how long it takes."""
    store = open_store(config)
    folder = sweep_folder(config)
    known = Known.of(store)
    configs = {one: trial.config for one, trial in trials.items()}
    labels = dataset_labels(configs, {one: trial.cell.keys for one, trial in trials.items()})
    records = [_with_dataset(record, labels[record.trial_id]) for record in records]
    endings = latest(ledger)
    # A search knows by itself what is left of it.
    waiting = records if search is None else []
    left = [record for record in waiting if not is_over(folder, record.trial_id, endings, retry_diverged=False)]
    schedule = Schedule(Known.of(store), lambda name: False)
    routes = {record.trial_id: trials[record.trial_id].route for record in records}
    schedule.add([task_of(trials[record.trial_id], folder, record.run_order) for record in left], routes)
    steps = count_steps(schedule)
    left_routes = [trials[one].route for one in steps]
    cells = list({id(one.cell): one.cell for one in trials.values()}.values())
    workers = _workers([config, *(cell.config for cell in cells)], config.sweep.workers)
    record = Plan(
        sweep=config.sweep.name,
        question=config.sweep.question,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        response=response,
        factors=tuple(_factor_record(factor) for factor in factors),
        design=DesignRecord("search" if search else config.sweep.design, tuple(config.sweep.seeds)),
        audit=audit.to_dict(),
        allow_confounded=config.sweep.allow_confounded,
        trials=tuple(records),
        stages=_stage_records(schedule.forest, trials, known),
        steps_asked=sum(record.steps for record in records),
        steps_distinct=schedule.forest.num_steps,
        steps_to_run=sum(steps.values()),
        estimated_seconds=None if search else estimate_seconds(steps, left_routes, ledger, workers),
        disk_bytes=sum(trials[node.trials[0]].cell.state_bytes for node in schedule.forest.nodes.values()),
        exactness=config.train.device.exactness if not cells else _exactness(cells),
        search=search,
        race=_race(config, len(cells)),
        provenance=_provenance(overrides, trials, labels, cells),
    )
    return SweepPlan(record, config, trials, tuple(overrides), folder, workers, store)


def refreshed(plan: SweepPlan, forest: Forest, known: Known) -> SweepPlan:
    """A plan that grew, with the stages of all its trials."""
    stages = _stage_records(forest, plan.trials, known)
    nodes = forest.nodes.values()
    disk = sum(plan.trials[node.trials[0]].cell.state_bytes for node in nodes)
    record = replace(plan.record, stages=stages, steps_distinct=forest.num_steps, disk_bytes=disk)
    return replace(plan, record=record)


def check_audit(audit: Audit, allow_confounded: bool) -> None:
    """Refuses a design whose main effects cannot be told apart.

    Raises:
        MflabError: with the audit's problems and the cells that would mend them.
    """
    if not audit.estimable and not allow_confounded:
        raise MflabError(
            f"A design must let its effects be told apart, but: {' '.join(audit.problems)} Change sweep.factors or "
            "sweep.design, or set sweep.allow_confounded=true to run it all the same."
        )


def _key(cell: Cell) -> tuple[tuple[str, str], ...]:
    return tuple(cell.items())


def trial_record(trial: PreparedTrial, run: Run, place: int) -> TrialRecord:
    """What a plan says of a trial; the name of its validation set follows when all trials are known."""
    return TrialRecord(
        trial_id=trial.trial_id,
        cell=dict(run.cell),
        seed=run.seed,
        run_order=place,
        steps=trial.config.train.steps,
        overrides=(*trial.cell.overrides, f"seed={run.seed}"),
        dataset="",
        views=trial.cell.views,
        stages=trial.cell.stages,
    )


def _with_dataset(record: TrialRecord, dataset: str) -> TrialRecord:
    return replace(record, dataset=dataset)


def _stage_records(forest: Forest, trials: Mapping[str, PreparedTrial], known: Known) -> tuple[StageRecord, ...]:
    records = []
    for node in forest.nodes.values():
        stages = trials[node.trials[0]].cell.stages
        prompts = [span.prompt for span in stages if span.start < node.end and node.start < span.end]
        done = node.name in known.histories
        records.append(
            StageRecord(node.name, node.parent, node.start, node.end, tuple(dict.fromkeys(prompts)), node.trials, done)
        )
    return tuple(records)


def _exactness(cells: Sequence[PreparedCell]) -> str:
    """The weaker of what the trials promise."""
    kinds = {cell.config.train.device.exactness for cell in cells}
    return "statistical" if "statistical" in kinds else "bitwise"


def _race(config: RootCfg, num_arms: int) -> dict[str, Any] | None:
    """The rule of a race, fixed before the start; None without one."""
    race = config.sweep.race
    if not race.looks:
        return None
    check_race(race, len(config.sweep.seeds))
    if num_arms < 2:
        raise MflabError(f"A race must have at least 2 arms, but got {num_arms}; add levels to sweep.factors.")
    threshold = race_threshold(len(race.looks), num_arms, race.alpha)
    return {"looks": list(race.looks), "alpha": race.alpha, "arms": num_arms, "threshold": threshold}


def _factor_record(factor: Factor) -> FactorRecord:
    return FactorRecord(factor.name, tuple(LevelRecord(level.name, dict(level.overrides)) for level in factor.levels))


def _provenance(
    overrides: Sequence[str],
    trials: Mapping[str, PreparedTrial],
    labels: Mapping[str, str],
    cells: Sequence[PreparedCell],
) -> dict[str, Any]:
    sources = {labels[one]: trial.cell.inputs.sources for one, trial in trials.items()}
    weights = sorted({cell.config.model.weights for cell in cells})
    leaky = {id(cell) for cell in cells if cell.config.data.allow_overlap and find_leakage(*cell.inputs.sources)}
    return {
        **provenance(overrides, sources, weights, torch.__version__),
        "overlap": sorted({labels[one] for one, trial in trials.items() if id(trial.cell) in leaky}),
    }


def _workers(configs: Sequence[RootCfg], asked: int) -> int:
    """Trials at a time: as asked, or as many as the cores hold.

    Raises:
        MflabError: a negative number.
    """
    if asked < 0:
        raise MflabError(f"workers must be at least 0, but got workers={asked}; set sweep.workers.")
    cores = len(os.sched_getaffinity(0))
    return asked or max(1, cores // max(config.train.threads for config in configs))
