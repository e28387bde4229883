"""Baselines and validation sets are shared exactly by the trials for which they are the same."""

import dataclasses
from pathlib import Path

import pytest
import torch

from mflab.config import RootCfg, compose
from mflab.prompts.files import save
from mflab.sweep.planning import baselines
from mflab.sweep.planning.baselines import BaselineKeys, baseline_keys, dataset_labels
from mflab.sweep.stages.inputs import open_inputs
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.trial import run_trial
from tests.sweep.conftest import whole

CACHE = InputCache()
VIEWS = "data.view_indices=[0,1,2,3,4,5]"


def keys(config: RootCfg) -> BaselineKeys:
    return baseline_keys(config, open_inputs(config, CACHE))


@pytest.fixture
def folder_data(tiny: list[str], data_folder: Path) -> list[str]:
    """Overrides for a dataset folder of 32 px images without cameras."""
    open_inputs(compose([*tiny, "data.size=32"]), CACHE)
    (root,) = [path for path in data_folder.glob("*_4+2_*") if (path / "data_val.txt").is_file() and "32" in path.name]
    return [*tiny, "data.kind=folder", f"data.root={root}", "data.cameras=none", "data.size=32"]


@pytest.fixture
def pretrained(tiny: list[str], tmp_path: Path) -> list[str]:
    """Overrides of a model with initial weights."""
    config = compose([*tiny, "train.steps=0"])
    run_trial(config, "base", tmp_path, whole(config, tmp_path / "store", CACHE), lambda progress: None, CACHE)
    return [*tiny, f"model.weights={tmp_path / 'weights' / 'base.safetensors'}"]


@pytest.mark.parametrize("change", ["data.view_indices=[0,2,1,3,4,5]", "data.rig=even60_el20", "data.size=16"])
def test_reading_the_same_files_in_another_way_is_another_validation_set(folder_data: list[str], change: str):
    one, other = compose([*folder_data, VIEWS]), compose([*folder_data, VIEWS, change])
    assert open_inputs(one, CACHE).sources.val.fingerprint == open_inputs(other, CACHE).sources.val.fingerprint
    assert open_inputs(one, CACHE).validator is not open_inputs(other, CACHE).validator
    assert keys(one).dataset != keys(other).dataset


def test_name_memory_and_place_of_the_data_do_not_count(folder_data: list[str], tmp_path: Path):
    one = compose(folder_data)
    (tmp_path / "moved").symlink_to(one.data.root)
    other = compose([*folder_data, "data.name=rats", "data.cache_mb=1", f"data.root={tmp_path / 'moved'}"])
    assert open_inputs(one, CACHE).validator is open_inputs(other, CACHE).validator
    assert keys(one) == keys(other)


def test_label_of_a_dataset_always_ends_in_its_key(tiny: list[str]):
    configs = {"a": compose(tiny), "b": compose([*tiny, "data.seed=1"])}
    own = {name: keys(config) for name, config in configs.items()}
    labels = dataset_labels(configs, own)
    assert labels == {name: f"mice-16-{own[name].dataset[:8]}" for name in configs}
    assert dataset_labels({"a": configs["a"]}, own)["a"] == labels["a"]


@pytest.mark.parametrize(
    "change", ["model.timestep_shift=2", "model.condition_dropout=0.1", "model.loss_weight=none", "optim.lr=3e-3"]
)
def test_pretrained_baseline_does_not_depend_on_training(pretrained: list[str], change: str):
    assert keys(compose(pretrained)) == keys(compose([*pretrained, change]))


@pytest.mark.parametrize("change", ["model.codec_scale=3", "train.base_style=mouse_elevated", "validation.seed=1"])
def test_pretrained_baseline_depends_on_model_wording_and_sampler(pretrained: list[str], change: str):
    one, other = keys(compose(pretrained)), keys(compose([*pretrained, change]))
    assert one.dataset == other.dataset
    assert one.pretrained != other.pretrained


def test_pretrained_baseline_depends_on_code(pretrained: list[str], monkeypatch: pytest.MonkeyPatch):
    config = compose(pretrained)
    seen = {keys(config).pretrained}
    monkeypatch.setattr(baselines, "TRAINING_VERSION", -1)
    seen.add(keys(config).pretrained)
    monkeypatch.setattr(torch, "__version__", "0.0")
    seen.add(keys(config).pretrained)
    assert len(seen) == 3


def test_pretrained_baseline_depends_on_the_content_of_an_embedding_file_not_its_path(
    pretrained: list[str], tmp_path: Path
):
    embeddings = open_inputs(compose([*pretrained, "train.base_style=mouse_elevated"]), CACHE).base_prompts
    assert embeddings is not None
    other = dataclasses.replace(embeddings, tensor=embeddings.tensor + 1.0)
    found = []
    for name, content in (("one", embeddings), ("copy", embeddings), ("other", other)):
        save(content, tmp_path / name)
        style = "prompts.style=mouse_elevated"
        file = [style, "train.base_style=mouse_elevated", "prompts.encoder=file", f"prompts.path={tmp_path / name}"]
        found.append(keys(compose([text for text in pretrained if "factors" not in text] + file)).pretrained)
    assert found[0] == found[1] != found[2]


def test_missing_base_wording_stops_the_pretrained_baseline_alone(pretrained: list[str], tmp_path: Path):
    embeddings = open_inputs(compose([*pretrained, "train.base_style=mouse_elevated"]), CACHE).base_prompts
    assert embeddings is not None
    save(embeddings, tmp_path / "own")
    file = ["prompts.style=mouse_elevated", "prompts.encoder=file", f"prompts.path={tmp_path / 'own'}"]
    config = compose([text for text in pretrained if "factors" not in text] + file)
    assert open_inputs(config, CACHE).base_prompts is None
    assert keys(config).pretrained
