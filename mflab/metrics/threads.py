"""Threads for metrics: whole shares of the work instead of parts of every operation.

A metric is a chain of operations of tens of microseconds. Torch would spread each over its threads and wait for them;
where other processes run too, that waiting took ten times longer than the arithmetic on one thread.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

Job = TypeVar("Job")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# Torch's thread count before it was set to 1, where `serial_operations` holds it there.
_NUM_THREADS: ContextVar[int] = ContextVar("num_threads")


@contextmanager
def serial_operations() -> Iterator[int]:
    """Keeps torch from spreading single CPU operations over threads; yields how many threads may be used instead."""
    found = _NUM_THREADS.get(0)
    if found:
        yield found
        return
    num_threads = torch.get_num_threads()
    token = _NUM_THREADS.set(num_threads)
    if num_threads > 1:
        torch.set_num_threads(1)
    try:
        yield num_threads
    finally:
        _NUM_THREADS.reset(token)
        if num_threads > 1:
            torch.set_num_threads(num_threads)


def serial(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Returns `function` run under `serial_operations`."""

    @wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with serial_operations():
            return function(*args, **kwargs)

    return run


def share_out(jobs: Sequence[Job], work: Callable[[Sequence[Job]], None]) -> None:
    """Calls `work` on shares of the jobs, one share per thread that torch may use.

    Args:
        jobs: what is to be done, in any order.
        work: does a share; it may not change what another share reads.
    """
    is_inference = torch.is_inference_mode_enabled()

    def work_alike(share: Sequence[Job]) -> None:
        # The mode belongs to a thread, and tensors made in one cannot be written in the other.
        with torch.inference_mode(is_inference):
            work(share)

    with serial_operations() as num_threads:
        num_shares = min(num_threads, len(jobs))
        if num_shares <= 1:
            work(jobs)
            return
        # New threads take the process default, which is 1 here.
        with ThreadPoolExecutor(num_shares) as pool:
            list(pool.map(work_alike, [jobs[i::num_shares] for i in range(num_shares)]))
