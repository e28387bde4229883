"""Models are checked before anything runs: once per outputs folder, beside the plan, and not without an answer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from mflab.config import RootCfg, compose
from mflab.errors import MflabError
from mflab.model import ModelCfg, MVDiffusion, make_model
from mflab.results import read_plan
from mflab.sweep import command
from mflab.sweep.planning import model_check, model_process
from mflab.sweep.planning.findings import kept_finding
from mflab.sweep.planning.model_check import check_model, model_checks
from mflab.sweep.planning.model_process import ModelProcess, count_parameters
from tests.sweep.conftest import TINY

ODD = "Each width must be divisible by norm_groups=4"


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelProcess]:
    """One that has started; what it does not find is found to be -1 here."""
    process = ModelProcess()
    process.start()
    monkeypatch.setattr(model_process, "count_parameters", lambda *what: -1)
    yield process
    process.close()


def _config(outputs: Path, *overrides: str) -> RootCfg:
    return compose([*TINY, f"paths.outputs={outputs}", *overrides])


def _model(outputs: Path, *overrides: str) -> tuple[ModelCfg, int, int]:
    """What a process is asked."""
    config = _config(outputs, *overrides)
    return config.model, config.data.size, 6


def test_a_model_is_built_for_the_first_plan_alone(
    data_folder: Path, tmp_path: Path, sweep: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[ModelCfg] = []

    def make(cfg: ModelCfg, *rest: Any) -> MVDiffusion:
        built.append(cfg)
        return make_model(cfg, *rest)

    monkeypatch.setattr(model_process, "make_model", make)
    paths = [f"paths.data={data_folder}", f"paths.outputs={tmp_path}", "sweep.dry_run=true"]
    assert sweep([*TINY, *paths, "sweep.name=first"]) == 0
    first = read_plan(tmp_path / "first").disk_bytes
    assert len(built) == 1 and first
    assert sweep([*TINY, *paths, "sweep.name=second", "train.steps=7"]) == 0
    assert len(built) == 1 and read_plan(tmp_path / "second").disk_bytes == first
    assert sweep([*TINY, *paths, "sweep.name=third", "model.unet.widths=[16]"]) == 0
    assert len(built) == 2 and read_plan(tmp_path / "third").disk_bytes > first


def test_a_model_that_cannot_be_built_is_refused_every_time(
    data_folder: Path, tmp_path: Path, sweep: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [f"paths.data={data_folder}", f"paths.outputs={tmp_path}", "sweep.name=odd", "model.unet.widths=[9]"]
    for _ in range(2):
        assert sweep([*TINY, *paths, "sweep.dry_run=true"]) == 2
        assert ODD in capsys.readouterr().err


def test_a_process_beside_finds_what_would_be_found_here(tmp_path: Path, process: ModelProcess) -> None:
    small, wide = _model(tmp_path), _model(tmp_path, "model.unet.widths=[16]")
    assert process.count_parameters(*small) == count_parameters(*small)
    with pytest.raises(MflabError, match=ODD):
        process.count_parameters(*_model(tmp_path, "model.unet.widths=[9]"))
    assert process.count_parameters(*wide) == count_parameters(*wide) > count_parameters(*small)


def test_what_a_process_beside_cannot_say_is_found_here(tmp_path: Path, process: ModelProcess) -> None:
    """Neither a bug there nor its death may pass for an answer."""
    small, broken = _model(tmp_path), _model(tmp_path)
    del broken[0].unet
    # No mistake of a user's: its traceback must be seen.
    assert process.count_parameters(*broken) == -1
    assert process.count_parameters(*small) > 0
    assert process._process is not None
    process._process.kill()
    process._process.join()
    assert process.count_parameters(*small) == -1


def test_a_process_that_the_system_does_not_give_leaves_all_to_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    small = _model(tmp_path)
    process = ModelProcess()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fork", fork)
        process.start()
    assert process.is_started and process.count_parameters(*small) == count_parameters(*small)
    process.close()


def test_an_interruption_reaches_the_plan_alone(tmp_path: Path, process: ModelProcess) -> None:
    assert process._process is not None and process._process.pid is not None
    os.kill(process._process.pid, signal.SIGINT)
    assert process.count_parameters(*_model(tmp_path)) > 0


def test_a_process_that_started_before_the_plan_is_asked_and_ended(
    tmp_path: Path, process: ModelProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_check, "is_preloaded", lambda: False)
    monkeypatch.setattr(ModelProcess, "start", lambda self: pytest.fail("no second process"))
    with model_checks(tmp_path, process) as check:
        found = check(_config(tmp_path), 6)
    # Of this size, not of that which would be found here.
    assert found.result() == 16 * count_parameters(*_model(tmp_path))
    assert process._process is not None and not process._process.is_alive()


def test_a_process_that_started_before_a_search_is_ended(
    data_folder: Path, tmp_path: Path, process: ModelProcess
) -> None:
    """Before the search loads diffusers itself."""
    paths = [f"paths.data={data_folder}", f"paths.outputs={tmp_path}", "sweep.name=search", "sweep.dry_run=true"]
    search = ["sweep.search.trials=2", "sweep.search.pruner=none"]
    space = "+sweep.search.space={x:{key:optim.lr,low:1e-4,high:1e-2}}"
    assert command.main([*TINY, *paths, *search, space], models=process) == 0
    assert process._process is not None and not process._process.is_alive()


def test_a_process_that_started_before_is_ended_at_once_where_models_were_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_check, "is_preloaded", lambda: False)
    found = check_model(_config(tmp_path), 6).result()
    process = ModelProcess()
    process.start()
    with model_checks(tmp_path, process) as check:
        assert process._process is not None and not process._process.is_alive()
        assert check(_config(tmp_path), 6).result() == found
        # A model that is new here is asked of a process of its own.
        assert check(_config(tmp_path, "model.unet.widths=[16]"), 6).result() > found


def test_checks_beside_a_plan_are_over_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the one that nobody asked about: an impossible model is no plan."""
    monkeypatch.setattr(model_check, "is_preloaded", lambda: False)
    monkeypatch.setattr(ModelProcess, "start", lambda self: None)
    monkeypatch.setattr(ModelProcess, "count_parameters", lambda self, *what: count_parameters(*what))
    found: list[Future[int]] = []
    with model_checks(tmp_path) as check:
        found.append(check(_config(tmp_path), 6))
    assert found[0].done() and found[0].result() == check_model(_config(tmp_path), 6).result()
    with pytest.raises(MflabError, match=ODD), model_checks(tmp_path) as check:
        check(_config(tmp_path, "model.unet.widths=[9]"), 6)


