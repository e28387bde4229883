"""Leases: two drivers of one store never make the same stage at once."""

import secrets
import time
from collections.abc import Callable

from mflab.sweep.store.drivers import DriverRecord, Watch, driver_file, write_driver
from mflab.sweep.store.files import Files
from mflab.sweep.store.process import this_process

LEASES_FOLDER = "leases"


class Leases:
    """Claims of one driver on names of a store, over any files whose listings are up to date.

    A driver writes its claim and then lists the claims on that name: whoever is alone in a listing made after its own
    writing holds the name, and of two claims at least one is seen by the other's owner. So nothing but listing and
    writing is needed, and no clock is compared with another machine's.

    Args:
        files: files of the store.
        period: seconds between two signs of life.
        timeout: seconds without a sign of life after which others take a driver for dead.
        clock: monotonic clock.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from mflab.sweep.store.files import LocalFiles
        >>> files = LocalFiles(Path(tempfile.mkdtemp()))
        >>> with Leases(files) as first, Leases(files) as second:
        ...     first.acquire("ab/40"), second.acquire("ab/40"), second.acquire("ab/80")
        (True, False, True)
    """

    def __init__(
        self, files: Files, period: float = 5.0, timeout: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        process = this_process()
        self.owner = f"{process.host}-{process.pid}-{secrets.token_hex(6)}"
        self._process = process
        self._files = files
        self._period = period
        self._timeout = timeout
        self._clock = clock
        self._watch = Watch(files, period, timeout, clock)
        self._counter = 0
        self._beaten: float | None = None
        self._held: set[str] = set()

    def __enter__(self) -> "Leases":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def acquire(self, name: str) -> bool:
        """Whether this driver holds a name now; asks others for it no more than by looking."""
        self.beat()
        if name in self._held:
            return True
        if self._others(name):
            return False
        is_alone = False
        try:
            self._files.write(self._claim(name), lambda file: file.write(b""), is_durable=False)
            # After a long halt others may take this driver for dead and remove the claim that it has just written.
            is_alone = not self._others(name) and not self._is_overdue()
        finally:
            if not is_alone:
                self._files.remove(self._claim(name))
        if is_alone:
            self._held.add(name)
        return is_alone

    def holder(self, name: str) -> str | None:
        """Another living driver that claims a name, in words; None if there is none."""
        others = self._others(name)
        return others[0] if others else None

    def release(self, name: str) -> None:
        """Gives a name back; one that is not held is fine."""
        self._held.discard(name)
        self._files.remove(self._claim(name))

    def beat(self) -> None:
        """Gives a sign of life if one is due; to be called often.

        A driver that was halted for longer than the timeout gives up what it held, since others may hold it by now.
        """
        now = self._clock()
        if self._beaten is not None and now - self._beaten < self._period:
            return
        if self._is_overdue():
            for name in tuple(self._held):
                self.release(name)
        self._counter += 1
        write_driver(self._files, DriverRecord(self.owner, self._process, self._counter))
        # The time before the writing: others may see the counter as soon as it is written.
        self._beaten = now

    def close(self) -> None:
        """Gives everything back and signs off."""
        for name in tuple(self._held):
            self.release(name)
        self._files.remove(driver_file(self.owner))
        self._beaten = None

    def _is_overdue(self) -> bool:
        return self._beaten is not None and self._clock() - self._beaten >= self._timeout

    def _others(self, name: str) -> list[str]:
        """Other living drivers that claim a name; removes the claims of dead ones."""
        living = []
        for path, _ in self._files.list(_folder(name)):
            owner = path.rpartition("/")[2]
            if owner == self.owner:
                continue
            process = self._watch.living(owner)
            if process is not None:
                living.append(str(process))
            else:
                self._files.remove(path)
                self._watch.forget(owner)
        return living

    def _claim(self, name: str) -> str:
        return f"{_folder(name)}/{self.owner}"


def _folder(name: str) -> str:
    return f"{LEASES_FOLDER}/{name.replace('/', '_')}"
