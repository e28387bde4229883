import errno
import io
import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mflab.errors import MflabError
from mflab.sweep.store import Kind, Store, StoreFull
from mflab.sweep.store.entry import BLOCK, DamagedEntry, check_payload, check_place, read_header, write_entry
from mflab.sweep.store.streams import section

NAME = "0123456789abcdef/00000040-0123456789abcdef0123456789abcdef"


class Memory(io.BytesIO):
    """Bytes that pass for a file where types are checked."""

    name, mode = "memory", "rb+"


def _read(file):
    return file.read()


def test_put_find_load_round_trip(any_store: Store):
    entry = any_store.put_bytes(Kind.history, NAME, b"payload", {"step": 40, "loss": [0.1, float("inf")], 3: None})
    assert entry.meta == {"step": 40, "loss": [0.1, float("inf")], "3": None}
    assert (entry.kind, entry.name, entry.num_bytes) == (Kind.history, NAME, 7)
    assert any_store.find(Kind.history, NAME) == any_store.verify(Kind.history, NAME) == entry
    assert any_store.load(Kind.history, NAME, _read) == b"payload"
    assert any_store.has(Kind.history, NAME) and not any_store.has(Kind.state, NAME)
    any_store.put_bytes(Kind.history, NAME, b"", {})
    assert any_store.load(Kind.history, NAME, _read) == b""
    any_store.remove(Kind.history, NAME)
    any_store.remove(Kind.history, NAME)
    assert any_store.load(Kind.history, NAME, _read) is any_store.find(Kind.history, NAME) is None
    assert any_store.damages == [] and any_store.files.list("") == []


def test_names_are_sorted_and_begin_with_the_prefix(any_store: Store):
    for name in ("b/2", "a/1", "b/10", "bb/1"):
        any_store.put_bytes(Kind.state, name, b"", {})
    assert any_store.names(Kind.state) == ["a/1", "b/10", "b/2", "bb/1"]
    assert any_store.names(Kind.state, "b") == ["b/10", "b/2", "bb/1"]
    assert any_store.names(Kind.state, "b/1") == ["b/10"]
    assert any_store.names(Kind.state, "c/") == any_store.names(Kind.evaluation) == []
    assert any_store.used_bytes() == 4 * BLOCK


def test_training_state_streams_through_torch(any_store: Store):
    state = {"weights": {"w": torch.randn(300, 100), "b": torch.arange(7)}, "rng": torch.get_rng_state(), "step": 40}
    any_store.put(Kind.state, NAME, lambda file: torch.save(state, file), {})
    loaded = any_store.load(Kind.state, NAME, lambda file: torch.load(file, weights_only=True))
    assert loaded is not None
    torch.testing.assert_close(loaded, state, rtol=0, atol=0)


def test_tables_and_arrays_stream_too(any_store: Store):
    frame = pd.DataFrame({"step": [1, 2], "loss": [0.5, float("nan")]})
    any_store.put(Kind.history, "a", lambda file: frame.to_parquet(file, index=False), {})
    loaded = any_store.load(Kind.history, "a", pd.read_parquet)
    assert loaded is not None
    pd.testing.assert_frame_equal(loaded, frame)
    any_store.put(Kind.history, "b", lambda file: np.savez(file, x=np.arange(5)), {})
    assert any_store.load(Kind.history, "b", lambda file: np.load(file)["x"].tolist()) == [0, 1, 2, 3, 4]


