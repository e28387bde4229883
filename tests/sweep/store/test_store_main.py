import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mflab.sweep.store import ChainReference, Kind, Leases, Store, register
from mflab.sweep.store.__main__ import main
from mflab.sweep.store.drivers import DriverRecord, write_driver
from mflab.sweep.store.process import Process


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:
    for name in ("r1/1", "r1/2", "r2/1"):
        store.put_bytes(Kind.state, name, b"x" * 904, {})
    store.put_bytes(Kind.history, "r1/1", b"x", {})
    register(store, "prompt_style", tmp_path, [ChainReference("t", ("r1/1", "r1/2"), True)])
    return store


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, dict]:
    status = main(arguments)
    out = capsys.readouterr().out
    return status, out, json.loads(out.splitlines()[-1])


def test_list_shows_what_is_there_and_who_uses_it(filled: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    register(filled, "removed", tmp_path / "nothing", [ChainReference("t", ("r2/1",), True)])
    filled.files.write("states/r3/1", lambda file: file.write(b""))
    assert filled.find(Kind.state, "r3/1") is None
    write_driver(filled.files, DriverRecord("far-1-ab", Process("far", "b", "1", 1, 1), 1))
    with Leases(filled.files) as leases:
        leases.beat()
        status, out, record = _run(capsys, "list", filled.url)
    assert status == 0
    assert record == {
        "entries": {"state": 3, "history": 1, "evaluation": 0, "divergence": 0},
        "bytes": 3 * 5000 + 4097,
        "damaged": 1,
        "references": 2,
        "drivers": 2,
    }
    lines = out.splitlines()
    assert any("r1" in line and "prompt_style" in line and "10 kB" in line for line in lines)
    assert any("r2" in line and "nobody" in line for line in lines)
    assert any("removed" in line and "gone: does not count" in line for line in lines)
    assert any("damaged/state/r3/1.0" in line for line in lines)
    assert any(leases.owner in line and "alive" in line for line in lines)
    assert any("far-1-ab" in line and "cannot be seen from here" in line for line in lines)


def test_gc_says_what_goes_and_what_went(filled: Store, capsys: pytest.CaptureFixture[str]):
    status, out, record = _run(capsys, "gc", "--dry-run", filled.url)
    assert (status, record["freed_bytes"], record["dry_run"]) == (0, 10_000, True)
    assert "would remove states/r2/1\n" in out and len(filled.names(Kind.state)) == 3
    status, out, record = _run(capsys, "gc", filled.url)
    assert (status, record["freed_bytes"], record["states"]) == (0, 10_000, 2)
    assert "freed 10 kB" in out and filled.names(Kind.state) == ["r1/2"]
    assert _run(capsys, "gc", "--leaves", filled.url)[2]["states"] == 1
    assert filled.names(Kind.state) == [] and filled.names(Kind.history) == ["r1/1"]


def test_gc_names_half_written_files_that_it_leaves(filled: Store, capsys: pytest.CaptureFixture[str]):
    (Path(filled.url) / "states" / ".tmp~far~boot~1~1~1~abcd").write_bytes(b"x")
    out = _run(capsys, "gc", filled.url)[1]
    assert "Left alone" in out and "states/.tmp~far~boot~1~1~1~abcd" in out


def test_verify_exits_1_once_and_sets_damage_aside(filled: Store, capsys: pytest.CaptureFixture[str]):
    assert _run(capsys, "verify", filled.url)[::2] == (0, {"whole": 4, "damaged": 0})
    path = Path(filled.url) / "states" / "r1" / "2"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    status, out, record = _run(capsys, "verify", filled.url)
    assert (status, record) == (1, {"whole": 3, "damaged": 1})
    assert "state r1/2: the SHA-256" in out and "makes it again" in out
    assert _run(capsys, "verify", filled.url)[::2] == (0, {"whole": 3, "damaged": 0})


def test_commands_work_on_s3(s3_url: Callable[[str], str], capsys: pytest.CaptureFixture[str]):
    store = Store(s3_url("commands"))
    store.put_bytes(Kind.state, "a", b"x", {})
    for command in ("list", "verify", "gc"):
        assert main([command, s3_url("commands")]) == 0
    assert store.names(Kind.state) == []


@pytest.mark.parametrize("command", ["list", "gc", "verify"])
def test_missing_store_is_bad_input(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([command, str(tmp_path / "none")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"none at {tmp_path}/none" in error
    assert not (tmp_path / "none").exists()


def test_unknown_place_is_bad_input(s3_url: Callable[[str], str], capsys: pytest.CaptureFixture[str]):
    assert main(["list", "nonsense://x"]) == 2
    assert "nonsense://x" in capsys.readouterr().err
    assert main(["list", s3_url("nothing-here")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_unreachable_place_is_bad_input_and_hides_its_keys(capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.setattr("mflab.sweep.store.remote.RemoteFiles.is_present", _unreachable)
    assert main(["list", "s3://key:secret@bucket/store?region=eu-central-1"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "s3://bucket/store" in error and "secret" not in error


def _unreachable(self):
    raise OSError("no\nroute")


def test_default_url_is_the_project_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 2
    assert "outputs/store" in capsys.readouterr().err
