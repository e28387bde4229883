"""From overrides to the plan of a sweep: factors, cells, seeds, run order, audit, and one resolved config per trial."""

import copy
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mflab.config import RootCfg, compose
from mflab.data.scenes import SceneSource
from mflab.data.splits import find_leakage
from mflab.design import Audit, Cell, Factor, Run, audit_design, make_design, parse_factors, replicate, run_order
from mflab.errors import MflabError
from mflab.metrics import METRICS, Absent, LpipsMetric
from mflab.model import make_model
from mflab.prompts import PromptEmbeddings
from mflab.results import (
    DesignRecord,
    FactorRecord,
    LevelRecord,
    Plan,
    ResponseRecord,
    StageRecord,
    StageSpan,
    TrialRecord,
    ViewRecord,
    response_column,
    split_response,
)
from mflab.sweep.baselines import BaselineKeys, baseline_keys, dataset_labels
from mflab.sweep.estimate import estimate_seconds, remaining_steps
from mflab.sweep.identity import check_distinct, trial_id
from mflab.sweep.inputs import InputCache, TrialInputs, check_stages, find_metric, open_inputs
from mflab.sweep.overrides import check_overrides, format_override, split_override
from mflab.sweep.provenance import provenance
from mflab.train import torch_generator


@dataclass(frozen=True)
class SweepPlan:
    """A plan with what running it needs.

    Attributes:
        record: what `plan.json` says.
        config: the config without any factor level.
        configs: trial id -> resolved config.
        keys: trial id -> keys of its baselines.
        overrides: the command line.
        folder: sweep folder, absolute.
        workers: trials at a time.
    """

    record: Plan
    config: RootCfg
    configs: dict[str, RootCfg]
    keys: dict[str, BaselineKeys]
    overrides: tuple[str, ...]
    folder: Path
    workers: int


@dataclass(frozen=True)
class _Cell:
    """A cell composed once: its config, what its trials read, and the overrides that make it."""

    config: RootCfg
    inputs: TrialInputs
    overrides: tuple[str, ...]


def sweep_folder(config: RootCfg) -> Path:
    """Folder of a sweep, absolute.

    Raises:
        MflabError: the sweep's name is no plain folder name.
    """
    name = config.sweep.name
    if not name or Path(name).name != name:
        raise MflabError(f"A sweep's name must be a plain folder name, but got {name!r}; set sweep.name.")
    return Path(config.paths.outputs).resolve() / name


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
    factors = parse_factors(sweep.factors)
    check_overrides(overrides, factors)
    runs = replicate(make_design(sweep.design, factors, sweep.baseline), sweep.seeds)
    audit = audit_design(factors, runs)
    check_audit(audit, sweep.allow_confounded)
    order = run_order(runs, np.random.default_rng(sweep.order_seed))
    cells = {key: _compose_cell(factors, cell, overrides, cache) for key, cell in _distinct(runs).items()}
    check_styles(one.inputs.prompts for one in cells.values())
    composed = [cells[_key(run.cell)] for run in runs]
    configs = [_with_seed(one.config, run.seed) for one, run in zip(composed, runs, strict=True)]
    ids = [trial_id(one, made.inputs) for one, made in zip(configs, composed, strict=True)]
    check_distinct(ids, [run.cell for run in runs], [run.seed for run in runs])
    by_id = dict(zip(ids, configs, strict=True))
    keys = {one: baseline_keys(made.config, made.inputs) for one, made in zip(ids, composed, strict=True)}
    labels = dataset_labels(by_id, keys)
    trials = tuple(
        _trial_record(one, made, run, place, labels[one])
        for one, made, run, place in zip(ids, composed, runs, order, strict=True)
    )
    remaining = remaining_steps(trials, ledger)
    workers = _workers(configs, sweep.workers)
    fingerprints = {labels[one]: made.inputs.sources for one, made in zip(ids, composed, strict=True)}
    record = Plan(
        sweep=sweep.name,
        question=sweep.question,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        response=_response(config, configs),
        factors=tuple(_factor_record(factor) for factor in factors),
        design=DesignRecord(sweep.design, tuple(sweep.seeds)),
        audit=audit.to_dict(),
        allow_confounded=sweep.allow_confounded,
        trials=trials,
        stages=tuple(
            StageRecord(trial.trial_id, index, span.start, span.end, span.prompt, not remaining[trial.trial_id])
            for trial in trials
            for index, span in enumerate(trial.stages)
        ),
        steps_asked=sum(trial.steps for trial in trials),
        steps_to_run=sum(remaining.values()),
        estimated_seconds=estimate_seconds(trials, ledger, workers),
        provenance={
            **provenance(overrides, fingerprints, sorted({one.model.weights for one in configs}), torch.__version__),
            "overlap": sorted(
                {
                    labels[one]
                    for one, made in zip(ids, composed, strict=True)
                    if made.config.data.allow_overlap and find_leakage(*made.inputs.sources)
                }
            ),
        },
    )
    return SweepPlan(record, config, by_id, keys, tuple(overrides), sweep_folder(config), workers)