def test_large_state_is_never_held_twice(tmp_path: Path):
    script = """if True:
        import resource, sys, torch
        from mflab.sweep.store import Kind, Store
        store = Store(sys.argv[1])
        state = {"w": torch.ones(75_000_000)}
        store.put(Kind.state, "warm", lambda file: torch.save({"w": torch.ones(9)}, file), {})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        store.put(Kind.state, "a", lambda file: torch.save(state, file), {})
        store.verify(Kind.state, "a")
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    out = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, check=True, text=True)
    assert int(out.stdout) * 1024 < 60e6


def _entry_bytes(payload: bytes = b"some payload", meta: dict | None = None) -> bytes:
    file = Memory()
    write_entry(file, Kind.state, "a/b", lambda stream: stream.write(payload), meta or {"step": 40, "loss": 0.25})
    return file.getvalue()


def _check_all(data: bytes) -> None:
    file = Memory(data)
    entry, start = read_header(file)
    check_place(entry, Kind.state, "a/b", len(data) - start)
    check_payload(entry, section(file, start, entry.num_bytes))


def test_every_flipped_bit_of_an_entry_is_found():
    data = bytearray(_entry_bytes())
    _check_all(bytes(data))
    for position, bit in itertools.product(range(len(data)), range(8)):
        data[position] ^= 1 << bit
        with pytest.raises(DamagedEntry):
            _check_all(bytes(data))
        data[position] ^= 1 << bit


def test_every_truncation_of_an_entry_is_found():
    data = _entry_bytes()
    for length in range(len(data)):
        with pytest.raises(DamagedEntry):
            _check_all(data[:length])
    with pytest.raises(DamagedEntry):
        _check_all(data + b"\0")


@given(st.integers(0, 3 * BLOCK), st.binary(max_size=100))
def test_headers_of_any_size_end_at_a_block(size: int, payload: bytes):
    data = _entry_bytes(payload, {"text": "ä" * size})
    entry, start = read_header(Memory(data))
    assert start % BLOCK == 0 and entry.meta == {"text": "ä" * size}
    assert data[start:] == payload


def test_meta_that_fits_no_header_is_refused(store: Store):
    with pytest.raises(MflabError, match="put it into the payload"):
        store.put_bytes(Kind.state, "a", b"", {"text": "x" * 2_000_000})
    assert store.files.list("") == store.files.unfinished() == []


@given(st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 70), st.integers(-1, 70)), max_size=8))
def test_section_reads_as_a_file_of_its_own(payload: bytes, moves: list[tuple[int, int]]):
    part, oracle = section(io.BytesIO(b"head" + payload + b"tail"), 4, len(payload)), io.BytesIO(payload)
    for position, count in moves:
        assert part.seek(position) == oracle.seek(position)
        assert part.read(count) == oracle.read(count)
        assert part.tell() == oracle.tell()
    assert part.seek(0, io.SEEK_END) == len(payload)


def _damage(store: Store, path: str, how: str) -> None:
    with store.files.open(path) as file:
        data = bytearray(file.read())
    if how == "payload":
        data[-2] ^= 1
    elif how == "header":
        data[100] ^= 1
    elif how == "magic":
        data[0] ^= 1
    elif how == "truncated":
        del data[-1:]
    elif how == "empty":
        data.clear()
    store.files.write(path, lambda file: file.write(data))


@pytest.mark.parametrize("how", ["payload", "header", "magic", "truncated", "empty"])
def test_damaged_entry_is_set_aside_and_can_be_remade(any_store: Store, how: str):
    for number in range(2):
        any_store.put_bytes(Kind.state, NAME, b"payload", {})
        _damage(any_store, f"states/{NAME}", how)
        assert any_store.load(Kind.state, NAME, _read) is None
        assert any_store.load(Kind.state, NAME, _read) is None
        assert any_store.names(Kind.state) == []
        damage = any_store.damages[-1]
        assert (damage.kind, damage.name, damage.moved_to) == (Kind.state, NAME, f"damaged/state/{NAME}.{number}")
        assert damage.reason
        assert any_store.files.exists(f"damaged/state/{NAME}.{number}")
    assert len(any_store.damages) == 2
    any_store.put_bytes(Kind.state, NAME, b"payload", {})
    assert any_store.load(Kind.state, NAME, _read) == b"payload"


@pytest.mark.parametrize("how", ["header", "magic", "truncated", "empty"])
def test_find_sets_aside_what_the_header_and_size_betray(store: Store, how: str):
    store.put_bytes(Kind.state, NAME, b"payload", {})
    _damage(store, f"states/{NAME}", how)
    assert store.find(Kind.state, NAME) is None and len(store.damages) == 1


def test_entry_under_another_name_or_kind_is_damage(any_store: Store):
    any_store.put_bytes(Kind.state, "a/one", b"payload", {})
    any_store.files.move("states/a/one", "states/a/two")
    assert any_store.load(Kind.state, "a/two", _read) is None
    any_store.put_bytes(Kind.state, "a/one", b"payload", {})
    any_store.files.move("states/a/one", "histories/a/one")
    assert any_store.load(Kind.history, "a/one", _read) is None
    assert [damage.reason for damage in any_store.damages] == ["it is state a/one"] * 2


@pytest.mark.parametrize("error", [FileNotFoundError("a caller's own file"), DamagedEntry("odd"), RuntimeError("code")])
def test_error_of_the_reader_is_no_damage(any_store: Store, error: Exception):
    def read(file):
        raise error

    any_store.put_bytes(Kind.state, NAME, b"payload", {})
    with pytest.raises(type(error)):
        any_store.load(Kind.state, NAME, read)
    assert any_store.damages == [] and any_store.has(Kind.state, NAME)


def test_entry_remade_while_its_damage_was_found_stays(any_store: Store, monkeypatch: pytest.MonkeyPatch):
    """Another process sets the damage aside and remakes the entry between our reading and our moving."""
    any_store.put_bytes(Kind.state, NAME, b"payload", {})
    _damage(any_store, f"states/{NAME}", "payload")
    move, other = any_store.files.move, Store(any_store.url)

    def late_move(name, target):
        if not other.damages:
            assert other.load(Kind.state, NAME, _read) is None
            other.put_bytes(Kind.state, NAME, b"payload", {})
        move(name, target)

    monkeypatch.setattr(any_store.files, "move", late_move)
    assert any_store.load(Kind.state, NAME, _read) == b"payload"
    assert any_store.damages == [] and len(other.damages) == 1
    assert any_store.names(Kind.state) == [NAME]


def test_damage_that_another_process_sets_aside_first_is_recorded(store: Store, monkeypatch: pytest.MonkeyPatch):
    store.put_bytes(Kind.state, NAME, b"payload", {})
    _damage(store, f"states/{NAME}", "payload")
    move, other = store.files.move, Store(store.url)

    def late_move(name, target):
        assert other.load(Kind.state, NAME, _read) is None
        move(name, target)

    monkeypatch.setattr(store.files, "move", late_move)
    assert store.load(Kind.state, NAME, _read) is None
    assert [damage.moved_to for damage in store.damages] == [None]
    assert [damage.moved_to for damage in other.damages] == [f"damaged/state/{NAME}.0"]


def test_unreadable_sector_is_damage(store: Store, monkeypatch: pytest.MonkeyPatch):
    class Broken(Memory):
        def read(self, size=-1):
            raise OSError(errno.EIO, "Input/output error")

    store.put_bytes(Kind.state, NAME, b"payload", {})
    monkeypatch.setattr(store.files, "open", lambda name: Broken())
    assert store.load(Kind.state, NAME, _read) is None
    assert "Input/output error" in store.damages[0].reason


def test_processes_that_find_one_damage_at_once_are_all_fine(store: Store, tmp_path: Path):
    script = """if True:
        import sys, time
        from pathlib import Path
        from mflab.sweep.store import Kind, Store
        store, go = Store(sys.argv[1]), Path(sys.argv[3])
        go.with_name(f"ready-{sys.argv[4]}").touch()
        while not go.exists():
            time.sleep(0.001)
        print(store.load(Kind.state, sys.argv[2], lambda file: file.read()), len(store.damages))
    """
    store.put_bytes(Kind.state, NAME, b"payload" * 100_000, {})
    _damage(store, f"states/{NAME}", "payload")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, store.url, NAME, str(tmp_path / "go"), str(number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    while len(list(tmp_path.glob("ready-*"))) < 3:
        time.sleep(0.01)
    (tmp_path / "go").touch()
    answers = sorted(process.communicate()[0].strip() for process in processes)
    assert set(answers) <= {"None 0", "None 1"} and answers[-1] == "None 1"
    assert [name for name, _ in store.files.list("")] == [f"damaged/state/{NAME}.0"]


def test_concurrent_writers_and_readers_see_whole_entries(store: Store):
    """Two write and remove one name, so that its folder comes and goes, while a third reads."""
    deadline, errors = time.monotonic() + 1.5, []

    def work(action):
        try:
            while time.monotonic() < deadline:
                action()
        except BaseException as error:
            errors.append(error)

    def write():
        store.put_bytes(Kind.state, NAME, b"payload" * 1000, {})

    def read():
        assert store.load(Kind.state, NAME, _read) in (None, b"payload" * 1000)

    actions = (write, write, lambda: store.remove(Kind.state, NAME), read)
    threads = [threading.Thread(target=work, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and store.damages == [] and store.files.unfinished() == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_store_full_and_leaves_nothing(any_store: Store, number: int):
    class Full:
        def write(self, data):
            raise OSError(number, "no room")

        def flush(self):
            pass

    def write(file):
        raise OSError(number, "no room")

    with pytest.raises(StoreFull, match=r"is full \(no room\); run `python -m mflab.sweep.store gc .*, raise"):
        any_store.put(Kind.state, NAME, write, {})
    # torch raises an error of its own over the first one.
    with pytest.raises(StoreFull):
        any_store.put(Kind.state, NAME, lambda file: torch.save({"w": torch.ones(9)}, Full()), {})
    assert any_store.files.list("") == any_store.files.unfinished() == []


def test_real_full_device_is_store_full(store: Store, monkeypatch: pytest.MonkeyPatch):
    def open_full(path, mode):
        Path(path).touch()
        return open("/dev/full", "wb")

    monkeypatch.setattr("mflab.sweep.store.files.open", open_full, raising=False)
    with pytest.raises(StoreFull):
        store.put(Kind.state, NAME, lambda file: torch.save({"w": torch.ones(9999)}, file), {})
    with pytest.raises(StoreFull):
        store.put_bytes(Kind.state, NAME, b"", {})
    monkeypatch.undo()
    assert store.files.list("") == store.files.unfinished() == []


def test_other_errors_stay_what_they_are_even_after_a_full_disk(store: Store):
    def write(file):
        raise KeyError("a mistake")

    with pytest.raises(KeyError):
        store.put(Kind.state, NAME, write, {})
    try:
        raise OSError(errno.ENOSPC, "no room")
    except OSError:
        with pytest.raises(KeyError):
            store.put(Kind.state, NAME, write, {})


def test_file_size_limit_leaves_the_old_entry(tmp_path: Path):
    """A write that the system really refuses half way, since nothing here may fill a disk."""
    script = """if True:
        import resource, signal, sys
        from mflab.sweep.store import Kind, Store
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = Store(sys.argv[1])
        store.put_bytes(Kind.state, "a", b"old", {})
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            store.put_bytes(Kind.state, "a", b"new" * 1_000_000, {})
        except OSError as error:
            print(store.load(Kind.state, "a", lambda file: file.read()), store.files.unfinished())
    """
    out = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, check=True, text=True)
    assert out.stdout == "b'old' []\n"


def test_budget_is_kept(any_store: Store):
    any_store.budget_gb = 20_000 / 1e9
    any_store.check_room(20_000)
    any_store.put_bytes(Kind.state, "a", b"x" * (10_000 - BLOCK), {})
    any_store.check_room(9_999)
    with pytest.raises(StoreFull, match=r"budget of 2e-05 GB.*raise store\.budget_gb"):
        any_store.check_room(20_000)
    any_store.remove(Kind.state, "a")
    any_store.check_room(20_000)


def test_free_disk_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store.files, "free_bytes", lambda: 5_000_000_000)
    store.check_room(10**15)
    store.min_free_gb = 2.0
    store.check_room(3_000_000_000)
    with pytest.raises(StoreFull, match=r"leave 2 GB .* has 5\.000 GB free and needs 3\.000 GB"):
        store.check_room(3_000_000_001)


def test_checking_the_room_lists_at_most_every_ten_seconds(store: Store, monkeypatch: pytest.MonkeyPatch):
    now, listings, list_files = [1000.0], [], store.files.list
    monkeypatch.setattr("mflab.sweep.store.store.time.monotonic", lambda: now[0])
    monkeypatch.setattr(store.files, "list", lambda folder: listings.append(folder) or list_files(folder))
    store.budget_gb = 1.0
    for number in range(20):
        store.put_bytes(Kind.state, f"a/{number}", b"x", {})
        store.check_room(1)
        now[0] += 0.4
    assert len(listings) == 5
    assert store.used_bytes() == 20 * (BLOCK + 1)
    now[0] += 10
    Store(store.url).put_bytes(Kind.state, "another", b"x", {})
    assert store.used_bytes() == 21 * (BLOCK + 1) and len(listings) == 10


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "../a", "a/../b", ".", "a/.tmp~x", "a\0b"])
def test_name_that_leaves_its_folder_is_refused(store: Store, name: str):
    with pytest.raises(MflabError, match="relative path"):
        store.put_bytes(Kind.state, name, b"", {})
    with pytest.raises(MflabError):
        store.has(Kind.state, name)
