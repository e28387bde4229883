"""Storage, sampler and pruner of a search, from its settings."""

import copy
import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from sqlalchemy.exc import SQLAlchemyError

from mflab.design.space import Pruner, Sampler, SearchCfg, rung_steps
from mflab.errors import MflabError
from mflab.sweep.optuna_repeats import is_abandoned, suggestion_indices

STUDY_FILE = "study.db"
_JOURNAL = "journal:"


def open_storage(storage: str, folder: Path) -> tuple[BaseStorage, Callable[[], None]]:
    """The storage of a search and what closes it.

    Args:
        storage: empty for a SQLite file in `folder`, a database URL, or journal:<path>.
        folder: of the sweep.

    Raises:
        MflabError: the file is no database, or the database does not answer.
    """
    if storage.startswith(_JOURNAL):
        path = Path(storage.removeprefix(_JOURNAL)).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path))), lambda: None
    if not storage:
        return _cached(RDBStorage(_sqlite(folder), engine_kwargs={"connect_args": {"timeout": 60}}))
    try:
        return _cached(RDBStorage(storage))
    except (ImportError, SQLAlchemyError) as error:
        raise MflabError(
            f"sweep.search.storage must be a database URL that answers, or journal:<path>, but: {error}; "
            "leave it empty for a file in the sweep folder."
        ) from error


def _sqlite(folder: Path) -> str:
    path = (folder / STUDY_FILE).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=60)
    try:
        # Written ahead, a change costs one flush to disk instead of three, and a dashboard that reads never blocks it.
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.DatabaseError as error:
        raise MflabError(
            f"The study must be a SQLite file, but {path} is not: {error}; move it away, the search then starts anew "
            "and finds finished trials in the ledger."
        ) from error
    finally:
        connection.close()
    # Optuna fills a template in the address.
    return f"sqlite:///{path}".replace("{", "{{").replace("}", "}}")


def _cached(backend: RDBStorage) -> tuple[BaseStorage, Callable[[], None]]:
    def close() -> None:
        backend.remove_session()
        backend.engine.dispose()

    return optuna.storages.get_storage(backend), close


def make_sampler(search: SearchCfg, is_conditional: bool, index: int) -> BaseSampler:
    """A fresh sampler for suggestion `index`, so that no draw depends on what this process drew before."""
    seed = int(np.random.SeedSequence([search.seed, index]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if search.sampler is Sampler.random:
            return RandomSampler(seed=seed)
        if search.sampler is Sampler.gp:
            return GPSampler(seed=seed, n_startup_trials=search.startup)
        if search.sampler is Sampler.nsga2:
            return NSGAIISampler(seed=seed)
        if search.sampler is Sampler.qmc:
            # One sequence for the whole study; the storage counts how far it went.
            independent = RandomSampler(seed=seed)
            return QMCSampler(
                scramble=True, seed=search.seed, independent_sampler=independent, warn_independent_sampling=False
            )
        # Groups sample jointly what exists together.
        return TPESampler(seed=seed, n_startup_trials=search.startup, multivariate=True, group=is_conditional)


def make_pruner(search: SearchCfg, max_step: int) -> BasePruner:
    """What stops trials early; nothing where no rung lies below `max_step`."""
    rungs = rung_steps(search, max_step)
    if not rungs:
        return NopPruner()
    if search.pruner is Pruner.asha:
        return _Halving(min_resource=rungs[0], reduction_factor=search.reduction)
    if search.pruner is Pruner.hyperband:
        return _Hyperband(min_resource=rungs[0], max_resource=max_step, reduction_factor=search.reduction)
    return MedianPruner(n_startup_trials=search.startup, n_warmup_steps=rungs[0])


class _Counted:
    """A study without its abandoned trials, whose values their repetitions report again."""

    def __init__(self, study: optuna.Study) -> None:
        self._inner = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_trials(self, deepcopy: bool = True) -> list[FrozenTrial]:
        return [trial for trial in self._inner.get_trials(deepcopy=deepcopy) if not is_abandoned(trial)]


class _Halving(SuccessiveHalvingPruner):
    """Asynchronous successive halving that counts a repeated trial once."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return super().prune(_Counted(study), trial)  # pyright: ignore[reportArgumentType]


class _Hyperband(HyperbandPruner):
    """Hyperband that counts a repeated trial once, and deals brackets by suggestions so that deaths change none."""

    def __init__(self, min_resource: int, max_resource: int, reduction_factor: int) -> None:
        super().__init__(min_resource=min_resource, max_resource=max_resource, reduction_factor=reduction_factor)
        self._indices: list[int] = []

    def _get_bracket_id(self, study: optuna.Study, trial: FrozenTrial) -> int:
        if is_abandoned(trial):
            return -1
        if trial.number >= len(self._indices):
            self._indices = suggestion_indices(study._storage.get_all_trials(study._study_id, deepcopy=False))
        counted = copy.copy(trial)
        counted.number = self._indices[trial.number]
        return super()._get_bracket_id(study, counted)
