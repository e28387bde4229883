"""One entry of a store is one file: a header that says what it is, then the payload."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, BinaryIO

from mflab.errors import MflabError
from mflab.sweep.store.streams import HashingWriter

MAGIC = b"mflab-store 1\n"
BLOCK = 4096
_LARGEST_HEADER = 256 * BLOCK
_CHUNK = 4 * 2**20


class Kind(Enum):
    """What an entry holds."""

    state = "state"
    history = "history"
    evaluation = "evaluation"
    divergence = "divergence"


@dataclass(frozen=True)
class Entry:
    """What the header of an entry says.

    Args:
        kind: what it holds.
        name: its name within the kind.
        sha256: of the payload.
        num_bytes: of the payload.
        created: UTC time in ISO format.
        meta: plain values of whoever wrote it.
    """

    kind: Kind
    name: str
    sha256: str
    num_bytes: int
    created: str
    meta: dict[str, Any]


class DamagedEntry(ValueError):
    """The file is not the whole entry that it was written as; the message is the reason."""


def write_entry(
    file: BinaryIO, kind: Kind, name: str, write: Callable[[BinaryIO], object], meta: Mapping[str, Any]
) -> Entry:
    """Streams a payload behind its header and returns what the header says.

    Args:
        file: empty seekable file.
        kind: what the payload is.
        name: its name within the kind.
        write: writes the payload, front to back.
        meta: JSON values.

    Raises:
        MflabError: meta is too large for a header.
    """
    created = datetime.now(UTC).isoformat(timespec="seconds")
    # Through JSON once, so that the caller gets what a reader will get.
    plain = json.loads(json.dumps(dict(meta)))
    widest = _header(Entry(kind, name, "0" * 64, 10**19, created, plain))
    length = -(-len(widest) // BLOCK) * BLOCK
    if length > _LARGEST_HEADER:
        raise MflabError(
            f"meta of a store entry must fit {_LARGEST_HEADER} bytes, but that of {kind.name} {name} takes "
            f"{len(widest)}; put it into the payload."
        )
    file.write(bytes(length))
    writer = HashingWriter(file)
    write(writer)  # pyright: ignore[reportArgumentType]  typeshed calls only what `open` returns a BinaryIO
    entry = Entry(kind, name, writer.sha256, writer.num_bytes, created, plain)
    file.seek(0)
    file.write(_header(entry).ljust(length - 1) + b"\n")
    file.seek(0, io.SEEK_END)
    return entry


def read_header(file: BinaryIO) -> tuple[Entry, int]:
    """The header of an entry, and where the payload begins.

    Raises:
        DamagedEntry: the file begins with no header, or with a changed one.
    """
    block = file.read(BLOCK)
    if not block.startswith(MAGIC):
        raise DamagedEntry("it does not begin as an entry")
    while block.find(b"\n", len(MAGIC)) < 0:
        more = file.read(BLOCK)
        if not more or len(block) > _LARGEST_HEADER:
            raise DamagedEntry("its header has no end")
        block += more
    length = block.index(b"\n", len(MAGIC)) + 1
    if length != len(block):
        raise DamagedEntry("its header ends too early")
    try:
        record = json.loads(block[len(MAGIC) :].decode())
        check = record.pop("check")
        if check != _check(record):
            raise DamagedEntry("its header was changed")
        return Entry(**record | {"kind": Kind(record["kind"])}), length
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedEntry(str(error) if isinstance(error, DamagedEntry) else "its header cannot be read") from error


def check_place(entry: Entry, kind: Kind, name: str, payload_bytes: int) -> None:
    """Raises unless an entry is the one asked for, with as many bytes as it says.

    Raises:
        DamagedEntry: it is not.
    """
    if (entry.kind, entry.name) != (kind, name):
        raise DamagedEntry(f"it is {entry.kind.name} {entry.name}")
    if payload_bytes != entry.num_bytes:
        raise DamagedEntry(f"its payload has {payload_bytes} bytes instead of {entry.num_bytes}")


def check_payload(entry: Entry, payload: BinaryIO, copy: BinaryIO | None = None) -> None:
    """Reads a payload to its end and raises unless it is what was written.

    Args:
        entry: what the header says.
        payload: the payload, at its start.
        copy: takes what is read, if given.

    Raises:
        DamagedEntry: the SHA-256 differs.
    """
    digest = hashlib.sha256()
    while chunk := payload.read(_CHUNK):
        digest.update(chunk)
        if copy is not None:
            copy.write(chunk)
    if digest.hexdigest() != entry.sha256:
        raise DamagedEntry("the SHA-256 of its payload differs from its header")


def _header(entry: Entry) -> bytes:
    record = {**vars(entry), "kind": entry.kind.value}
    return MAGIC + json.dumps(record | {"check": _check(record)}).encode()


def _check(record: Mapping[str, Any]) -> str:
    """Digest of a header's record, since the payload's does not cover meta."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
