import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mflab.errors import MflabError
from mflab.sweep.store import (
    ChainReference,
    Kind,
    Store,
    StoreFull,
    collect,
    collectable,
    make_room,
    read_references,
    register,
)

_ROOTS = st.sampled_from("rs")
_STEPS = st.tuples(st.integers(1, 9), st.sampled_from("ab")).map(lambda drawn: f"{drawn[0]}{drawn[1]}")
_NAMES = st.builds("{}/{}".format, _ROOTS, _STEPS)


# Plain values: checking the types of a reference draws random numbers, which no strategy may do.
_CHAINS = st.lists(
    st.tuples(
        st.builds(
            lambda root, steps: [f"{root}/{step}" for step in sorted(steps)],
            _ROOTS,
            st.lists(_STEPS, unique_by=lambda step: step[0], max_size=5),
        ),
        st.booleans(),
    ),
    max_size=6,
)


def _chains(drawn: list[tuple[list[str], bool]]) -> list[ChainReference]:
    return [ChainReference(f"t{i}", tuple(states), done) for i, (states, done) in enumerate(drawn)]


@given(st.lists(_NAMES, unique=True, max_size=20), _CHAINS, st.booleans())
def test_collectable_leaves_where_each_unfinished_chain_goes_on(
    states: list[str], drawn: list[tuple[list[str], bool]], keep_leaves: bool
):
    chains = _chains(drawn)
    removed = collectable(states, chains, keep_leaves)
    assert removed == sorted(set(removed)) and set(removed) <= set(states)
    for chain in chains:
        stored = [state for state in chain.states if state in states]
        if not chain.done and stored:
            assert stored[-1] not in removed
        if keep_leaves and chain.states:
            assert chain.states[-1] not in removed
    # What stays has a reason, and collecting again finds nothing.
    kept = set(states) - set(removed)
    reasons = {chain.states[-1] for chain in chains if keep_leaves and chain.states}
    named = {name for chain in chains for name in chain.states}
    for chain in chains:
        if not chain.done and chain.states:
            root, end = chain.states[-1].split("/")
            deepest = ([""] + [s for s in chain.states if s in states])[-1]
            behind = {name for name in states if name.startswith(root) and deepest < name < f"{root}/{end}"} - named
            # A trial that was stopped there goes on from there.
            assert behind <= kept
            reasons |= {deepest} | behind
    assert kept <= reasons
    assert collectable(sorted(kept), chains, keep_leaves) == []


@given(st.lists(_NAMES, unique=True, max_size=20), _CHAINS)
def test_only_leaves_stay_once_all_chains_are_done(states: list[str], drawn: list[tuple[list[str], bool]]):
    done = _chains([(names, True) for names, _ in drawn])
    leaves = {chain.states[-1] for chain in done if chain.states}
    assert set(states) - set(collectable(states, done, keep_leaves=True)) == leaves & set(states)
    assert collectable(states, done, keep_leaves=False) == sorted(states)


def _fill(store: Store, names: str, kind: Kind = Kind.state) -> None:
    for name in names.split():
        store.put_bytes(kind, name, b"x" * 904, {})


def test_collect_removes_inner_states_and_says_what_it_freed(any_store: Store, tmp_path: Path):
    _fill(any_store, "r/1 r/2 r/3 r/4 x/1")
    _fill(any_store, "r/1 r/9", Kind.history)
    _fill(any_store, "aa/1", Kind.evaluation)
    chains = [ChainReference("t1", ("r/1", "r/2", "r/3"), True), ChainReference("t2", ("r/1", "r/4", "r/5"), False)]
    register(any_store, "sweep", tmp_path, chains)
    planned = collect(any_store, dry_run=True)
    assert any_store.names(Kind.state) == ["r/1", "r/2", "r/3", "r/4", "x/1"]
    assert collect(any_store) == planned
    assert planned.states == ("r/1", "r/2", "x/1") and planned.others == () and planned.freed_bytes == 3 * 5000
    assert any_store.names(Kind.state) == ["r/3", "r/4"]
    assert collect(any_store).freed_bytes == 0
    assert collect(any_store, keep_leaves=False).states == ("r/3",)
    assert any_store.names(Kind.history) == ["r/1", "r/9"]
    assert collect(any_store, unreferenced=True).others == ("histories/r/9",)
    assert any_store.names(Kind.history) == ["r/1"] and any_store.names(Kind.evaluation) == ["aa/1"]


