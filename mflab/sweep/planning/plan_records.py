"""What `plan.json` says of trials, stages, factors, the rule of a race, and where everything comes from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mflab.config import RootCfg
from mflab.data.splits import find_leakage
from mflab.design import Factor, Run
from mflab.design.racing import check_race, race_threshold
from mflab.errors import MflabError
from mflab.results import FactorRecord, LevelRecord, StageRecord, TrialRecord
from mflab.sweep.planning.preflight import camera_findings
from mflab.sweep.planning.prepare import PreparedCell, PreparedTrial
from mflab.sweep.planning.provenance import provenance
from mflab.sweep.stages.forest import Forest
from mflab.sweep.stages.known import Known


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


def stage_records(forest: Forest, trials: Mapping[str, PreparedTrial], known: Known) -> tuple[StageRecord, ...]:
    """The stage forest of the trials, parents first."""
    records = []
    for node in forest.nodes.values():
        stages = trials[node.trials[0]].cell.stages
        prompts = [span.prompt for span in stages if span.start < node.end and node.start < span.end]
        done = node.name in known.histories
        records.append(
            StageRecord(node.name, node.parent, node.start, node.end, tuple(dict.fromkeys(prompts)), node.trials, done)
        )
    return tuple(records)


def weakest_exactness(cells: Sequence[PreparedCell]) -> str:
    """The weaker of what the trials promise."""
    kinds = {cell.config.train.device.exactness for cell in cells}
    return "statistical" if "statistical" in kinds else "bitwise"


def race_rule(config: RootCfg, num_arms: int) -> dict[str, Any] | None:
    """The rule of a race, fixed before the start; None without one."""
    race = config.sweep.race
    if not race.looks:
        return None
    check_race(race, len(config.sweep.seeds))
    if num_arms < 2:
        raise MflabError(f"A race must have at least 2 arms, but got {num_arms}; add levels to sweep.factors.")
    threshold = race_threshold(len(race.looks), num_arms, race.alpha)
    return {"looks": list(race.looks), "alpha": race.alpha, "arms": num_arms, "threshold": threshold}


def factor_record(factor: Factor) -> FactorRecord:
    """A factor with its levels in their order."""
    return FactorRecord(factor.name, tuple(LevelRecord(level.name, dict(level.overrides)) for level in factor.levels))


def plan_provenance(
    overrides: Sequence[str],
    trials: Mapping[str, PreparedTrial],
    labels: Mapping[str, str],
    cells: Sequence[PreparedCell],
    outputs: Path,
) -> dict[str, Any]:
    """Command, code, data and weights; which data is validated on that is trained on, and what preflight found of
    cameras in the folder `outputs`."""
    sources = {labels[one]: trial.cell.inputs.sources for one, trial in trials.items()}
    weights = sorted({cell.config.model.weights for cell in cells})
    leaky = {id(cell) for cell in cells if cell.config.data.allow_overlap and find_leakage(*cell.inputs.sources)}
    return {
        **provenance(overrides, sources, weights, torch.__version__),
        "overlap": sorted({labels[one] for one, trial in trials.items() if id(trial.cell) in leaky}),
        "cameras": camera_findings(cells, outputs),
    }
