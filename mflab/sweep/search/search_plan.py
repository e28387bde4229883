"""The plan of a search: it has a space instead of cells, and grows by the trials of each suggestion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mflab.config import RootCfg, fingerprint, plain, treatment
from mflab.design import Run, audit_design
from mflab.design.parameters import Scalar
from mflab.design.search import Pruner, check_search, rung_steps
from mflab.design.space import Space, parse_space
from mflab.errors import MflabError
from mflab.results import TrialRecord
from mflab.sweep.planning.cells import CellComposer
from mflab.sweep.planning.overrides import check_overrides
from mflab.sweep.planning.plan import assemble_plan
from mflab.sweep.planning.plan_records import trial_record
from mflab.sweep.planning.planned import SweepPlan, sweep_folder
from mflab.sweep.planning.prepare import PreparedTrial, Preparer
from mflab.sweep.planning.response import check_response
from mflab.sweep.search.study import Study, open_study
from mflab.sweep.stages.opening import InputCache
from mflab.train import validation_steps

DIRECTIONS = {"higher": "maximize", "lower": "minimize"}


@dataclass(frozen=True)
class Search:
    """A search as it is declared.

    Attributes:
        config: of the sweep, without any suggestion.
        space: what is drawn.
        responses: columns of `trials.csv`, the sweep's own first, then further objectives.
        directions: maximize or minimize, one per response.
        rungs: steps at which trials may be stopped.
        name: of the study: a hash of everything that makes two searches different.
    """

    config: RootCfg
    space: Space
    responses: tuple[str, ...]
    directions: tuple[str, ...]
    rungs: tuple[int, ...]
    name: str

    def open(self) -> Study:
        """The study of this search; see `mflab.sweep.search.study.open_study`."""
        folder, steps = sweep_folder(self.config), self.config.train.steps
        return open_study(self.config.sweep.search, self.space, self.directions, self.name, folder, steps)


class Suggester:
    """Turns values of parameters into trials, one per seed.

    Args:
        search: the search.
        overrides: the command line.
        cache: keeps opened inputs.
    """

    def __init__(self, search: Search, overrides: Sequence[str], cache: InputCache) -> None:
        self.search = search
        self.composer = CellComposer(overrides)
        self.preparer = Preparer(cache)

    def trials(self, number: int, values: Mapping[str, Scalar]) -> list[tuple[PreparedTrial, TrialRecord]]:
        """The trials of a suggestion.

        Raises:
            MflabError: the values make no valid config.
        """
        config, overrides = self.composer.compose(self.search.space.settings_of(values))
        if config.train.steps != self.search.config.train.steps:
            raise MflabError(
                f"All trials of a search must have its {self.search.config.train.steps} steps, but suggestion {number} "
                f"has {config.train.steps}; leave train.steps out of sweep.search."
            )
        cell = self.preparer.cell(config, overrides)
        named = {name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in values.items()}
        made = []
        for seed in config.sweep.seeds:
            trial = self.preparer.trial(cell, seed)
            made.append((trial, trial_record(trial, Run(named, seed), number)))
        return made


def declare_search(config: RootCfg, overrides: Sequence[str]) -> Search:
    """The search of a config.

    Raises:
        MflabError: settings that do not fit together, an override of what the search draws, or rungs at which nothing
            is validated.
    """
    sweep, cfg = config.sweep, config.sweep.search
    objectives = check_search(cfg)
    if sweep.factors or sweep.race.looks:
        raise MflabError("A sweep is a design, a race or a search, but this one mixes them; drop all but one.")
    space = parse_space(cfg.space, cfg.settings)
    if not space.parameters:
        raise MflabError("A search must have parameters to draw, but sweep.search.space is empty; add some.")
    check_overrides(overrides, dict.fromkeys(space.keys, "the search space"), "sweep.search")
    rungs, validated = rung_steps(cfg, config.train.steps), validation_steps(config.validation.at, config.train.steps)
    if cfg.pruner is Pruner.median:
        rungs = tuple(step for step in validated if rungs and rungs[0] <= step < config.train.steps)
    unseen = [step for step in rungs if step not in validated]
    if unseen:
        places = sorted({*config.validation.at, *(rung / config.train.steps for rung in rungs)})
        raise MflabError(
            f"Trials are stopped by what is measured at a rung, but rungs {list(rungs)} and validations "
            f"{list(validated)} differ; set validation.at=[{','.join(f'{place:.9g}' for place in places)}], "
            "sweep.search.first_rung and sweep.search.reduction, or sweep.search.pruner=none."
        )
    responses = (sweep.response.name, *(objective.name for objective in objectives))
    directions = [sweep.response.direction.name, *(objective.direction for objective in objectives)]
    settings = {name: value for name, value in plain(cfg).items() if name not in ("trials", "storage", "space")}
    name = fingerprint([settings, space.to_dict(), responses, directions, treatment(config), sweep.seeds])[:16]
    return Search(config, space, responses, tuple(DIRECTIONS[one] for one in directions), rungs, name)


def make_search_plan(
    search: Search, study: Study, overrides: Sequence[str], ledger: Sequence[Mapping[str, Any]], suggester: Suggester
) -> SweepPlan:
    """The plan of a search so far: the trials of every suggestion that the study knows."""
    config = search.config
    trials: dict[str, PreparedTrial] = {}
    records: dict[str, TrialRecord] = {}
    for known in study.trials():
        # An abandoned suggestion was queued anew, and stands there.
        if known.state in ("complete", "pruned", "failed", "running") and known.params:
            for trial, record in suggester.trials(known.number, known.params):
                trials.setdefault(trial.trial_id, trial)
                records.setdefault(trial.trial_id, record)
    if not trials:
        # Nothing was asked yet: what all suggestions have in common is checked all the same.
        suggester.preparer.cell(config, tuple(overrides))
    response = check_response(config, [(config, suggester.preparer.inputs(config))], at_rungs=bool(search.rungs))
    facts = {
        **plain(config.sweep.search),
        "study": search.name,
        "rungs": list(search.rungs),
        "responses": list(search.responses),
        "asked": study.num_asked,
    }
    audit = audit_design([], [Run({}, seed) for seed in config.sweep.seeds])
    return assemble_plan(config, overrides, trials, list(records.values()), [], audit, response, ledger, facts)


def grown(plan: SweepPlan, made: Sequence[tuple[PreparedTrial, TrialRecord]], num_asked: int) -> SweepPlan:
    """A plan with the trials of one more suggestion; those that it has are left as they are."""
    assert plan.record.search is not None
    new = [(trial, record) for trial, record in made if trial.trial_id not in plan.trials]
    trials = {**plan.trials, **{trial.trial_id: trial for trial, _ in new}}
    labelled = tuple(replace(record, dataset=plan.dataset_of(trial)) for trial, record in new)
    record = replace(
        plan.record,
        search={**plan.record.search, "asked": num_asked},
        trials=(*plan.record.trials, *labelled),
        steps_asked=plan.record.steps_asked + sum(one.steps for one in labelled),
    )
    return replace(plan, record=record, trials=trials)
