"""A plan with what running it needs, and where its files lie."""

from dataclasses import dataclass
from pathlib import Path

from mflab.config import RootCfg
from mflab.errors import MflabError
from mflab.results import Plan
from mflab.sweep.planning.baselines import dataset_labels
from mflab.sweep.planning.prepare import PreparedTrial
from mflab.sweep.stages.forest import Forest
from mflab.sweep.store import Store

STORE_FOLDER = "store"


@dataclass(frozen=True)
class SweepPlan:
    """A plan with what running it needs.

    Attributes:
        record: what `plan.json` says.
        config: the config without any factor level.
        trials: trial id -> what running it needs.
        forest: of the trials, as they were planned; that of a search grows in its schedule.
        overrides: the command line.
        folder: sweep folder, absolute.
        workers: trials at a time.
        store: where states and evaluations are kept.
    """

    record: Plan
    config: RootCfg
    trials: dict[str, PreparedTrial]
    forest: Forest
    overrides: tuple[str, ...]
    folder: Path
    workers: int
    store: Store

    def dataset_of(self, trial: PreparedTrial) -> str:
        """Readable name of a trial's validation set."""
        return dataset_labels({"": trial.config}, {"": trial.cell.keys})[""]


def sweep_folder(config: RootCfg) -> Path:
    """Folder of a sweep, absolute.

    Raises:
        MflabError: the sweep's name is no plain folder name, or the store's.
    """
    name = config.sweep.name
    if not name or Path(name).name != name or name == STORE_FOLDER:
        raise MflabError(
            f"A sweep's name must be a plain folder name other than {STORE_FOLDER!r}, but got {name!r}; set sweep.name."
        )
    return Path(config.paths.outputs).resolve() / name


def open_store(config: RootCfg) -> Store:
    """The store of a config: a folder beside the sweeps unless `paths.store` says otherwise."""
    limits = config.store
    if limits.budget_gb < 0 or limits.min_free_gb < 0:
        raise MflabError(
            f"budget_gb and min_free_gb must be at least 0, but got {limits.budget_gb:g} and {limits.min_free_gb:g}; "
            "set store.budget_gb and store.min_free_gb."
        )
    try:
        store = Store(store_url(config), limits.budget_gb, limits.min_free_gb)
        store.files.write("drivers/.probe", lambda file: file.write(b""), is_durable=False)
        store.files.remove("drivers/.probe")
    except OSError as error:
        raise MflabError(
            f"The store must be a folder or a URL that can be written, but {store_url(config)} is not ({error}); set "
            "paths.store."
        ) from error
    return store


def store_url(config: RootCfg) -> str:
    """Folder, absolute, or URL of the store."""
    place = config.paths.store
    if "://" in place:
        return place
    return str(Path(place).expanduser().resolve() if place else Path(config.paths.outputs).resolve() / STORE_FOLDER)


def running_folder(plan: SweepPlan) -> Path:
    """Sweep folder as people write it: relative where that is shorter."""
    try:
        return plan.folder.relative_to(Path.cwd())
    except ValueError:
        return plan.folder
