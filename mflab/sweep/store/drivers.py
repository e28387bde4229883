"""Who uses a store, and who of them is dead, told by processes and counters, never by wall clocks."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from mflab.sweep.store.files import Files
from mflab.sweep.store.process import Process

DRIVERS_FOLDER = "drivers"


@dataclass(frozen=True)
class DriverRecord:
    """What a driver says about itself.

    Args:
        owner: its id.
        process: where it runs.
        counter: rises as long as it lives.
    """

    owner: str
    process: Process
    counter: int


def driver_file(owner: str) -> str:
    """File in which a driver says that it lives."""
    return f"{DRIVERS_FOLDER}/{owner}.json"


def write_driver(files: Files, record: DriverRecord) -> None:
    """Writes what a driver says about itself."""
    content = json.dumps({"owner": record.owner, **asdict(record.process), "counter": record.counter})
    files.write(driver_file(record.owner), lambda file: file.write(content.encode()), is_durable=False)


def read_driver(files: Files, owner: str) -> DriverRecord | None:
    """What a driver says about itself; None if it left, or was found dead and forgotten.

    Raises:
        ValueError: its file is damaged.
    """
    try:
        with files.open(driver_file(owner)) as file:
            content = json.loads(file.read())
        counter = content.pop("counter")
        return DriverRecord(content.pop("owner"), Process(**content), counter)
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{driver_file(owner)} is no record of a driver.") from error


def list_drivers(files: Files) -> list[str]:
    """Owners of all driver files, sorted."""
    start, end = len(DRIVERS_FOLDER) + 1, len(".json")
    return sorted(name[start:-end] for name, _ in files.list(DRIVERS_FOLDER) if name.endswith(".json"))


def forget_gone_drivers(files: Files) -> list[str]:
    """Removes the files of drivers whose process ended; returns their owners."""
    gone = []
    for owner in list_drivers(files):
        try:
            record = read_driver(files, owner)
        except ValueError:
            continue
        if record is not None and record.process.has_ended:
            files.remove(driver_file(owner))
            gone.append(owner)
    return gone


class Watch:
    """Tells which owners are alive, from one observer's view.

    An owner is dead once its process is gone, as far as that can be seen from this machine, or once its counter
    stood still for `timeout` seconds of this observer's monotonic clock.

    Args:
        files: where drivers write.
        period: seconds for which a reading of a counter is good enough.
        timeout: seconds after which a counter that stands still means death.
        clock: the observer's monotonic clock.
    """

    def __init__(
        self, files: Files, period: float, timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._files = files
        self._period = period
        self._timeout = timeout
        self._clock = clock
        self._records: dict[str, DriverRecord | None] = {}
        self._read: dict[str, float] = {}
        self._changed: dict[str, float] = {}

    def living(self, owner: str) -> Process | None:
        """The process of an owner that is not known to be dead; None if it is."""
        if not self._is_known(owner):
            self._look(owner)
        record = self._records[owner]
        if record is None or record.process.is_gone or self._clock() - self._changed[owner] >= self._timeout:
            return None
        return record.process

    def forget(self, owner: str) -> None:
        """Drops what is known about an owner, and its file: it is dead, or speaks up again."""
        self._files.remove(driver_file(owner))
        for known in (self._records, self._read, self._changed):
            known.pop(owner, None)

    def _is_known(self, owner: str) -> bool:
        if owner not in self._read:
            return False
        now = self._clock()
        # Nobody is called dead by a reading that may have missed the last sign of life.
        return now - self._read[owner] < self._period and now - self._changed[owner] < self._timeout

    def _look(self, owner: str) -> None:
        try:
            record = read_driver(self._files, owner)
        except ValueError:
            # Nobody can say how it is: as if its counter stood still.
            record = DriverRecord(owner, Process("an unknown host", "", "", 0, 0), -1)
        # After the reading: the counter may have been written while it was under way.
        now = self._clock()
        if owner not in self._read or record != self._records[owner]:
            self._changed[owner] = now
        self._records[owner], self._read[owner] = record, now
