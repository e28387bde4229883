"""Which process wrote a file, and whether that process is gone."""

import os
import platform
import secrets
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path

_SEPARATOR = "~"
_TEMPORARY_PREFIX = f".tmp{_SEPARATOR}"
_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Process:
    """One process of one boot of one machine.

    Args:
        host: name of the machine.
        boot: id of the machine's present boot; empty where the system gives none.
        namespace: id of the process namespace, since containers of one machine count their processes apart.
        pid: process number.
        started: start time in clock ticks after boot, since process numbers are used again.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def is_gone(self) -> bool:
        """Whether this process certainly ended; False where that cannot be seen from here."""
        here = this_process()
        if not self.boot or (self.host, self.boot, self.namespace) != (here.host, here.boot, here.namespace):
            return False
        return _start_time(self.pid) != self.started

    @property
    def has_ended(self) -> bool:
        """As `is_gone`, and True for an earlier boot of this machine, taking names of machines for unique."""
        here = this_process()
        is_earlier_boot = bool(self.boot and here.boot) and self.host == here.host and self.boot != here.boot
        return self.is_gone or is_earlier_boot


def this_process() -> Process:
    """The running process."""
    return _process(os.getpid())


@lru_cache(maxsize=4)
def _process(pid: int) -> Process:
    # Keyed by the number, so that a forked child does not pass for its parent.
    host = platform.node().replace(_SEPARATOR, "-").replace("/", "-") or "localhost"
    try:
        boot, namespace = _BOOT_FILE.read_text().strip(), os.readlink("/proc/self/ns/pid")
    except OSError:
        boot, namespace = "", ""
    return Process(host, boot, "".join(filter(str.isdigit, namespace)), pid, _start_time(pid) or 0)


def _start_time(pid: int) -> int | None:
    """Start time of a living process; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command's name, in brackets, may hold spaces and brackets itself.
    fields = stat.rpartition(")")[2].split()
    # A killed process whose parent has not asked for it yet does nothing any more.
    return None if fields[0] in "ZXx" else int(fields[19])


def temporary_name() -> str:
    """A fresh name for an unfinished file that tells who writes it."""
    return _SEPARATOR.join((_TEMPORARY_PREFIX[:-1], *map(str, astuple(this_process())), secrets.token_hex(4)))


def is_temporary(name: str) -> bool:
    """Whether a file, by the last part of its name, is unfinished.

    Example:
        >>> is_temporary("states/ab/00000040-cd"), is_temporary(f"states/ab/{temporary_name()}")
        (False, True)
    """
    return name.rpartition("/")[2].startswith(_TEMPORARY_PREFIX)


def writer_of(name: str) -> Process | None:
    """The process that wrote an unfinished file; None where its name does not tell."""
    parts = name.rpartition("/")[2].split(_SEPARATOR)
    if len(parts) != 7 or not (parts[4].isdigit() and parts[5].isdigit()):
        return None
    return Process(parts[1], parts[2], parts[3], int(parts[4]), int(parts[5]))
