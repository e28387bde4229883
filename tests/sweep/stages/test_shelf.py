"""A model that a process takes up again begins where a new one begins, bit for bit, whatever was done to it."""

import gc
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mflab.config import RootCfg, compose
from mflab.model import make_model
from mflab.sweep.stages import shelf as shelf_module
from mflab.sweep.stages.shelf import BuiltModel, ModelShelf
from mflab.train import torch_generator

VIEWS = 6
# Other tests leave out searches for garbage.
COLLECT = gc.collect


@pytest.fixture
def drawn(tiny: list[str]) -> RootCfg:
    """Weights drawn from the seed."""
    return compose(tiny)


@pytest.fixture
def loaded(tiny: list[str], tmp_path: Path) -> RootCfg:
    """Weights of a half-precision file."""
    model = make_model(compose(tiny).model, 16, VIEWS, torch_generator(5, "init"))
    save_file({name: value.half().contiguous() for name, value in model.unet.state_dict().items()}, tmp_path / "w.st")
    return compose([*tiny, f"model.weights={tmp_path / 'w.st'}"])


def use(model: BuiltModel) -> None:
    """Everything that a trial, or one that fails halfway, may leave behind."""
    model.model.eval()
    for number, parameter in enumerate(model.model.unet.parameters()):
        parameter.requires_grad_(number % 2 == 0)
        parameter.grad = torch.ones_like(parameter)
        parameter.data.mul_(3.0).add_(float("nan") if number == 0 else 1.0)


def assert_new(model: BuiltModel, config: RootCfg) -> None:
    expected = make_model(config.model, config.data.size, VIEWS, torch_generator(config.seed, "init"))
    assert model.model.training and all(module.training for module in model.model.modules())
    for (name, value), (_, other) in zip(
        model.model.unet.named_parameters(), expected.unet.named_parameters(), strict=True
    ):
        assert torch.equal(value, other) and value.stride() == other.stride(), name
        assert value.requires_grad and value.grad is None


@pytest.mark.parametrize("kind", ["drawn", "loaded"])
def test_a_used_model_begins_as_a_new_one(kind: str, request: pytest.FixtureRequest) -> None:
    config = request.getfixturevalue(kind)
    shelf = ModelShelf()
    first = shelf.take(config, VIEWS)
    assert_new(first, config)
    for _ in range(2):
        use(first)
        shelf.put_back(first)
        again = shelf.take(config, VIEWS)
        assert again.model is first.model
        assert_new(again, config)


def test_a_model_belongs_to_one_at_a_time(drawn: RootCfg) -> None:
    shelf = ModelShelf()
    first, second = shelf.take(drawn, VIEWS), shelf.take(drawn, VIEWS)
    assert first.model is not second.model
    shelf.put_back(first)
    assert shelf.take(drawn, VIEWS).model is first.model
    assert shelf.take(drawn, VIEWS).model is not first.model


@pytest.mark.parametrize("change", ["seed=1", "data.size=32", "model.unet.widths=[16]", "model.condition_dropout=0"])
def test_another_model_is_built_anew(change: str, tiny: list[str], drawn: RootCfg) -> None:
    shelf = ModelShelf()
    first = shelf.take(drawn, VIEWS)
    shelf.put_back(first)
    other = compose([*tiny, change])
    second = shelf.take(other, VIEWS)
    assert second.model is not first.model
    assert_new(second, other)


def test_the_seed_does_not_matter_to_weights_of_a_file(loaded: RootCfg, tiny: list[str]) -> None:
    shelf = ModelShelf()
    first = shelf.take(loaded, VIEWS)
    use(first)
    shelf.put_back(first)
    other = compose([*tiny, f"model.weights={loaded.model.weights}", "seed=7"])
    assert shelf.take(other, VIEWS).model is first.model
    assert_new(first, other)


def test_a_file_that_changed_is_another_model(loaded: RootCfg) -> None:
    shelf = ModelShelf()
    first = shelf.take(loaded, VIEWS)
    shelf.put_back(first)
    model = make_model(loaded.model, 16, VIEWS, torch_generator(0, "init"))
    changed = {name: value.half().contiguous() + 1 for name, value in model.unet.state_dict().items()}
    save_file(changed, loaded.model.weights)
    second = shelf.take(loaded, VIEWS)
    assert second.model is not first.model
    assert_new(second, loaded)


def test_a_model_is_built_while_no_other_is_kept(
    drawn: RootCfg, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = ModelShelf()
    first = shelf.take(drawn, VIEWS)
    before = weakref.ref(first.model)
    # It refers to itself, as a real one may.
    first.model.own = [first.model]  # pyright: ignore
    shelf.put_back(first)
    del first
    alive: list[bool] = []

    def build(*arguments):
        alive.append(before() is not None)
        return make_model(*arguments)

    monkeypatch.setattr(shelf_module, "make_model", build)
    monkeypatch.setattr(gc, "collect", COLLECT)
    shelf.take(compose([*tiny, "seed=1"]), VIEWS)
    assert alive == [False]
