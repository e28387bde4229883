"""Files of a store at a URL that pyarrow or fsspec knows, such as `s3://bucket/prefix`."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO
from urllib.parse import urlsplit

import fsspec
from pyarrow.fs import FileSelector, FileSystem, FileType, FSSpecHandler, PyFileSystem

from mflab.errors import MflabError
from mflab.sweep.store.full import full_disk_is_store_full
from mflab.sweep.store.process import is_temporary, temporary_name
from mflab.sweep.store.streams import section

_PYARROW_SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
_OBJECT_STORES = ("s3", "gcs", "abfs")
_CHUNK = 8 * 2**20
_LARGEST_COPY = 5 * 10**9


class RemoteFiles:
    """Files of a file system that pyarrow or fsspec knows.

    Args:
        url: place, with the file system's options as its query.

    Raises:
        MflabError: the URL cannot be understood.
    """

    is_local = False

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        try:
            self._files, root = _file_system(url, parts.scheme)
        except (ValueError, ImportError, OSError) as error:
            raise MflabError(
                f"A store must be a folder or a URL that pyarrow or fsspec can open, but {self.url} is not "
                f"({error}); set paths.store."
            ) from error
        self.root = root.rstrip("/")

    def is_present(self) -> bool:
        return self._files.get_file_info(self.root).type != FileType.NotFound

    def write(self, name: str, writer: Callable[[BinaryIO], object], *, is_durable: bool = True) -> None:
        with full_disk_is_store_full(self.url), tempfile.SpooledTemporaryFile(_CHUNK) as spool:
            writer(spool)  # pyright: ignore[reportArgumentType]  typeshed does not call it a BinaryIO
            spool.seek(0)
            if self._files.type_name in _OBJECT_STORES:
                # Such a store shows an object once it is complete, and renames by copying.
                self._upload(spool, self._path(name))
                return
            temporary = self._path(f"{name.rpartition('/')[0]}/{temporary_name()}".lstrip("/"))
            self._make_folder(name)
            self._upload(spool, temporary)
            self._files.move(temporary, self._path(name))

    def open(self, name: str) -> BinaryIO:
        file = self._files.open_input_file(self._path(name))
        return section(file, 0, file.size())

    def exists(self, name: str) -> bool:
        return self._files.get_file_info(self._path(name)).type == FileType.File

    def unfinished(self) -> list[tuple[str, int]]:
        return [(name, size) for name, size in self._walk("") if is_temporary(name)]

    def list(self, folder: str) -> list[tuple[str, int]]:
        return [(name, size) for name, size in self._walk(folder) if not is_temporary(name)]

    def move(self, name: str, target: str) -> None:
        source, path = self._path(name), self._path(target)
        info = self._files.get_file_info(source)
        if info.type != FileType.File:
            raise FileNotFoundError(f"There is no file {name} in {self.url}.")
        if self._files.type_name not in _OBJECT_STORES or info.size <= _LARGEST_COPY:
            self._make_folder(target)
            self._files.move(source, path)
            return
        # Object stores refuse to copy a larger object in one request.
        with self.open(name) as file:
            self._upload(file, path)
        self.remove(name)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._files.delete_file(self._path(name))

    def free_bytes(self) -> int | None:
        return None

    def _path(self, name: str) -> str:
        return f"{self.root}/{name.strip('/')}".rstrip("/")

    def _make_folder(self, name: str) -> None:
        if self._files.type_name not in _OBJECT_STORES:
            self._files.create_dir(self._path(name).rpartition("/")[0], recursive=True)

    def _upload(self, source: BinaryIO | tempfile.SpooledTemporaryFile[bytes], path: str) -> None:
        try:
            with self._files.open_output_stream(path) as stream:
                shutil.copyfileobj(source, stream, _CHUNK)
        except BaseException:
            # Closing the stream shows what it holds, be it a part: an interrupt must not leave that behind.
            with suppress(Exception):
                self._files.delete_file(path)
            raise

    def _walk(self, folder: str) -> Iterator[tuple[str, int]]:
        start = len(self.root) + 1
        for info in self._files.get_file_info(FileSelector(self._path(folder), allow_not_found=True, recursive=True)):
            if info.type == FileType.File:
                yield info.path[start:], info.size


def _file_system(url: str, scheme: str) -> tuple[FileSystem, str]:
    if scheme in _PYARROW_SCHEMES:
        return FileSystem.from_uri(url)
    files, root = fsspec.core.url_to_fs(url)
    return PyFileSystem(FSSpecHandler(files)), root
