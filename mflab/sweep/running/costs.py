"""What trials cost: each by itself, and each with its share of what it has in common with others."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def amortised_seconds(rows: Mapping[str, Mapping[str, Any]], sharers: Mapping[str, int]) -> dict[str, float]:
    """Seconds of training and evaluation of each finished trial, what is shared divided evenly among its sharers.

    The sum over all trials of a plan is what was spent, each stage and evaluation counted once.

    Args:
        rows: trial id -> ledger row of its end, with `stages` (name, steps, seconds) and `evaluations` (name, seconds).
        sharers: stage -> number of trials of the plan that pass it; one that is not there counts by the rows.

    Example:
        >>> rows = {"a": {"stages": [["s", 9, 6.0], ["x", 3, 2.0]], "evaluations": [["e", 1.0]]},
        ...         "b": {"stages": [["s", 9, 6.0], ["y", 3, 2.5]], "evaluations": []}}
        >>> amortised_seconds(rows, {"s": 2})
        {'a': 6.0, 'b': 5.5}
    """
    counts = Counter(name for row in rows.values() for name, _ in _pieces(row))
    counts.update({name: number - counts[name] for name, number in sharers.items() if name in counts})
    shares = {one: [seconds / counts[name] for name, seconds in _pieces(row)] for one, row in rows.items()}
    return {one: math.fsum(own) for one, own in shares.items()}


def _pieces(row: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    for name, _, seconds in row["stages"]:
        yield name, seconds
    for name, seconds in row["evaluations"]:
        yield name, seconds
