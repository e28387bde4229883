"""A tiny world for sweeps: 16 px, 6 steps, a network of some thousand parameters; and a runner without Ray."""

import gc
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event

from mflab.config import RootCfg, compose_noting_interpolations
from mflab.model.build import preload
from mflab.results import read_ledger
from mflab.sweep import command
from mflab.sweep.planning import cells
from mflab.sweep.running.hooks import Hooks
from mflab.sweep.running.jobs import run_job
from mflab.sweep.stages.inputs import open_inputs
from mflab.sweep.stages.keys import step_records
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.route import make_route
from mflab.sweep.stages.work import Work

TINY = [
    "model.weights=none",
    "model.unet.widths=[8]",
    "model.unet.attention=[false]",
    "model.unet.num_heads=[2]",
    "model.unet.norm_groups=4",
    "model.unet.cross_attention_dim=16",
    "prompts.width=16",
    "data.size=16",
    "data.num_train=4",
    "data.num_val=2",
    "train.steps=6",
    "train.batch_size=2",
    "train.checkpoint_every=2",
    "optim.warmup_steps=1",
    "validation.at=[0,0.5,1]",
    "validation.num_scenes=2",
    "validation.sampling_steps=1",
    "validation.num_images=1",
    "validation.lpips=none",
    "validation.consistency_scenes=0",
    "validation.prior_scenes=0",
    "validation.train_scenes=0",
]
FACTORS = "+sweep.factors.style={key:prompts.style,levels:[facelift,mouse_elevated]}"


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where procedural datasets are written, once for all tests."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True, scope="session")
def _quick_process() -> Iterator[None]:
    """Leaves out what only costs time here: no test cuts the power, tiny trials leave little garbage, and plans check
    their models without a process for it where diffusers is loaded."""
    preload()
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(gc, "collect", lambda generation=2: 0)
        yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _process_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Trials set global state and the working directory; put them back."""
    monkeypatch.chdir(tmp_path)
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(1)


@cache
def _compose_rest(overrides: tuple[str, ...]) -> tuple[RootCfg, bool]:
    return compose_noting_interpolations(overrides)


def _split(overrides: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Overrides without name and place of the sweep, and these."""
    own = {}
    for text in overrides:
        key, _, value = text.partition("=")
        if key in ("sweep.name", "paths.outputs"):
            own[key] = value
    return tuple(text for text in overrides if text.partition("=")[0] not in own), own


def _compose_once(overrides: Sequence[str]) -> tuple[RootCfg, bool]:
    rest, own = _split(overrides)
    config, has_interpolations = _compose_rest(rest)
    sweep = replace(config.sweep, name=own["sweep.name"]) if "sweep.name" in own else config.sweep
    paths = replace(config.paths, outputs=own["paths.outputs"]) if "paths.outputs" in own else config.paths
    return replace(config, sweep=sweep, paths=paths), has_interpolations


@pytest.fixture(scope="module")
def composed_once() -> Iterator[None]:
    """Hydra takes longer than tiny trainings: what differs in name and place of the sweep alone is composed once."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (cells, command):
            patch.setattr(module, "compose", lambda overrides: _compose_once(overrides)[0])
        patch.setattr(cells, "compose_noting_interpolations", _compose_once)
        yield


@pytest.fixture(scope="module")
def quick_studies() -> Iterator[None]:
    """Studies that do not wait for the disk; and Optuna reads its dozen migrations to name the newest only once."""

    def relax(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", relax)
    with pytest.MonkeyPatch.context() as patch:
        find = ScriptDirectory.get_current_head
        known: dict[str, str | None] = {}

        def find_once(self: ScriptDirectory) -> str | None:
            if self.dir not in known:
                known[self.dir] = find(self)
            return known[self.dir]

        patch.setattr(ScriptDirectory, "get_current_head", find_once)
        yield
    event.remove(Engine, "connect", relax)


@pytest.fixture
def tiny(data_folder: Path, tmp_path: Path) -> list[str]:
    """Overrides of the tiny world, with a factor of two prompt styles."""
    return [*TINY, f"paths.data={data_folder}", f"paths.outputs={tmp_path / 'outputs'}", "sweep.name=tiny", FACTORS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder of the tiny sweep."""
    return tmp_path / "outputs" / "tiny"


def whole(config: RootCfg, store: Path, cache: InputCache, others: tuple = ()) -> Work:
    """The work of a trial that runs alone to its end."""
    inputs = open_inputs(config, cache)
    route = make_route(config, inputs, step_records(config, inputs), "trial")
    return Work(str(store), config.store, route.names, config.train.steps, (config.train.steps,), others)


def run_serially(workers: int, threads: int, hooks: Hooks) -> None:
    """The jobs one after another in this process."""
    cache = InputCache()
    while not hooks.is_finished():
        job = hooks.next_job()
        hooks.on_tick()
        if job is None:
            time.sleep(0.01)
            continue
        started = time.monotonic()
        hooks.on_end(job, run_job(job, cache), time.monotonic() - started)


@pytest.fixture
def sweep() -> Callable[..., int]:
    """The command without Ray; returns its exit status."""

    def run(overrides: Sequence[str], runner: Callable[..., None] = run_serially) -> int:
        return command.main(overrides, runner)

    return run


@pytest.fixture
def events(folder: Path) -> Callable[[], list[tuple[str, str]]]:
    """Events of trials in the ledger, with their ids."""

    def read() -> list[tuple[str, str]]:
        return [(row["event"], row["trial_id"]) for row in read_ledger(folder) if "trial_id" in row]

    return read
