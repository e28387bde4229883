"""A tiny world for sweeps: 16 px, 6 steps, a network of some thousand parameters; and a runner without Ray."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch

from mflab.config import RootCfg
from mflab.results import read_ledger
from mflab.sweep.command import main
from mflab.sweep.running.hooks import Hooks
from mflab.sweep.running.jobs import run_job
from mflab.sweep.stages.inputs import InputCache, open_inputs
from mflab.sweep.stages.keys import step_records
from mflab.sweep.stages.route import make_route
from mflab.sweep.stages.work import Work

TINY = [
    "model.weights=none",
    "model.unet.widths=[8,8]",
    "model.unet.attention=[false,true]",
    "model.unet.num_heads=[2,2]",
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
]
FACTORS = "+sweep.factors.style={key:prompts.style,levels:[facelift,mouse_elevated]}"


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where procedural datasets are written, once for all tests."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True, scope="session")
def _frozen_heap() -> Iterator[None]:
    """Every trial collects garbage before it starts: what the imports left need not be looked through each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _process_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Trials set global state and the working directory; put them back."""
    monkeypatch.chdir(tmp_path)
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(1)


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
        return main(overrides, runner)

    return run


@pytest.fixture
def events(folder: Path) -> Callable[[], list[tuple[str, str]]]:
    """Events of trials in the ledger, with their ids."""

    def read() -> list[tuple[str, str]]:
        return [(row["event"], row["trial_id"]) for row in read_ledger(folder) if "trial_id" in row]

    return read