def test_a_plan_that_fails_does_not_wait_for_its_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_process, "preload", lambda: time.sleep(600))
    monkeypatch.setattr(model_check, "is_preloaded", lambda: False)

    def plan() -> None:
        with model_checks(tmp_path) as check:
            check(_config(tmp_path), 6)
            raise MflabError("no such factor")

    started = time.monotonic()
    with pytest.raises(MflabError, match="no such factor"):
        plan()
    assert time.monotonic() - started < 60


def test_plans_load_no_diffusers(data_folder: Path, tmp_path: Path) -> None:
    """The first one leaves that to a process beside it, the next finds what that one said."""
    paths = [f"paths.data={data_folder}", f"paths.outputs={tmp_path}", "sweep.name=light", "sweep.dry_run=true"]
    code = f"""
import sys
from mflab.sweep.command import main
assert main({[*TINY, *paths]!r}) == 0
print(sorted(name for name in ("diffusers", "transformers", "torchvision", "torch._dynamo") if name in sys.modules))
"""
    sizes = []
    for _ in range(2):
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert ran.stdout.splitlines()[-1] == "[]" and not ran.stderr
        sizes.append(read_plan(tmp_path / "light").disk_bytes)
    (kept,) = (tmp_path / "preflight").glob("model-*.json")
    assert sizes[0] == sizes[1] > 0 and "parameters" in kept.read_text()


def test_a_first_plan_of_an_impossible_model_ends_with_its_error(data_folder: Path, tmp_path: Path) -> None:
    paths = [f"paths.data={data_folder}", f"paths.outputs={tmp_path}", "sweep.name=odd", "sweep.dry_run=true"]
    command = [sys.executable, "-m", "mflab.sweep", *TINY, *paths, "model.unet.widths=[9]"]
    # Of a design beside the plan, of a search in the plan's process.
    for search in (
        [],
        [
            "sweep.search.trials=2",
            "sweep.search.pruner=none",
            "+sweep.search.space={x:{key:optim.lr,low:1e-4,high:1e-2}}",
        ],
    ):
        ran = subprocess.run([*command, *search], capture_output=True, text=True, check=False)
        assert ran.returncode == 2 and ODD in ran.stderr and len(ran.stderr.splitlines()) == 1, ran.stderr


def test_a_damaged_finding_is_made_again(tmp_path: Path) -> None:
    assert kept_finding(tmp_path, "check", 1, lambda: {"found": 1}) == {"found": 1}
    assert kept_finding(tmp_path, "check", 1, lambda: {"found": 2}) == {"found": 1}
    assert kept_finding(tmp_path, "check", 2, lambda: {"found": 2}) == {"found": 2}
    (one, _) = sorted((tmp_path / "preflight").iterdir(), key=lambda path: path.read_text())
    one.write_text("")
    assert kept_finding(tmp_path, "check", 1, lambda: {"found": 3}) == {"found": 3}
