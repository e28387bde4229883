"""States come back bit for bit, with the memory layout that they had."""

import json
import math
import struct
import tempfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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


PLAIN = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3)
KINDS = [torch.float32, torch.int64, torch.bfloat16]


def _tensor(kind: int, shape: tuple[int, ...], is_turned: bool) -> torch.Tensor:
    values = torch.arange(math.prod(shape)).reshape(shape).to(KINDS[kind])
    return values.transpose(0, -1) if is_turned and len(shape) > 1 else values


TENSORS = st.builds(_tensor, st.integers(0, 2), st.sampled_from([(), (2,), (0, 3), (2, 3), (1, 2, 3)]), st.booleans())
CONTENTS = st.recursive(
    PLAIN | TENSORS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(0, 9) | st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner, inner).map(lambda pair: {0: {"a": pair[0], "b": 1}, 1: {"a": pair[1], "b": 2}})
    ),
    max_leaves=12,
)


@given(CONTENTS)
def test_whatever_is_nested_comes_back(content: object) -> None:
    """Tensors of one type are described together, rows of a table by column, and nobody can tell afterwards."""

    def check(one: object, other: object) -> None:
        assert type(one) is type(other)
        if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
            assert one.dtype == other.dtype and torch.equal(one, other)
            assert other.is_contiguous() == one.is_contiguous()
        elif isinstance(one, dict) and isinstance(other, dict):
            assert list(one) == list(other)
            for key in one:
                check(one[key], other[key])
        elif isinstance(one, list) and isinstance(other, list):
            assert len(one) == len(other)
            for left, right in zip(one, other, strict=True):
                check(left, right)
        else:
            assert one == other

    check(content, round_trip(content))


def test_a_state_of_many_tensors_is_described_in_a_few_lists() -> None:
    """The description of each by itself would take longer than its numbers."""
    module = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(50)))
    optimiser = torch.optim.AdamW(module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    with tempfile.TemporaryFile() as file:
        PackedState({"module": module.state_dict(), "optimiser": optimiser.state_dict()}).write(file)
        file.seek(0)
        (size,) = struct.unpack("<Q", file.read(8))
        assert file.read(size).count(b"float32") == 4


def test_a_state_of_an_older_store_is_read() -> None:
    """There each tensor had a description of its own."""
    head = json.dumps({"pairs": [["a", {"tensor": ["torch.float32", [2]]}], [3, [{"tensor": ["torch.int64", []]}]]]})
    numbers = torch.tensor([1.0, 2.0]).numpy().tobytes() + torch.tensor(7).numpy().tobytes()
    with tempfile.TemporaryFile() as file:
        file.write(struct.pack("<Q", len(head)) + head.encode() + numbers)
        file.seek(0)
        state = read_state(file, CPU)
    assert state["a"].tolist() == [1.0, 2.0] and state[3][0].item() == 7
