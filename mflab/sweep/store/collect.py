"""Garbage collection: which states nobody needs any more, and their removal."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mflab.sweep.store.drivers import forget_gone_drivers
from mflab.sweep.store.entry import Kind
from mflab.sweep.store.full import StoreFull
from mflab.sweep.store.process import writer_of
from mflab.sweep.store.reading import DAMAGED_FOLDER, FOLDERS
from mflab.sweep.store.references import ChainReference, read_references
from mflab.sweep.store.store import Store


@dataclass(frozen=True)
class Collected:
    """What a collection removed, or would remove.

    Args:
        states: names of states.
        others: other files, from the store's root.
        freed_bytes: bytes of all of them.
    """

    states: tuple[str, ...]
    others: tuple[str, ...]
    freed_bytes: int


def collectable(states: Collection[str], chains: Iterable[ChainReference], keep_leaves: bool) -> list[str]:
    """States that may go, sorted: all but the deepest stored one of each unfinished chain, those behind it that no
    chain names, and the leaves if kept.

    No chain names a state that a trial left where it was stopped, nor one of an earlier plan. An unfinished chain of
    the same root may go on from it.

    Args:
        states: names present: root, slash, and what sorts by step.
        chains: what sweeps reference.
        keep_leaves: whether the last state of every chain stays, finished or not.

    Example:
        >>> done = ChainReference("t1", ("r/1a", "r/2b", "r/3c"), True)
        >>> unfinished = ChainReference("t2", ("r/1a", "r/4d", "r/9e"), False)
        >>> collectable(["r/1a", "r/2b", "r/3c", "r/4d", "r/6x", "s/6x"], [done, unfinished], keep_leaves=True)
        ['r/1a', 'r/2b', 's/6x']
        >>> collectable(["r/1a", "r/2b", "r/3c", "r/4d", "r/6x", "s/6x"], [done, unfinished], keep_leaves=False)
        ['r/1a', 'r/2b', 'r/3c', 's/6x']
    """
    chains, present = list(chains), set(states)
    unnamed = defaultdict(list)
    for name in sorted(present.difference(*(chain.states for chain in chains))):
        unnamed[_root(name)].append(name)
    kept: set[str] = set()
    for chain in chains:
        if not chain.done and chain.states:
            deepest = next((name for name in reversed(chain.states) if name in present), "")
            kept |= {deepest} & present
            behind = unnamed[_root(chain.states[-1])]
            kept.update(behind[bisect_right(behind, deepest) : bisect_left(behind, chain.states[-1])])
        if keep_leaves:
            kept.update(chain.states[-1:])
    return sorted(present - kept)


def _root(name: str) -> str:
    return name.partition("/")[0]


def collect(
    store: Store,
    keep_leaves: bool = True,
    dry_run: bool = False,
    unreferenced: bool = False,
    damaged: bool = False,
) -> Collected:
    """Removes states that nobody needs and files that dead processes left half written.

    Args:
        store: what to collect in.
        keep_leaves: whether the last state of every chain stays.
        dry_run: whether to remove nothing and only say what would go.
        unreferenced: whether histories and divergences that no chain names go as well.
        damaged: whether damaged entries that were set aside go as well.
    """
    states = dict(store.sizes(Kind.state))
    results = [(kind, *row) for kind in (Kind.history, Kind.divergence) if unreferenced for row in store.sizes(kind)]
    others = dict(store.files.list(DAMAGED_FOLDER)) if damaged else {}
    for path, size in store.files.unfinished():
        writer = writer_of(path)
        if writer is not None and writer.has_ended:
            others[path] = size
    # Read after the listings: what is listed by now and referenced meanwhile stays.
    chains = [chain for references in read_references(store) if references.counts for chain in references.chains]
    named = {name for chain in chains for name in chain.states}
    others |= {f"{FOLDERS[kind]}/{name}": size for kind, name, size in results if name not in named}
    removed = collectable(states, chains, keep_leaves)
    if not dry_run:
        for name in removed:
            store.remove(Kind.state, name)
        for path in others:
            store.files.remove(path)
        forget_gone_drivers(store.files)
    freed = sum(states[name] for name in removed) + sum(others.values())
    return Collected(tuple(removed), tuple(sorted(others)), freed)


def make_room(store: Store, num_bytes: int) -> Collected | None:
    """Makes room for so many bytes, by collecting inner states if need be; returns what went, if anything had to.

    Raises:
        StoreFull: collecting did not free enough.
    """
    try:
        store.check_room(num_bytes)
    except StoreFull:
        collected = collect(store)
        store.check_room(num_bytes)
        return collected
    return None
