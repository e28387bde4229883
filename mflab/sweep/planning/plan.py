"""From overrides to the plan of a sweep: factors, cells, seeds, run order, audit, stage forest, cost."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mflab.config import RootCfg
from mflab.design import Audit, Cell, Factor, audit_design, make_design, parse_factors, replicate, run_order
from mflab.errors import MflabError
from mflab.results import (
    DesignRecord,
    Plan,
    ResponseRecord,
    TrialRecord,
)
from mflab.sweep.planning.baselines import dataset_labels
from mflab.sweep.planning.cells import compose_cells
from mflab.sweep.planning.estimate import count_steps, estimate_seconds
from mflab.sweep.planning.ledger import latest
from mflab.sweep.planning.model_check import model_checks
from mflab.sweep.planning.model_process import ModelProcess
from mflab.sweep.planning.overrides import check_overrides, told_by_factor
from mflab.sweep.planning.plan_checks import check_audit, check_budget, num_workers
from mflab.sweep.planning.plan_records import (
    factor_record,
    plan_provenance,
    race_rule,
    stage_records,
    trial_record,
    weakest_exactness,
)
from mflab.sweep.planning.planned import SweepPlan, open_store, sweep_folder
from mflab.sweep.planning.prepare import PreparedTrial, Preparer
from mflab.sweep.planning.response import check_response
from mflab.sweep.planning.unfinished import is_dropped, is_over, task_of
from mflab.sweep.stages.forest import Forest, make_forest
from mflab.sweep.stages.identity import check_distinct
from mflab.sweep.stages.known import Known
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.schedule import Schedule


def make_plan(
    config: RootCfg,
    overrides: Sequence[str],
    ledger: Sequence[Mapping[str, Any]],
    cache: InputCache,
    models: ModelProcess | None = None,
) -> SweepPlan:
    """The plan of a sweep; every input of every cell is opened and checked on the way.

    Args:
        config: composed from `overrides`.
        overrides: the command line.
        ledger: rows of earlier starts: finished trials are not run again, and their speed gives the estimate.
        cache: keeps opened inputs.
        models: a process for the models of the plan, which may have started already; it is closed once they are
            checked.

    Raises:
        MflabError: a design that cannot answer its question, an override of a factor's key, two names for one
            treatment, or any input that is missing, broken or unfitting.
    """
    sweep = config.sweep
    if sweep.search.space or sweep.search.settings:
        raise MflabError("A search must have suggestions to make, but got trials=0; set sweep.search.trials.")
    # The models are built beside all of it.
    with model_checks(Path(config.paths.outputs), models) as start_check:
        factors = parse_factors(sweep.factors)
        owners = {key: f"factor {factor.name}" for factor in factors for key in factor.keys}
        check_overrides(overrides, owners, "sweep.factors")
        runs = replicate(make_design(sweep.design, factors, sweep.baseline), sweep.seeds)
        audit = audit_design(factors, runs)
        check_audit(audit, sweep.allow_confounded)
        order = run_order(runs, np.random.default_rng(sweep.order_seed))
        preparer = Preparer(cache, start_check)
        distinct = {_key(run.cell): run.cell for run in runs}
        with told_by_factor(owners, "sweep.factors"):
            composed = compose_cells(factors, list(distinct.values()), overrides)
            cells = {key: preparer.cell(*one) for key, one in zip(distinct, composed, strict=True)}
            prepared = [preparer.trial(cells[_key(run.cell)], run.seed) for run in runs]
        check_distinct([one.trial_id for one in prepared], [run.cell for run in runs], [run.seed for run in runs])
        trials = {one.trial_id: one for one in prepared}
        response = check_response(config, [(one.config, one.inputs) for one in cells.values()])
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
    records = [replace(record, dataset=labels[record.trial_id]) for record in records]
    endings = latest(ledger)
    # A search knows by itself what is left of it.
    waiting = records if search is None else []
    left = [one for one in waiting if not is_over(folder, one.trial_id, endings, [response.name], False)]
    if config.sweep.race.looks:
        left = [one for one in left if not is_dropped(endings, one.trial_id)]
    schedule = Schedule(Known.of(store), lambda name: False)
    chains = {record.trial_id: trials[record.trial_id].route.chain for record in records}
    tasks = [task_of(trials[record.trial_id], folder, record.run_order) for record in left]
    schedule.add(tasks, make_forest(chains))
    steps = count_steps(schedule)
    left_routes = [trials[one].route for one in steps]
    cells = list({id(one.cell): one.cell for one in trials.values()}.values())
    workers = num_workers([config, *(cell.config for cell in cells)], config.sweep.workers)
    stages = stage_records(schedule.forest, trials, known)
    facts = plan_provenance(overrides, trials, labels, cells, Path(config.paths.outputs))
    # Last: the models may be built still.
    sizes = [trials[node.trials[0]].cell.state_bytes for node in schedule.forest.nodes.values()]
    check_budget(config, max(sizes, default=0) if steps else 0)
    record = Plan(
        sweep=config.sweep.name,
        question=config.sweep.question,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        response=response,
        factors=tuple(factor_record(factor) for factor in factors),
        design=DesignRecord("search" if search else config.sweep.design, tuple(config.sweep.seeds)),
        audit=audit.to_dict(),
        allow_confounded=config.sweep.allow_confounded,
        trials=tuple(records),
        stages=stages,
        steps_asked=sum(record.steps for record in records),
        steps_distinct=schedule.forest.num_steps,
        steps_to_run=sum(steps.values()),
        estimated_seconds=None if search else estimate_seconds(steps, left_routes, ledger, workers),
        disk_bytes=sum(sizes),
        exactness=config.train.device.exactness if not cells else weakest_exactness(cells),
        search=search,
        race=race_rule(config, len(cells)),
        provenance=facts,
    )
    return SweepPlan(record, config, trials, schedule.forest, tuple(overrides), folder, workers, store)


def refreshed(plan: SweepPlan, forest: Forest, known: Known) -> SweepPlan:
    """A plan that grew, with the stages of all its trials."""
    stages = stage_records(forest, plan.trials, known)
    nodes = forest.nodes.values()
    disk = sum(plan.trials[node.trials[0]].cell.state_bytes for node in nodes)
    record = replace(plan.record, stages=stages, steps_distinct=forest.num_steps, disk_bytes=disk)
    return replace(plan, record=record)


def _key(cell: Cell) -> tuple[tuple[str, str], ...]:
    return tuple(cell.items())
