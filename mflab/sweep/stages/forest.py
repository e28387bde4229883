"""The stage forest of a plan: chains of trials, joined as far as they are equal. Pure.

A node is a range of steps that some trials have in common and that no trial leaves inside: a branch of a compressed
prefix tree. Source: stage trees, Shin et al., Hippo, https://arxiv.org/abs/2006.11972.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mflab.sweep.stages.chain import RECORD_BYTES, Chain


@dataclass(frozen=True)
class Node:
    """Steps [start, end) of the trials that share them.

    Attributes:
        name: of the state before step `end`, which is what the node makes.
        parent: name of the node before it; empty at the root.
        start: first step.
        end: exclusive end.
        trials: who passes here, in plan order.
    """

    name: str
    parent: str
    start: int
    end: int
    trials: tuple[str, ...]

    @property
    def num_steps(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Forest:
    """All nodes of a plan.

    Attributes:
        nodes: by name; parents stand before children.
        paths: nodes that a trial passes, first to last; empty for a trial without steps.
        heights: steps of the longest path from a node's start to a leaf.
    """

    nodes: dict[str, Node]
    paths: dict[str, tuple[str, ...]]
    heights: dict[str, int]

    @property
    def num_steps(self) -> int:
        """Distinct steps: what all trials together must train."""
        return sum(node.num_steps for node in self.nodes.values())

    def weights(self) -> dict[str, int]:
        """Distinct steps from each node's start to all leaves: how much waits behind it."""
        weights: dict[str, int] = defaultdict(int)
        for node in reversed(list(self.nodes.values())):
            weights[node.name] += node.num_steps
            weights[node.parent] += weights[node.name]
        return weights


class _Group(NamedTuple):
    """Trials whose records are equal up to `start`, sorted by record."""

    trials: list[str]
    start: int
    parent: str


def make_forest(chains: Mapping[str, Chain]) -> Forest:
    """Joins chains to a forest.

    Args:
        chains: trial id -> chain, in plan order.

    Example:
        >>> chains = {"a": Chain("r", "i", b"x" * 64), "b": Chain("r", "i", b"x" * 32 + b"y" * 32)}
        >>> forest = make_forest(chains)
        >>> [(node.start, node.end, node.trials) for node in forest.nodes.values()]
        [(0, 1, ('a', 'b')), (1, 2, ('a',)), (1, 2, ('b',))]
        >>> forest.num_steps
        3
    """
    order = {trial: place for place, trial in enumerate(chains)}
    roots: dict[str, list[str]] = defaultdict(list)
    for trial, chain in chains.items():
        if chain.num_steps:
            roots[chain.root].append(trial)
    nodes: dict[str, Node] = {}
    paths: dict[str, list[str]] = {trial: [] for trial in chains}
    for trials in roots.values():
        stack = [_Group(sorted(trials, key=lambda trial: chains[trial].records), 0, "")]
        while stack:
            group = stack.pop()
            end = _common_end(group, chains)
            parent = group.parent
            if end > group.start:
                parent = chains[group.trials[0]].name(end)
                own = tuple(sorted(group.trials, key=order.__getitem__))
                nodes[parent] = Node(parent, group.parent, group.start, end, own)
                for trial in own:
                    paths[trial].append(parent)
            stack += [_Group(part, end, parent) for part in reversed(_parts(group.trials, end, chains))]
    return Forest(nodes, {trial: tuple(path) for trial, path in paths.items()}, _heights(nodes))


def _common_end(group: _Group, chains: Mapping[str, Chain]) -> int:
    """Step up to which all of a sorted group are equal: its first and last member decide."""
    first, last = chains[group.trials[0]].records, chains[group.trials[-1]].records
    shortest = min(len(first), len(last)) // RECORD_BYTES
    if first == last:
        return shortest
    size = shortest * RECORD_BYTES
    one, other = (np.frombuffer(records[:size], np.uint8).reshape(-1, RECORD_BYTES) for records in (first, last))
    different = (one != other).any(axis=1)
    return int(different.argmax()) if different.any() else shortest


def _parts(trials: Sequence[str], end: int, chains: Mapping[str, Chain]) -> list[list[str]]:
    """The trials that go on after `end`, by their next record."""
    parts: dict[bytes, list[str]] = {}
    for trial in trials:
        record = chains[trial].records[end * RECORD_BYTES : (end + 1) * RECORD_BYTES]
        if record:
            parts.setdefault(record, []).append(trial)
    return list(parts.values())


def _heights(nodes: Mapping[str, Node]) -> dict[str, int]:
    heights: dict[str, int] = {}
    below: dict[str, int] = defaultdict(int)
    for node in reversed(list(nodes.values())):
        heights[node.name] = node.num_steps + below[node.name]
        below[node.parent] = max(below[node.parent], heights[node.name])
    return heights


class Leg(NamedTuple):
    """A piece of a trial's work: with the state before `start` at hand, train to the state before `end`.

    `start` is the state to load if `loads`, else the state that the leg before left; 0 is the untrained network.
    """

    loads: bool
    start: int
    end: int


def plan_legs(stored: Iterable[int], targets: Sequence[int]) -> list[Leg]:
    """The fewest steps that visit every target.

    Args:
        stored: steps of the chain whose states are in the store; the untrained network is always at hand.
        targets: steps whose states are needed, ascending.

    Example:
        >>> [(leg.start, leg.end) for leg in plan_legs([50, 150], [0, 50, 100, 200])]
        [(0, 0), (50, 50), (50, 100), (150, 200)]
    """
    known = sorted({0, *stored})
    legs: list[Leg] = []
    place = -1
    for target in targets:
        nearest = max(step for step in known if step <= target)
        legs.append(Leg(nearest > place, max(nearest, place), target))
        place = target
    return legs
