"""Reading entries: whole ones are handed out, damaged ones are set aside for their makers to remake."""

import errno
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

from mflab.sweep.store.entry import DamagedEntry, Entry, Kind, check_payload, check_place, read_header
from mflab.sweep.store.files import Files
from mflab.sweep.store.streams import section

FOLDERS = {
    Kind.state: "states",
    Kind.history: "histories",
    Kind.evaluation: "evaluations",
    Kind.divergence: "divergences",
}
DAMAGED_FOLDER = "damaged"
_SPOOL = 64 * 2**20


@dataclass(frozen=True)
class Damage:
    """An entry that was found damaged.

    Args:
        kind: what it held.
        name: its name within the kind.
        reason: what was wrong with it.
        moved_to: where it lies now, from the store's root; None if another process set it aside first.
    """

    kind: Kind
    name: str
    reason: str
    moved_to: str | None

    def __str__(self) -> str:
        return f"{self.kind.name} {self.name}: {self.reason}"


@dataclass
class OpenEntry:
    """An entry open for reading; closing it is up to who opened it.

    Args:
        entry: its header.
        payload: its payload, at the start.
        resources: what to close.
    """

    entry: Entry
    payload: BinaryIO
    resources: ExitStack


def open_entry(
    files: Files, path: str, kind: Kind, name: str, *, is_thorough: bool, is_kept: bool = False
) -> OpenEntry:
    """Opens an entry and checks that it is the one asked for.

    Args:
        files: where it lies.
        path: name of its file.
        kind: what it must hold.
        name: what it must be called.
        is_thorough: whether to read the whole payload and compare its SHA-256.
        is_kept: whether the payload is read again: then what comes from afar is kept in a temporary file.

    Raises:
        FileNotFoundError: there is none.
        DamagedEntry: it is not whole, or another one.
    """
    with ExitStack() as resources:
        file = resources.enter_context(files.open(path))
        try:
            entry, start = read_header(file)
            check_place(entry, kind, name, file.seek(0, 2) - start)
            payload = section(file, start, entry.num_bytes)  # pyright: ignore[reportArgumentType]
            if is_thorough and is_kept and not files.is_local:
                # One transfer instead of two, and libraries read in small pieces.
                spool = resources.enter_context(tempfile.SpooledTemporaryFile(_SPOOL))
                check_payload(entry, payload, spool)  # pyright: ignore[reportArgumentType]
                payload = spool
            elif is_thorough:
                check_payload(entry, payload)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise DamagedEntry(f"the disk cannot read it ({error.strerror})") from error
        payload.seek(0)
        return OpenEntry(entry, payload, resources.pop_all())  # pyright: ignore[reportArgumentType]
    raise AssertionError("unreachable")


def set_aside(files: Files, path: str, kind: Kind, name: str, reason: str) -> Damage | None:
    """Moves a damaged entry out of the way; None, and nothing moved, if it is whole after all.

    Args:
        files: where it lies.
        path: name of its file.
        kind: what it was to hold.
        name: what it was to be called.
        reason: what is wrong with it.
    """
    stem = f"{DAMAGED_FOLDER}/{kind.name}/{name}."
    earlier = [found[len(stem) :] for found, _ in files.list(stem.rpartition("/")[0]) if found.startswith(stem)]
    target = f"{stem}{max((int(number) for number in earlier if number.isdigit()), default=-1) + 1}"
    try:
        files.move(path, target)
    except FileNotFoundError:
        return Damage(kind, name, reason, None)
    # Since the damage was found, another process may have set it aside and put a whole entry in its place.
    try:
        open_entry(files, target, kind, name, is_thorough=True).resources.close()
    except (DamagedEntry, FileNotFoundError):
        return Damage(kind, name, reason, target)
    files.move(target, path)
    return None
