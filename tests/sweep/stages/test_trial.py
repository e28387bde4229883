"""A trial gives the same bits however it is interrupted and whatever its process did before."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from mflab.config import RootCfg, compose
from mflab.errors import MflabError
from mflab.results import Status
from mflab.sweep.stages.inputs import open_inputs
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.outcome import Progress, TrialOutcome
from mflab.sweep.stages.trial import run_trial
from mflab.sweep.stages.work import StopTrial
from tests.sweep.conftest import whole

CACHE = InputCache()
SAME = ("status", "steps", "responses", "weights_sha256")


@pytest.fixture
def config(tiny: list[str]) -> RootCfg:
    return compose([*tiny, "curriculum=two_stage"])


def run(config: RootCfg, folder: Path, stops: tuple[int, ...] = (), cache: InputCache = CACHE) -> TrialOutcome:
    """Runs a trial to its end, stopping and starting again after each of `stops`."""
    for stop in stops:

        def report(progress: Progress, stop: int = stop) -> None:
            if progress.step >= stop:
                raise StopTrial

        outcome = run_trial(config, "trial", folder, whole(config, folder / "store", cache), report, cache)
        assert outcome.status is Status.stopped
        assert outcome.responses == {}
    return run_trial(config, "trial", folder, whole(config, folder / "store", cache), lambda progress: None, cache)


def metric_rows(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "trials" / "trial" / "metrics.parquet")


def assert_same(one: TrialOutcome, other: TrialOutcome) -> None:
    for name in SAME:
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("stops", [(1,), (2, 3), (3, 4, 6)])
def test_interrupted_trial_equals_uninterrupted_trial_bitwise(config: RootCfg, tmp_path: Path, stops: tuple[int, ...]):
    straight = run(config, tmp_path / "straight")
    stopped = run(config, tmp_path / "stopped", stops)
    assert_same(straight, stopped)
    pd.testing.assert_frame_equal(metric_rows(tmp_path / "straight"), metric_rows(tmp_path / "stopped"))
    weights = [(tmp_path / name / "weights" / "trial.safetensors").read_bytes() for name in ("straight", "stopped")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("weights", ["drawn", "loaded"])
def test_reused_process_equals_fresh_process_bitwise(config: RootCfg, tmp_path: Path, weights: str):
    if weights == "loaded":
        drawn = run(config, tmp_path / "drawn")
        assert drawn.status is Status.done
        path = str(tmp_path / "drawn" / "weights" / "trial.safetensors")
        config = dataclasses.replace(config, model=dataclasses.replace(config.model, weights=path))
    fresh = run(config, tmp_path / "fresh", cache=InputCache())
    other = dataclasses.replace(config, optim=dataclasses.replace(config.optim, lr=1e30))
    cache = InputCache()
    assert run(other, tmp_path / "other", cache=cache).status is Status.diverged
    num_views = 6
    used = cache.shelf.take(config, num_views)
    cache.shelf.put_back(used)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    assert_same(fresh, run(config, tmp_path / "reused", cache=cache))
    assert cache.shelf.take(config, num_views).model is used.model


def test_seed_changes_the_result(config: RootCfg, tmp_path: Path):
    first = run(config, tmp_path / "first")
    second = run(dataclasses.replace(config, seed=1), tmp_path / "second")
    assert first.weights_sha256 != second.weights_sha256


def test_not_a_number_ends_as_diverged_with_partial_rows(config: RootCfg, tmp_path: Path):
    outcome = run(dataclasses.replace(config, optim=dataclasses.replace(config.optim, lr=1e30)), tmp_path)
    assert outcome.status is Status.diverged
    assert outcome.responses == {}
    assert "lower optim.lr" in outcome.error
    assert set(metric_rows(tmp_path).step) == {0}


def test_huge_finite_weights_with_predictions_that_are_no_numbers_end_as_diverged(config: RootCfg, tmp_path: Path):
    outcome = run(config, tmp_path / "first")
    path = tmp_path / "first" / "weights" / "trial.safetensors"
    save_file({name: torch.full_like(value, 1e38) for name, value in load_file(path).items()}, path)
    model = dataclasses.replace(config.model, weights=str(path))
    train = dataclasses.replace(config.train, steps=0)
    assert outcome.status is Status.done
    outcome = run(dataclasses.replace(config, model=model, train=train), tmp_path / "huge")
    assert outcome.status is Status.diverged
    assert "a prediction was nan at step 0" in outcome.error
    assert metric_rows(tmp_path / "huge").empty


def test_finished_trial_leaves_rows_images_and_weights_and_no_checkpoint(config: RootCfg, tmp_path: Path):
    outcome = run(config, tmp_path)
    rows = metric_rows(tmp_path)
    assert sorted(set(rows.step)) == [0, 3, 6]
    last = rows[(rows.step == 6) & (rows.metric == "psnr_fg")]
    assert outcome.responses["val/psnr_fg"] == pytest.approx(last[~last.seen].value.mean())
    assert outcome.responses["val/psnr_fg_seen"] == pytest.approx(last[last.seen].value.mean())
    pictures = list((tmp_path / "images" / "trial").glob("*.png"))
    assert [np.asarray(Image.open(path)).shape for path in pictures] == [(16, 6 * 16, 3)]
    assert len(pd.read_parquet(tmp_path / "trials" / "trial" / "training.parquet")) == 6
    left = {path.name for path in (tmp_path / "trials" / "trial").iterdir()}
    assert left == {"training.parquet", "metrics.parquet", "attempts.jsonl"}


def test_kept_weights_give_the_recorded_metrics_again(config: RootCfg, tmp_path: Path):
    outcome = run(config, tmp_path)
    model = dataclasses.replace(config.model, weights=str(tmp_path / "weights" / "trial.safetensors"))
    again = dataclasses.replace(config, model=model, train=dataclasses.replace(config.train, steps=0))
    assert run(again, tmp_path / "again").responses == outcome.responses


def test_trial_without_steps_validates_once(config: RootCfg, tmp_path: Path):
    outcome = run(dataclasses.replace(config, train=dataclasses.replace(config.train, steps=0)), tmp_path)
    assert (outcome.status, outcome.steps) == (Status.done, 0)
    assert set(metric_rows(tmp_path).step) == {0}


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [("data", "background", "black"), ("validation", "num_scenes", 1), ("prompts", "style", "realistic")],
)
@pytest.mark.parametrize("steps", [0, 6])
def test_inputs_that_changed_since_the_plan_are_refused(
    config: RootCfg, tmp_path: Path, steps: int, part: str, field: str, value: Any
):
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, steps=steps))
    work = whole(config, tmp_path / "store", CACHE)
    changed = dataclasses.replace(config, **{part: dataclasses.replace(getattr(config, part), **{field: value})})
    with pytest.raises(MflabError, match="must stay as they were planned"):
        run_trial(changed, "trial", tmp_path, work, lambda progress: None, CACHE)


def test_prompts_of_another_width_than_the_network_are_refused_with_both_numbers(tiny: list[str]):
    with pytest.raises(MflabError, match="cross_attention_dim=16, but got width 32"):
        open_inputs(compose([*tiny, "prompts.width=32"]), CACHE)
