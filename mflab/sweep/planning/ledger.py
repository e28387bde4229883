"""The ledger of a sweep folder: append-only, one writer, the only truth about what ran."""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mflab.errors import MflabError
from mflab.results import LEDGER_FILE, Status, read_ledger

LOCK_FILE = ".lock"
# They reach the disk with the line after them, or when the system writes them. If the power goes first, all that is
# missing is one of the jobs that a report counts as lost.
_NOT_AWAITED = ("started",)
_ENDINGS = tuple(status.value for status in Status if status is not Status.planned)


class Ledger:
    """Appends events to `ledger.jsonl`; every line but that of a mere start is on the disk before `append` returns.

    Args:
        folder: sweep folder, whose lock the caller holds.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / LEDGER_FILE
        needs_newline = path.exists() and path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115  closed by __exit__
        if needs_newline:
            # A crash cut the last line short: what was lost stays lost, but the next event starts a line of its own.
            self._file.write(b"\n")

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, event: str, **fields: Any) -> dict[str, Any]:
        """Writes one event with the present time, all of it or nothing; returns the row."""
        row = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
        line = memoryview((json.dumps(row) + "\n").encode())
        size = os.fstat(self._file.fileno()).st_size
        try:
            # A disk that is almost full takes a part of a line and says so in the number of bytes alone.
            while line:
                line = line[self._file.write(line) :]
            if event not in _NOT_AWAITED:
                os.fsync(self._file.fileno())
        except OSError:
            os.ftruncate(self._file.fileno(), size)
            raise
        return row

    def read(self) -> list[dict[str, Any]]:
        return read_ledger(self.folder)


def latest(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The last ending of every trial, by id; a trial that only started has none.

    Example:
        >>> rows = [{"event": "started", "trial_id": "a"}, {"event": "failed", "trial_id": "a"},
        ...         {"event": "started", "trial_id": "b"}, {"event": "done", "trial_id": "a"}]
        >>> {trial_id: row["event"] for trial_id, row in latest(rows).items()}
        {'a': 'done'}
    """
    return {row["trial_id"]: dict(row) for row in rows if row["event"] in _ENDINGS and "trial_id" in row}


@contextmanager
def sweep_lock(folder: Path) -> Iterator[None]:
    """Holds a sweep folder, created if missing, for this process alone; the system frees it when the process dies.

    Raises:
        MflabError: the folder cannot be written, or another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise MflabError(
            f"The output folder must be writable, but {folder} is not ({error.strerror}); set paths.outputs."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 64).decode().strip()
            raise MflabError(
                f"One process may run a sweep at a time, but process {holder} runs {folder}; wait for it, stop it, "
                "or set sweep.name."
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)
