"""The wish to stop: set by a signal or a problem, seen by the driver at once and by workers through a file."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType


class StopSwitch:
    """Off until it is turned on.

    Args:
        folder: sweep folder.

    Attributes:
        file: exists once the switch is on; a worker that sees it stores its state and stops.
        is_on: no job is handed out any more.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / f".stop-{os.getpid()}"
        self.is_on = False

    def turn_on(self) -> None:
        """Asks everybody to stop."""
        self.is_on = True
        # Without room for the file, workers end their trials: slower, and nothing is lost.
        with suppress(OSError):
            self.file.touch()

    def clear(self) -> None:
        """Removes the files of this start and of starts that were killed."""
        for path in self.file.parent.glob(".stop-*"):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    @contextmanager
    def on_signals(self, announce: Callable[[str], None]) -> Iterator[None]:
        """Ctrl-C and SIGTERM turn the switch on; a second one stops at once."""

        def stop(number: int, frame: FrameType | None) -> None:
            if self.is_on:
                raise KeyboardInterrupt
            self.turn_on()
            announce("Stopping: running trials store their state. Once more stops at once.")

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
