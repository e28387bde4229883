"""The schemas of a configuration: what every key is called, what it means and its default."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from mflab.curriculum import CurriculumCfg
from mflab.data.sources import DataCfg
from mflab.design.racing import RaceCfg
from mflab.design.search import SearchCfg
from mflab.model import ModelCfg
from mflab.prompts import PromptsCfg
from mflab.results import Direction
from mflab.train import Device, OptimCfg, ValidationCfg


@dataclass
class PathsCfg:
    """Folders, relative to the working directory; none of them changes a result.

    Attributes:
        outputs: sweeps.
        data: procedural datasets, written once.
        store: training states and evaluations of all sweeps, a folder or a URL (s3://…); empty is `store` in `outputs`.
    """

    outputs: str = "outputs"
    data: str = "data"
    store: str = ""


@dataclass
class StoreCfg:
    """Limits of the store; none of them changes a result.

    Attributes:
        budget_gb: most it may hold, 10^9 bytes; states that no trial needs any more go first. 0 is no limit.
        min_free_gb: what stays free on its disk; a sweep stops clearly before it takes more.
        share: false trains every trial by itself, for comparison; what it stores is found by that trial alone.
    """

    budget_gb: float = 0.0
    min_free_gb: float = 1.0
    share: bool = True


@dataclass
class TrainCfg:
    """Length and conditions of a run.

    Attributes:
        steps: training steps; 0 only validates the initial weights.
        batch_size: scenes per step.
        augmentation: name of an augmentation (mflab.data.augment); stages say `target` for it.
        reference: fixed, random or rotated input view; stages say `target` for it.
        base_style: wording that the base weights know; scenes of the base data keep it.
        threads: torch threads; part of the numbers, since another count sums in another order.
        device: where it trains. On cpu equal seeds give equal bits; on cuda they do not, and records say `statistical`.
        checkpoint_every: steps between the states that an interrupted stage goes on from; 0 saves at validations.
        keep_weights: keep the averaged weights of finished trials.
    """

    steps: int = 200
    batch_size: int = 4
    augmentation: str = "none"
    reference: str = "fixed"
    base_style: str = "facelift"
    threads: int = 1
    device: Device = Device.cpu
    checkpoint_every: int = 100
    keep_weights: bool = True


@dataclass
class ResponseCfg:
    """What a sweep is about: a response column of trials.csv, its direction, unit and smallest effect of interest."""

    name: str = "val/psnr_fg"
    direction: Direction = Direction.higher
    unit: str = "dB"
    smallest_effect: float = 0.5


@dataclass
class SweepCfg:
    """One sweep: a question, factors, a design and replicates. Without factors it is a single trial.

    Attributes:
        name: folder of the sweep below paths.outputs.
        question: what the sweep answers.
        response: what is compared.
        factors: name -> {key, levels: [values]} or {levels: {level: {config key: value}}}.
        search: a search of a space by Optuna, instead of factors.
        race: looks after which cells that are beaten get no more seeds.
        design: full_factorial or one_factor.
        baseline: level per factor that one_factor varies around; empty means first levels.
        seeds: one block of trials per seed.
        order_seed: shuffles the run order.
        workers: trials at a time; 0 takes one per core (train.threads each).
        dry_run: print and write the plan, run nothing.
        only: run this trial alone; empty means all.
        allow_confounded: go on although the audit found effects that cannot be told apart.
    """

    name: str = "single"
    question: str = "What does this one configuration score?"
    response: ResponseCfg = field(default_factory=ResponseCfg)
    factors: dict[str, Any] = field(default_factory=dict)
    search: SearchCfg = field(default_factory=SearchCfg)
    race: RaceCfg = field(default_factory=RaceCfg)
    design: str = "full_factorial"
    baseline: dict[str, str] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0])
    order_seed: int = 0
    workers: int = 0
    dry_run: bool = False
    only: str = ""
    allow_confounded: bool = False


@dataclass
class RootCfg:
    """One resolved configuration: what a trial runs, and how its sweep is run."""

    data: DataCfg = MISSING
    base_data: DataCfg = MISSING
    model: ModelCfg = MISSING
    prompts: PromptsCfg = MISSING
    curriculum: CurriculumCfg = MISSING
    optim: OptimCfg = field(default_factory=OptimCfg)
    train: TrainCfg = field(default_factory=TrainCfg)
    validation: ValidationCfg = field(default_factory=ValidationCfg)
    sweep: SweepCfg = field(default_factory=SweepCfg)
    paths: PathsCfg = field(default_factory=PathsCfg)
    store: StoreCfg = field(default_factory=StoreCfg)
    seed: int = 0