def test_damaged_entries_go_when_asked(store: Store):
    store.files.write("states/a", lambda file: file.write(b"nonsense"))
    assert store.find(Kind.state, "a") is None
    assert collect(store).others == ()
    collected = collect(store, damaged=True)
    assert collected.others == ("damaged/state/a.0",) and collected.freed_bytes == 8
    assert store.files.list("") == []


def test_half_written_files_of_dead_processes_go(store: Store):
    script = """if True:
        import os, sys
        from mflab.sweep.store import Kind, Store
        Store(sys.argv[1]).put(Kind.state, "a", lambda file: os.kill(os.getpid(), 9), {})
    """
    assert subprocess.run([sys.executable, "-c", script, store.url], check=False).returncode == -9
    [(name, _)] = store.files.unfinished()

    def while_writing(file):
        file.write(b"x")
        file.flush()
        assert len(store.files.unfinished()) == 2
        assert collect(store).others == (name,)

    store.files.write("states/b", while_writing)
    assert store.files.list("") == [("states/b", 1)] and store.files.unfinished() == []


def test_registering_again_replaces_and_folders_tell_sweeps_apart(store: Store, tmp_path: Path):
    first, second = tmp_path / "one", tmp_path / "two"
    first.mkdir()
    second.mkdir()
    chain = ChainReference("t", ("a", "b"), False)
    register(store, "sweep", first, [])
    register(store, "sweep", first, [chain])
    register(store, "sweep", second, [])
    references = sorted(read_references(store), key=lambda found: found.folder)
    assert [(found.sweep, found.folder, found.chains) for found in references] == [
        ("sweep", str(first), (chain,)),
        ("sweep", str(second), ()),
    ]


def test_removed_sweep_folder_counts_no_more_but_only_on_its_machine(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _fill(store, "a")
    folder = tmp_path / "sweep"
    folder.mkdir()
    register(store, "sweep", folder, [ChainReference("t", ("a",), False)])
    assert collect(store, dry_run=True).states == ()
    folder.rmdir()
    assert not read_references(store)[0].counts
    assert collect(store, dry_run=True).states == ("a",)
    process = read_references(store)[0].host
    with monkeypatch.context() as patch:
        patch.setattr("mflab.sweep.store.references.this_process", lambda: type("Host", (), {"host": process + "2"}))
        assert read_references(store)[0].counts
        assert collect(store, dry_run=True).states == ()


def test_damaged_references_stop_the_collection(store: Store):
    _fill(store, "a")
    store.files.write("references/sweep-0.json", lambda file: file.write(b'{"sweep": "s"'))
    with pytest.raises(MflabError, match=r"references/sweep-0\.json .* start that sweep again"):
        collect(store)
    assert store.names(Kind.state) == ["a"]


def test_make_room_collects_only_when_it_must(store: Store, tmp_path: Path):
    _fill(store, "r/1 r/2 r/3")
    register(store, "sweep", tmp_path, [ChainReference("t", ("r/1", "r/2", "r/3"), False)])
    store.budget_gb = 20_000 / 1e9
    assert make_room(store, 5_000) is None
    collected = make_room(store, 5_001)
    assert collected is not None and collected.states == ("r/1", "r/2")
    with pytest.raises(StoreFull):
        make_room(store, 15_001)
    assert store.names(Kind.state) == ["r/3"]
