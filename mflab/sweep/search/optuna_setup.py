"""Study, storage and sampler of a search, from its settings."""

import sqlite3
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from sqlalchemy.exc import SQLAlchemyError

from mflab.design.search import Pruner, Sampler, SearchCfg
from mflab.errors import MflabError
from mflab.sweep.search.optuna_pruners import make_pruner

STUDY_FILE = "study.db"
_JOURNAL = "journal:"


class OpenStudy(NamedTuple):
    """A study of Optuna, its storage, and what closes that."""

    study: optuna.Study
    storage: BaseStorage
    close: Callable[[], None]


def make_study(search: SearchCfg, directions: Sequence[str], name: str, folder: Path, max_step: int) -> OpenStudy:
    """The study called `name`, made or continued.

    Args:
        search: sampler, pruner and storage.
        directions: maximize or minimize, one per objective.
        name: of the study.
        folder: holds the SQLite file unless search.storage says otherwise.
        max_step: last step of a full trial.

    Raises:
        MflabError: the sampler or pruner does not fit the objectives, the stored study has others, or no storage.
    """
    if len(directions) > 1 and search.pruner is not Pruner.none:
        raise MflabError(
            f"Trials with several objectives cannot be stopped early, but got pruner={search.pruner.name} and "
            f"{len(directions)} objectives; set sweep.search.pruner=none."
        )
    if search.sampler is Sampler.nsga2 and len(directions) < 2:
        raise MflabError("The sampler nsga2 needs two objectives, but got one; set sweep.search.sampler=tpe.")
    storage, close = open_storage(search.storage, folder)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=[StudyDirection[direction.upper()] for direction in directions],
        load_if_exists=True,
        pruner=make_pruner(search, max_step),
    )
    stored = [direction.name.lower() for direction in study.directions]
    if stored != list(directions):
        close()
        raise MflabError(
            f"A study keeps its objectives, but {name} has {stored} and this search asks for {list(directions)}; "
            "give the sweep another name or storage."
        )
    return OpenStudy(study, storage, close)


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
