"""The store of a project: content-addressed entries, whole or absent, checked whenever they are read."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeVar

from mflab.errors import MflabError
from mflab.sweep.store.entry import DamagedEntry, Entry, Kind, write_entry
from mflab.sweep.store.files import open_files
from mflab.sweep.store.full import BudgetFull, StoreFull, remedy
from mflab.sweep.store.process import is_temporary
from mflab.sweep.store.reading import DAMAGED_FOLDER, FOLDERS, Damage, open_entry, set_aside

_GB = 10**9
_USED_SECONDS = 10.0
_READINGS = 3
_log = logging.getLogger(__name__)
T = TypeVar("T")


class Store:
    """Entries by kind and name, shared by any number of processes.

    Args:
        url: folder or URL.
        budget_gb: most that the store may hold, in 10^9 bytes; 0 is no limit.
        min_free_gb: what must stay free on its disk; 0 is no limit. A remote place does not say what is free.
    """

    def __init__(self, url: str, budget_gb: float = 0.0, min_free_gb: float = 0.0) -> None:
        self.files = open_files(url)
        self.budget_gb = budget_gb
        self.min_free_gb = min_free_gb
        self.damages: list[Damage] = []
        self._used: tuple[float, int] | None = None

    @property
    def url(self) -> str:
        """How people name the store."""
        return self.files.url

    def put(self, kind: Kind, name: str, write: Callable[[BinaryIO], object], meta: Mapping[str, Any]) -> Entry:
        """Writes an entry, in place of one of the same name, and returns its header.

        Args:
            kind: what it holds.
            name: relative name.
            write: writes the payload, front to back; nothing is kept if it raises.
            meta: JSON values for the header.

        Raises:
            StoreFull: the disk is full.
        """
        written: list[tuple[Entry, int]] = []

        def fill(file: BinaryIO) -> None:
            entry = write_entry(file, kind, name, write, meta)
            written.append((entry, file.tell()))

        self.files.write(_path(kind, name), fill)
        entry, size = written[0]
        if self._used is not None:
            self._used = (self._used[0], self._used[1] + size)
        return entry

    def put_bytes(self, kind: Kind, name: str, payload: bytes, meta: Mapping[str, Any]) -> Entry:
        """Writes an entry whose payload is at hand."""
        return self.put(kind, name, lambda file: file.write(payload), meta)

    def has(self, kind: Kind, name: str) -> bool:
        """Whether an entry is there, be it damaged."""
        return self.files.exists(_path(kind, name))

    def names(self, kind: Kind, prefix: str = "") -> list[str]:
        """Sorted names that begin with a prefix, from one listing."""
        return [name for name, _ in self.sizes(kind, prefix)]

    def sizes(self, kind: Kind, prefix: str = "") -> list[tuple[str, int]]:
        """Sorted names that begin with a prefix, each with the bytes of its file, from one listing."""
        root = FOLDERS[kind] + "/"
        listed = self.files.list(root + prefix.rpartition("/")[0])
        return sorted((path[len(root) :], size) for path, size in listed if path.startswith(root + prefix))

    def find(self, kind: Kind, name: str) -> Entry | None:
        """Header of an entry, its payload's size checked; None if absent or set aside as damaged."""
        return self._checked(kind, name, lambda entry, payload: entry, is_thorough=False)

    def verify(self, kind: Kind, name: str) -> Entry | None:
        """Header of an entry whose payload was read and is whole; None if absent or set aside as damaged."""
        return self._checked(kind, name, lambda entry, payload: entry, is_thorough=True)

    def load(self, kind: Kind, name: str, read: Callable[[BinaryIO], T]) -> T | None:
        """What `read` makes of a whole payload; None if absent or set aside as damaged.

        Args:
            kind: what it holds.
            name: relative name.
            read: reads the seekable payload; what it raises is raised, since the payload is what was written.
        """
        return self._checked(kind, name, lambda entry, payload: read(payload), is_thorough=True, is_kept=True)

    def remove(self, kind: Kind, name: str) -> None:
        """Removes an entry; a missing one is fine."""
        self.files.remove(_path(kind, name))
        self._used = None

    def used_bytes(self) -> int:
        """Bytes of all entries, damaged ones included: at most ten seconds old, own writes counted."""
        now = time.monotonic()
        if self._used is None or now - self._used[0] >= _USED_SECONDS:
            folders = (*FOLDERS.values(), DAMAGED_FOLDER)
            self._used = (now, sum(size for folder in folders for _, size in self.files.list(folder)))
        return self._used[1]

    def check_room(self, num_bytes: int) -> None:
        """Raises unless so many bytes more fit the budget and the disk.

        Raises:
            StoreFull: they do not.
        """
        if self.budget_gb and (used := self.used_bytes()) + num_bytes > self.budget_gb * _GB:
            raise BudgetFull(
                f"A store must stay within its budget of {self.budget_gb:g} GB, but {self.url} holds "
                f"{used / _GB:.3f} GB and needs {num_bytes / _GB:.3f} GB more; {remedy(self.url)}."
            )
        free = self.files.free_bytes() if self.min_free_gb else None
        if free is not None and free - num_bytes < self.min_free_gb * _GB:
            raise StoreFull(
                f"A store must leave {self.min_free_gb:g} GB of its disk free, but {self.url} has "
                f"{free / _GB:.3f} GB free and needs {num_bytes / _GB:.3f} GB more; {remedy(self.url)}."
            )

    def _checked(
        self,
        kind: Kind,
        name: str,
        use: Callable[[Entry, BinaryIO], T],
        *,
        is_thorough: bool,
        is_kept: bool = False,
    ) -> T | None:
        path = _path(kind, name)
        damage: Damage | None = None
        # More than once, for another process may put a whole entry in the place of a damaged one meanwhile.
        for _ in range(_READINGS):
            try:
                opened = open_entry(self.files, path, kind, name, is_thorough=is_thorough, is_kept=is_kept)
            except FileNotFoundError:
                break
            except DamagedEntry as error:
                reason = str(error)
                damage = set_aside(self.files, path, kind, name, reason) or Damage(kind, name, reason, None)
                if damage.moved_to is not None:
                    break
            else:
                # Outside of the `try`: what `use` raises says nothing about the entry.
                with opened.resources:
                    return use(opened.entry, opened.payload)
        if damage is not None:
            self.damages.append(damage)
            where = f"moved to {damage.moved_to}" if damage.moved_to else "another process has set it aside"
            _log.warning("%s: %s %s is damaged: %s; %s.", self.url, kind.name, name, damage.reason, where)
        return None


def _path(kind: Kind, name: str) -> str:
    parts = name.split("/")
    if any(part in ("", ".", "..") or is_temporary(part) or "\0" in part for part in parts):
        raise MflabError(
            f"A name in a store must be a relative path without empty parts or `..`, but got {name!r}; "
            "use names such as ab12/00000040-cd34."
        )
    return f"{FOLDERS[kind]}/{name}"
