"""A sweep folder as the report sees it: plan, ledger, trials with their cells, arms."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.glossary import counted
from mflab.errors import MflabError
from mflab.results import PLAN_FILE, Plan, Status, TrialRecord, read_ledger, read_plan, split_response
from mflab.results.tables import read_baselines, read_metrics, read_training, read_trials


@dataclass(frozen=True)
class Arm:
    """A cell of the design under a short label; every figure shows the same arm in the same colour."""

    label: str
    cell: dict[str, str]


class Sweep:
    """Everything recorded about a sweep. Tables are read when first needed, so a missing file costs only its cards.

    Raises:
        MflabError: no sweep folder, or no plan, ledger or trials in it.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / PLAN_FILE).is_file():
            raise MflabError(
                f"A sweep folder must hold {PLAN_FILE}, but {folder} does not; run the sweep or name another."
            )
        self.folder = folder
        self.plan: Plan = read_plan(folder)
        self.ledger: list[dict[str, Any]] = read_ledger(folder)
        self.trials: pd.DataFrame = read_trials(folder)
        unknown = sorted(set(self.trials["trial_id"]) - {trial.trial_id for trial in self.plan.trials})
        if unknown:
            raise MflabError(
                f"{folder}/trials.csv must list planned trials only, but has {unknown[0]}; start the sweep again."
            )

    @cached_property
    def metrics(self) -> pd.DataFrame:
        return read_metrics(self.folder)

    @cached_property
    def baselines(self) -> pd.DataFrame:
        return read_baselines(self.folder)

    @cached_property
    def training(self) -> pd.DataFrame:
        return read_training(self.folder)

    @property
    def name(self) -> str:
        return self.plan.sweep

    @property
    def response(self) -> str:
        return self.plan.response.name

    @cached_property
    def factor_names(self) -> tuple[str, ...]:
        return tuple(factor.name for factor in self.plan.factors)

    @cached_property
    def records(self) -> dict[str, TrialRecord]:
        """Planned trials by id."""
        return {trial.trial_id: trial for trial in self.plan.trials}

    @property
    def is_search(self) -> bool:
        """Whether a sampler chose the trials: then they are no arms, and nothing is averaged over them."""
        return self.plan.search is not None

    @cached_property
    def endings(self) -> dict[str, dict[str, Any]]:
        """The last ledger row that ended each planned trial; a trial that only started has none."""
        names = {status.name for status in Status if status is not Status.planned}
        rows = (row for row in self.ledger if row["event"] in names and "trial_id" in row)
        return {row["trial_id"]: row for row in rows if row["trial_id"] in self.records}

    @cached_property
    def stopped_by_rule(self) -> dict[str, str]:
        """Trials that a search's pruner or a race stopped, with the reason; an interruption gives none."""
        if self.plan.search is None and self.plan.race is None:
            return {}
        stopped = self.trials[(self.trials["status"] == Status.stopped.name) & (self.trials["error"] != "")]
        return {str(one): str(why) for one, why in zip(stopped["trial_id"], stopped["error"], strict=True)}

    @cached_property
    def num_statistical(self) -> int:
        """Ended trials whose stages, made again, would give other bits."""
        rows = self.endings.values()
        return sum("exactness" in row and row["exactness"] == "statistical" for row in rows)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The planned cells, in the order of the factors' levels; none in a search."""
        if self.is_search:
            return ()
        places = {factor.name: factor.level_names for factor in self.plan.factors}
        cells = {self.label_of(trial.cell): trial.cell for trial in self.plan.trials}
        ordered = sorted(cells.items(), key=lambda item: [places[name].index(item[1][name]) for name in places])
        return tuple(Arm(label, cell) for label, cell in ordered)

    def label_of(self, cell: dict[str, str]) -> str:
        return " · ".join(cell[name] for name in self.factor_names) or "all trials"

    def group_of(self, trial: TrialRecord) -> str:
        """What a trial belongs to: its arm, or its suggestion."""
        return f"suggestion {trial.run_order}" if self.is_search else self.label_of(trial.cell)

    @cached_property
    def responses(self) -> tuple[str, ...]:
        """The declared response, recorded or not, then the other response columns of trials.csv."""
        found = [name for name in self.trials.columns if name.startswith("val/")]
        return (self.response, *(name for name in found if name != self.response))

    @cached_property
    def done(self) -> pd.DataFrame:
        """Done trials with columns trial_id, seed, arm, the factors as planned, and every response as float.

        A response that a trial did not record is no number.
        """
        rows = self.trials[self.trials["status"] == "done"]
        cells = [self.records[trial_id].cell for trial_id in rows["trial_id"]]
        table: dict[str, list[Any]] = {"trial_id": list(rows["trial_id"])}
        table["seed"] = [self.records[trial_id].seed for trial_id in rows["trial_id"]]
        table["arm"] = [self.label_of(cell) for cell in cells]
        for name in self.factor_names:
            table[name] = [cell[name] for cell in cells]
        for response in self.responses:
            recorded = rows[response] if response in rows else [math.nan] * len(rows)
            table[response] = [float(value) for value in recorded]
        return pd.DataFrame(table).astype({"trial_id": "str", "seed": "int64", "arm": "str"})

    @cached_property
    def without_response(self) -> tuple[str, ...]:
        """Done trials that did not record the declared response."""
        return tuple(str(one) for one in self.done["trial_id"][self.done[self.response].isna()])

    @property
    def why_empty(self) -> str:
        """Beginning of a sentence: why there is no value of the declared response."""
        if self.done.empty or self.done[self.response].abs().lt(math.inf).any():
            return "No suggestion is finished yet" if self.is_search else "No trial is done yet"
        return f"{counted(len(self.done), 'trial')} done, but none with a finite {self.response}"

    def validation(self, response: str) -> pd.DataFrame:
        """Metric rows of done trials behind a response, with columns arm and seed added."""
        metric, seen = split_response(response)
        rows = self.metrics
        rows = rows[(rows["metric"] == metric) & (rows["seen"] == seen)]
        owners = self.done[["trial_id", "arm", "seed"]]
        return rows.merge(owners, on="trial_id", how="inner")

    def baseline_levels(self, response: str) -> dict[str, float]:
        """Mean of every baseline behind a response; with several data sets the name carries the data set.

        Baselines are computed once on fixed scenes: they have no seed, hence no interval.
        """
        metric, seen = split_response(response)
        rows = self.baselines
        rows = rows[(rows["metric"] == metric) & (rows["seen"] == seen)]
        several = rows["dataset"].nunique() > 1
        levels = {}
        for (baseline, dataset), group in rows.groupby(["baseline", "dataset"], sort=False):
            levels[f"{baseline} ({dataset})" if several else str(baseline)] = float(group["value"].mean())
        return levels


def last_steps(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of each trial's last validation."""
    return rows[rows["step"] == rows.groupby("trial_id")["step"].transform("max")]
