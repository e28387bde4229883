"""Workers that wait for one another before the first job."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Meeting:
    """A place where workers meet.

    Attributes:
        folder: where each leaves a file.
        size: how many are expected.
        timeout: seconds after which one that did not come is not waited for.
    """

    folder: Path
    size: int
    timeout: float = 120.0

    def attend(self) -> None:
        """Returns once all are there."""
        (self.folder / str(os.getpid())).touch()
        end = time.monotonic() + self.timeout
        while len(list(self.folder.iterdir())) < self.size and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
