"""States come back bit for bit, with the memory layout that they had."""

import tempfile

import pytest
import torch

from mflab.sweep.stages.states import PackedState, read_state

CPU = torch.device("cpu")


def round_trip(content: object):
    with tempfile.TemporaryFile() as file:
        packed = PackedState(content)
        packed.write(file)
        assert file.tell() == packed.num_bytes
        file.seek(0)
        return read_state(file, CPU)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
)
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (2, 3), (2, 3, 4, 5), (1, 3, 1, 1)])
def test_values_and_layout_of_every_type_come_back(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    values = torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    layouts = [values] + ([values.to(memory_format=torch.channels_last)] if len(shape) == 4 else [])
    for tensor in layouts:
        back = round_trip({"a": tensor})["a"]
        assert back.dtype == dtype
        assert back.shape == tensor.shape
        # The stride of an axis of length one means nothing.
        strides = zip(back.stride(), tensor.stride(), shape, strict=True)
        assert all(one == other for one, other, length in strides if length > 1)
        assert torch.equal(back, tensor)


def test_bits_that_compare_unequal_come_back() -> None:
    values = torch.tensor([float("nan"), -0.0, float("inf"), 1e-45])
    back = round_trip([values])[0]
    assert back.view(torch.int32).tolist() == values.view(torch.int32).tolist()


def test_an_optimiser_state_comes_back() -> None:
    module = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(module.parameters())
    module(torch.ones(1, 3, 5, 5)).sum().backward()
    optimiser.step()
    state = optimiser.state_dict()
    back = round_trip(state)
    assert list(back["state"]) == list(state["state"])
    for key, values in state["state"].items():
        for name, value in values.items():
            assert torch.equal(back["state"][key][name], value)
            assert back["state"][key][name].stride() == value.stride()
    other = torch.optim.AdamW(torch.nn.Conv2d(3, 4, 3).parameters())
    other.load_state_dict(back)


def test_a_view_with_gaps_is_stored_without_them() -> None:
    tensor = torch.arange(12.0).reshape(3, 4)[:, ::2]
    back = round_trip(tensor)
    assert torch.equal(back, tensor)
