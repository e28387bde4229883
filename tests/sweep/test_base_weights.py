"""The shipped base weights: what their recipe says they are, and what its first steps give."""

import hashlib
import json
from pathlib import Path

import pytest

from mflab.config import compose, plain, treatment
from mflab.errors import MflabError
from mflab.model import make_model
from mflab.model.weights import SHIPPED
from mflab.sweep.ship import NUM_LOSSES, ship
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.outcome import Progress
from mflab.sweep.stages.records import History
from mflab.sweep.stages.trial import run_trial
from mflab.sweep.stages.work import StopTrial
from mflab.sweep.store import Kind, Store
from mflab.train import torch_generator
from tests.sweep.conftest import whole

WEIGHTS = SHIPPED / "mini.safetensors"
RECIPE = json.loads((SHIPPED / "mini.json").read_text())


def test_the_file_is_the_one_its_recipe_names_and_small() -> None:
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == RECIPE["sha256"]
    assert WEIGHTS.stat().st_size <= 10e6


def test_the_default_model_loads_it() -> None:
    config = compose([])
    model = make_model(config.model, config.data.size, 6, torch_generator(0, "init"))
    assert 2e6 <= sum(parameter.numel() for parameter in model.unet.parameters()) <= 4e6


def test_the_command_still_means_the_config_that_made_the_weights() -> None:
    assert RECIPE["command"] == "python -m mflab.sweep +sweep=base_weights"
    assert plain(treatment(compose(RECIPE["overrides"]))) == RECIPE["config"]


@pytest.mark.slow
def test_the_recipe_gives_its_first_losses_again(tmp_path: Path) -> None:
    config = compose([*RECIPE["overrides"], "validation.num_scenes=1"])

    def stop_soon(progress: Progress) -> None:
        if progress.step == NUM_LOSSES:
            raise StopTrial

    cache = InputCache()
    run_trial(config, "recipe", tmp_path, whole(config, tmp_path / "store", cache), stop_soon, cache)
    store = Store(str(tmp_path / "store"))
    (name,) = store.names(Kind.history)
    history = store.load(Kind.history, name, lambda file: History.from_bytes(file.read()))
    assert history is not None
    assert history.loss.tolist() == pytest.approx(RECIPE["first_losses"], rel=1e-4)


def test_a_folder_without_a_sweep_ships_nothing(tmp_path: Path) -> None:
    with pytest.raises(MflabError, match=r"plan\.json"):
        ship(tmp_path, "mini", tmp_path)
