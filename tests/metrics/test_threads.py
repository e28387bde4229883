"""Sharing work over threads: every job once, torch's thread count as before."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch

from mflab.metrics.threads import serial, serial_operations, share_out


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's thread count for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("num_threads", [1, 2, 3])
@pytest.mark.parametrize("num_jobs", [0, 1, 2, 7])
def test_every_job_is_done_once_by_operations_that_are_not_spread(
    num_threads: int, num_jobs: int, threads: Callable[[int], None]
) -> None:
    threads(num_threads)
    done: list[tuple[int, int, int]] = []

    def work(share: Sequence[int]) -> None:
        done.extend((job, torch.get_num_threads(), threading.get_ident()) for job in share)

    share_out(range(num_jobs), work)
    assert sorted(job for job, _, _ in done) == list(range(num_jobs))
    assert {count for _, count, _ in done} <= {1}
    assert len({ident for _, _, ident in done}) <= min(num_threads, num_jobs)
    assert torch.get_num_threads() == num_threads


def test_nested_calls_know_how_many_threads_there_are(threads: Callable[[int], None]) -> None:
    threads(3)

    @serial
    def inner() -> int:
        with serial_operations() as found:
            assert torch.get_num_threads() == 1
            return found

    with serial_operations() as outer:
        assert outer == inner() == 3
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_an_error_leaves_the_thread_count_as_it_was(threads: Callable[[int], None]) -> None:
    threads(2)

    def fail(share: Sequence[int]) -> None:
        raise ArithmeticError(f"job {share[0]}")

    with pytest.raises(ArithmeticError, match="job 0"):
        share_out(range(4), fail)
    assert torch.get_num_threads() == 2
    with serial_operations() as found:
        assert found == 2


def test_threads_work_in_the_inference_mode_of_their_caller(threads: Callable[[int], None]) -> None:
    threads(2)
    modes: list[bool] = []
    with torch.inference_mode():
        share_out(range(4), lambda share: modes.append(torch.is_inference_mode_enabled()))
    share_out(range(4), lambda share: modes.append(torch.is_inference_mode_enabled()))
    assert modes == [True, True, False, False]
