"""Histories, evaluations and pictures come back from bytes as they went in."""

import io
import math
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mflab.results import MetricRow
from mflab.sweep.stages.records import (
    History,
    pack_evaluation,
    pack_pictures,
    unpack_evaluation,
    unpack_pictures,
)
from mflab.sweep.store.streams import section

NUMBERS = st.floats(allow_subnormal=True)
STEPS = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=6)
# numpy ends a text at its first trailing zero character; no file system has names with one.
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
ROWS = st.lists(st.tuples(NAMES, NAMES, st.booleans(), NAMES, NUMBERS), max_size=6)


def stream(content: bytes) -> BinaryIO:
    """A payload as the store hands it out."""
    return section(io.BytesIO(content), 0, len(content))


def bits(history: History) -> list[bytes]:
    return [history.loss.tobytes(), history.lr.tobytes(), history.grad_norm.tobytes(), history.seconds.tobytes()]


@given(STEPS)
def test_history_keeps_every_bit(rows: list[tuple[float, float, float, float]]):
    history = History.from_rows(rows)
    assert history.num_steps == len(rows)
    assert bits(History.from_bytes(history.to_bytes())) == bits(history)
    assert list(zip(*(column.tolist() for column in vars(history).values()), strict=True)) == rows or any(
        math.isnan(value) for row in rows for value in row
    )


@given(STEPS, STEPS)
def test_history_stitched_from_its_pieces_is_the_history(one: list, other: list):
    assert bits(History.from_rows(one).extended(History.from_rows(other))) == bits(History.from_rows(one + other))
    assert bits(History.empty().extended(History.from_rows(one))) == bits(History.from_rows(one))


@given(ROWS, st.floats(0, 1e6), st.integers(0, 10**6))
def test_evaluation_comes_back_under_the_step_of_whoever_reads_it(rows: list, seconds: float, step: int):
    packed = pack_evaluation([MetricRow(7, *row) for row in rows], seconds)
    evaluation = unpack_evaluation(step)(stream(packed))
    assert repr(evaluation.rows) == repr([MetricRow(step, *row) for row in rows])
    assert evaluation.seconds == seconds


@given(st.dictionaries(NAMES, st.binary(max_size=30), max_size=4))
def test_pictures_come_back_by_name(pictures: dict[str, bytes]):
    assert unpack_pictures(stream(pack_pictures(pictures))) == pictures


def test_entries_of_older_stores_are_read():
    archive = io.BytesIO()
    columns = {name: np.arange(3.0) for name in ("loss", "lr", "grad_norm", "seconds")}
    np.savez(archive, allow_pickle=False, **columns)
    assert History.from_bytes(archive.getvalue()).seconds.tolist() == [0.0, 1.0, 2.0]


def test_a_value_that_is_no_number_is_refused():
    row = MetricRow(0, "scene", "front", True, "psnr", 1.0)
    object.__setattr__(row, "value", None)
    with pytest.raises(ValueError, match="numbers or texts, but value holds objects"):
        pack_evaluation([row], 1.0)


def test_bytes_of_equal_records_are_equal():
    history = History.from_rows([(1.0, 2.0, 3.0, 4.0)])
    assert history.to_bytes() == History(*(np.array([value]) for value in (1.0, 2.0, 3.0, 4.0))).to_bytes()
