"""Streams between a payload and the file that holds it, so that no payload is ever held whole."""

import hashlib
import io
from typing import Any, BinaryIO, Protocol, runtime_checkable


@runtime_checkable
class SeekableReader(Protocol):
    """What a section needs of the file that it is part of."""

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def readinto(self, buffer: Any, /) -> int: ...


class HashingWriter(io.RawIOBase):
    """Passes what is written to a file, front to back, and knows its number and SHA-256.

    Args:
        file: where it goes; stays open.
    """

    # Files have both, so checks of types at run time ask for them.
    name, mode = "payload", "wb"

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.num_bytes = 0

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written so far, in hex."""
        return self._digest.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with memoryview(data) as view:
            self._digest.update(view)
            self._file.write(view)
            self.num_bytes += view.nbytes
            return view.nbytes

    def tell(self) -> int:
        return self.num_bytes


class _Section(io.RawIOBase):
    name, mode = "payload", "rb"

    def __init__(self, file: SeekableReader, start: int, length: int) -> None:
        self._file, self._start, self._length = file, start, length
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with memoryview(buffer) as view:
            wanted = max(0, min(view.nbytes, self._length - self._position))
            self._file.seek(self._start + self._position)
            count = self._file.readinto(view.cast("B")[:wanted])
        self._position += count
        return count

    def readall(self) -> bytes:
        # One large piece instead of many small ones, each of which may be a request over a network.
        content = bytearray(max(0, self._length - self._position))
        with memoryview(content) as view:
            done = 0
            while count := self.readinto(view[done:]):
                done += count
        return bytes(content[:done])

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError(f"A position must be at least 0, but got {base + offset}.")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position


def section(file: SeekableReader, start: int, length: int) -> BinaryIO:
    """A seekable reader of a part of a file, whose position 0 is `start`.

    Example:
        >>> part = section(io.BytesIO(b"header|payload|rest"), 7, 7)
        >>> part.read(3), part.seek(0), part.read()
        (b'pay', 0, b'payload')
    """
    return io.BufferedReader(_Section(file, start, length), buffer_size=2**16)
