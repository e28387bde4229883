"""Files of a store: a small protocol, and a local folder that fulfils it."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from mflab.sweep.store.full import full_disk_is_store_full
from mflab.sweep.store.process import is_temporary, temporary_name

_ATTEMPTS = 100


@runtime_checkable
class Files(Protocol):
    """Files by relative names with `/`; each appears whole or not at all.

    A listing must show what was written before it began. A file system whose listings lag (NFS with cached
    attributes) can let two drivers make one stage, which costs time and changes no result.
    """

    url: str
    """How people name the place; never holds a password."""
    is_local: bool
    """Whether reading twice costs no transfer."""

    def is_present(self) -> bool:
        """Whether the place itself exists."""
        ...

    def write(self, name: str, writer: Callable[[BinaryIO], object], *, is_durable: bool = True) -> None:
        """Lets `writer` fill a seekable file that then replaces `name`; if it raises, `name` stays as it was.

        What is not durable may be lost when the machine stops, as a claim may.
        """
        ...

    def open(self, name: str) -> BinaryIO:
        """Opens a file for seekable reading; FileNotFoundError if there is none."""
        ...

    def exists(self, name: str) -> bool:
        """Whether a file of this name is there."""
        ...

    def unfinished(self) -> list[tuple[str, int]]:
        """Names and sizes of files whose writing has not ended."""
        ...

    def list(self, folder: str) -> list[tuple[str, int]]:
        """Names, from the root, and sizes of all finished files below a folder; a missing one is empty."""
        ...

    def move(self, name: str, target: str) -> None:
        """Renames a file over whatever is there; FileNotFoundError if there is none."""
        ...

    def remove(self, name: str) -> None:
        """Removes a file; a missing one is fine."""
        ...

    def free_bytes(self) -> int | None:
        """Room left for this user; None where the place does not say."""
        ...


class LocalFiles:
    """Files in a local folder, made when first written.

    Args:
        root: the folder.
    """

    is_local = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    def is_present(self) -> bool:
        return self.root.is_dir()

    def write(self, name: str, writer: Callable[[BinaryIO], object], *, is_durable: bool = True) -> None:
        path = self.root / name
        with full_disk_is_store_full(self.url):
            temporary, file = self._open_temporary(path.parent)
            try:
                with file:
                    writer(file)
                    file.flush()
                    if is_durable:
                        os.fsync(file.fileno())
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)

    def open(self, name: str) -> BinaryIO:
        return open(self.root / name, "rb")

    def exists(self, name: str) -> bool:
        return (self.root / name).is_file()

    def unfinished(self) -> list[tuple[str, int]]:
        return [(name, size) for name, size in self._walk("") if is_temporary(name)]

    def list(self, folder: str) -> list[tuple[str, int]]:
        return [(name, size) for name, size in self._walk(folder) if not is_temporary(name)]

    def move(self, name: str, target: str) -> None:
        source, path = self.root / name, self.root / target
        for attempt in range(_ATTEMPTS):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(source, path)
                break
            except (FileNotFoundError, FileExistsError):
                if attempt + 1 == _ATTEMPTS or not source.exists():
                    raise
        self._remove_empty_folders(source.parent)

    def remove(self, name: str) -> None:
        path = self.root / name
        path.unlink(missing_ok=True)
        self._remove_empty_folders(path.parent)

    def free_bytes(self) -> int | None:
        folder = self.root
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free

    def _open_temporary(self, folder: Path) -> tuple[Path, BinaryIO]:
        for attempt in range(_ATTEMPTS):
            path = folder / temporary_name()
            try:
                folder.mkdir(parents=True, exist_ok=True)
                return path, open(path, "xb")
            except (FileNotFoundError, FileExistsError):
                # Another process took the empty folder away between the two calls, or within the first.
                if attempt + 1 == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _walk(self, folder: str) -> Iterator[tuple[str, int]]:
        pending = [folder.strip("/")]
        while pending:
            name = pending.pop()
            # What vanishes during a listing was removed by another process.
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.root / name) as entries:
                for entry in entries:
                    inner = f"{name}/{entry.name}" if name else entry.name
                    if entry.is_dir():
                        pending.append(inner)
                    else:
                        with suppress(FileNotFoundError):
                            yield inner, entry.stat().st_size

    def _remove_empty_folders(self, folder: Path) -> None:
        with suppress(OSError):
            while folder != self.root:
                folder.rmdir()
                folder = folder.parent


def open_files(url: str) -> Files:
    """The files at a path or URL: local without a scheme or with `file://`, else what pyarrow or fsspec knows.

    Args:
        url: `outputs/store`, `file:///data/store`, `s3://bucket/store?region=eu-central-1`, ...

    Raises:
        MflabError: the URL cannot be understood.

    Example:
        >>> open_files("file:///data/store").url
        '/data/store'
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalFiles(Path(unquote(parts.path)))
    if "://" not in url:
        return LocalFiles(Path(os.path.abspath(os.path.expanduser(url))))
    # Local stores need not pay for importing it.
    from mflab.sweep.store.remote import RemoteFiles

    return RemoteFiles(url)