def check_styles(prompts: Iterable[Mapping[str, PromptEmbeddings]]) -> None:
    """Refuses two prompt styles with one embedding: whatever compares them compares a treatment with itself.

    Raises:
        MflabError: names both styles.
    """
    owners: dict[bytes, str] = {}
    for embeddings in prompts:
        for style, one in embeddings.items():
            owner = owners.setdefault(one.tensor.numpy().tobytes(), style)
            if owner != style:
                raise MflabError(
                    f"Two prompt styles must have two embeddings, but {owner} and {style} have the same numbers; give "
                    "prompts.path a file per style, with {style} in its name."
                )


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


def _distinct(runs: Sequence[Run]) -> dict[tuple[tuple[str, str], ...], Cell]:
    return {_key(run.cell): run.cell for run in runs}


def _compose_cell(factors: Sequence[Factor], cell: Cell, overrides: Sequence[str], cache: InputCache) -> _Cell:
    """Composes and checks a cell: whatever can be wrong is found before anything runs."""
    levels = [
        format_override(key, value) for factor in factors for key, value in factor.level(cell[factor.name]).overrides
    ]
    kept = [text for text in overrides if split_override(text)[0] not in ("sweep.only", "sweep.dry_run")]
    config = compose([*kept, *levels])
    inputs = open_inputs(config, cache)
    check_stages(inputs)
    # Built and dropped: a shape that no model can have must not wait for a worker to be found.
    num_views = len(inputs.sources.train.view_names)
    make_model(config.model, config.data.size, num_views, torch_generator(0, "check"))
    return _Cell(config, inputs, (*kept, *levels))


def _with_seed(config: RootCfg, seed: int) -> RootCfg:
    own = copy.deepcopy(config)
    own.seed = seed
    return own


def _trial_record(trial: str, cell: _Cell, run: Run, place: int, dataset: str) -> TrialRecord:
    curriculum = cell.inputs.curriculum
    return TrialRecord(
        trial_id=trial,
        cell=dict(run.cell),
        seed=run.seed,
        run_order=place,
        steps=cell.config.train.steps,
        overrides=(*cell.overrides, f"seed={run.seed}"),
        dataset=dataset,
        views=_views(cell.inputs.sources.val),
        stages=tuple(StageSpan(s.start, s.end, s.prompt) for s in (curriculum.stages if curriculum else ())),
    )


def _views(source: SceneSource) -> tuple[ViewRecord, ...]:
    views = zip(source.view_names, source.azimuths_deg, source.elevations_deg, strict=True)
    return tuple(ViewRecord(name, float(azimuth), float(elevation)) for name, azimuth, elevation in views)


def _factor_record(factor: Factor) -> FactorRecord:
    return FactorRecord(factor.name, tuple(LevelRecord(level.name, dict(level.overrides)) for level in factor.levels))


def _response(config: RootCfg, configs: Sequence[RootCfg]) -> ResponseRecord:
    """The declared response.

    Raises:
        MflabError: no metric of that name, one that cannot be computed here, or the wrong direction.
    """
    response = config.sweep.response
    metric, seen = split_response(response.name)
    available, reasons = {name for name in METRICS if not name.startswith("lpips")}, []
    for net in {one.validation.lpips for one in configs}:
        found = find_metric(net)
        available |= {found.name} if isinstance(found, LpipsMetric) else set()
        reasons += [found.reason] if isinstance(found, Absent) else []
    if metric not in available or response.name != response_column(metric, seen=seen):
        columns = ", ".join(sorted(response_column(name) for name in available))
        note = f" ({' '.join(reasons)})" if metric.startswith("lpips") and reasons else ""
        raise MflabError(
            f"Unknown response {response.name!r}; choose one of {columns}, each also with _seen.{note} Set "
            "sweep.response.name."
        )
    if METRICS[metric].direction != response.direction.name:
        raise MflabError(
            f"{metric} is better when {METRICS[metric].direction}, but got direction={response.direction.name}; set "
            "sweep.response.direction."
        )
    return ResponseRecord(response.name, response.direction, response.unit, response.smallest_effect)


def _workers(configs: Sequence[RootCfg], asked: int) -> int:
    """Trials at a time: as asked, or as many as the cores hold.

    Raises:
        MflabError: a negative number.
    """
    if asked < 0:
        raise MflabError(f"workers must be at least 0, but got workers={asked}; set sweep.workers.")
    cores = len(os.sched_getaffinity(0))
    return asked or max(1, cores // max(config.train.threads for config in configs))
