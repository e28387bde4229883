import os
import subprocess
import sys
from pathlib import Path

import pytest

from mflab.errors import MflabError
from mflab.sweep.store import LocalFiles, Store, open_files
from mflab.sweep.store.process import Process, is_temporary, temporary_name, this_process, writer_of


def test_files_appear_move_and_vanish(any_store: Store):
    files = any_store.files
    assert files.list("") == files.list("states") == []
    files.write("states/ab/one", lambda file: file.write(b"12345"))
    files.write("states/ab/one", lambda file: file.write(b"123"))
    files.write("states/two", lambda file: file.write(b""))
    assert files.is_present()
    assert sorted(files.list("states")) == [("states/ab/one", 3), ("states/two", 0)]
    assert files.list("states/ab") == [("states/ab/one", 3)]
    assert files.list("states/a") == []
    assert files.exists("states/ab/one")
    assert not files.exists("states/ab")
    files.move("states/ab/one", "damaged/state/one.0")
    assert not files.exists("states/ab/one")
    with files.open("damaged/state/one.0") as file:
        assert (file.seek(1), file.read(), file.tell()) == (1, b"23", 3)
    files.remove("states/two")
    files.remove("states/two")
    assert files.list("") == [("damaged/state/one.0", 3)]
    for missing in (files.open, lambda name: files.move(name, "x")):
        with pytest.raises(FileNotFoundError):
            missing("states/two")


@pytest.mark.parametrize("error", [RuntimeError("bad"), KeyboardInterrupt()])
def test_writer_that_raises_leaves_the_old_file_and_no_other(any_store: Store, error: BaseException):
    def write(file):
        file.write(b"new")
        raise error

    files = any_store.files
    files.write("states/a", lambda file: file.write(b"old"))
    with pytest.raises(type(error)):
        files.write("states/a", write)
    with files.open("states/a") as file:
        assert file.read() == b"old"
    assert files.list("") == [("states/a", 3)] and files.unfinished() == []


@pytest.mark.parametrize("any_store", ["memory", "s3"], indirect=True)
def test_interrupted_upload_leaves_no_part(any_store: Store, monkeypatch: pytest.MonkeyPatch):
    def interrupted(source, stream, size):
        stream.write(source.read(3))
        raise KeyboardInterrupt

    monkeypatch.setattr("mflab.sweep.store.remote.shutil.copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        any_store.files.write("states/a", lambda file: file.write(b"123456"))
    assert any_store.files.list("") == any_store.files.unfinished() == []


@pytest.mark.parametrize("any_store", ["s3"], indirect=True)
def test_object_too_large_to_copy_is_moved_through_here(any_store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mflab.sweep.store.remote._LARGEST_COPY", 10)
    data = bytes(range(256)) * 80_000
    any_store.files.write("states/a", lambda file: file.write(data))
    any_store.files.move("states/a", "damaged/state/a.0")
    assert any_store.files.list("") == [("damaged/state/a.0", len(data))]
    with any_store.files.open("damaged/state/a.0") as file:
        assert file.read() == data


def test_killed_writer_leaves_a_file_that_names_it(tmp_path: Path):
    script = """if True:
        import os, sys
        from pathlib import Path
        from mflab.sweep.store.files import LocalFiles
        def write(file):
            file.write(b"part")
            file.flush()
            os.kill(os.getpid(), 9)
        LocalFiles(Path(sys.argv[1])).write("states/a", write)
    """
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    assert child.wait() == -9
    files = LocalFiles(tmp_path)
    assert files.list("") == []
    [(name, size)] = files.unfinished()
    writer = writer_of(name)
    assert size == 4 and writer is not None and writer.pid == child.pid
    assert writer.is_gone and writer.has_ended


def test_process_is_gone_only_where_that_can_be_seen():
    here = this_process()
    assert not here.is_gone and not here.has_ended
    fields = {**here.__dict__, "pid": 2**22 + 1}
    assert Process(**fields).is_gone
    assert Process(**here.__dict__ | {"started": here.started + 1}).is_gone
    for other in ({"host": "elsewhere"}, {"boot": ""}, {"namespace": "1"}):
        assert not Process(**fields | other).is_gone
        assert not Process(**fields | other).has_ended
    rebooted = Process(**fields | {"boot": "earlier"})
    assert rebooted.has_ended and not rebooted.is_gone


def test_zombie_is_gone():
    child = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE)
    stat = Path(f"/proc/{child.pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "Z":
        os.sched_yield()
    started = int(stat.read_text().rpartition(")")[2].split()[19])
    process = Process(**this_process().__dict__ | {"pid": child.pid, "started": started})
    assert process.is_gone
    child.communicate()


def test_temporary_name_tells_its_writer():
    assert is_temporary(f"states/{temporary_name()}")
    assert writer_of(f"states/{temporary_name()}") == this_process()
    assert writer_of("states/.tmp~odd") is None


def test_open_files_tells_places_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert open_files("outputs/store").url == str(tmp_path / "outputs/store")
    assert open_files("~/store").url == "/home/someone/store"
    assert open_files("file:///data/my%20store").url == "/data/my store"
    with pytest.raises(MflabError, match=r"nonsense://x is not .*paths\.store"):
        open_files("nonsense://x")


def test_url_of_a_store_hides_its_password():
    files = open_files("s3://key:secret@bucket/store?region=eu-central-1&endpoint_override=http://127.0.0.1:9")
    assert files.url == "s3://bucket/store?region=eu-central-1&endpoint_override=http://127.0.0.1:9"


def test_free_bytes_of_a_folder_that_does_not_exist_yet(tmp_path: Path):
    free = LocalFiles(tmp_path / "a" / "b").free_bytes()
    assert free is not None and free > 0
    assert not LocalFiles(tmp_path / "a" / "b").is_present()
