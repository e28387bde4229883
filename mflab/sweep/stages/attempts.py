"""Which states a trial's workers set out to make and stored: one line each, appended, whoever dies afterwards."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from mflab.sweep.stages.artifacts import TRIALS_FOLDER

ATTEMPTS_FILE = "attempts.jsonl"


class Attempt(NamedTuple):
    """One line.

    Attributes:
        event: `begun`, or `stored`.
        state: name of the state.
        start: step from which it is trained.
        end: step that it belongs to.
        pid: process that does it.
    """

    event: str
    state: str
    start: int
    end: int
    pid: int


def append_attempt(path: Path, attempt: Attempt) -> None:
    """Adds a line in one write, so that two processes never mix theirs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, f"{json.dumps(attempt._asdict())}\n".encode())
    finally:
        os.close(descriptor)


def read_attempts(sweep: Path) -> list[Attempt]:
    """The attempts of all trials of a sweep folder; a line that a crash cut short is left out."""
    attempts = []
    for path in sorted(sweep.glob(f"{TRIALS_FOLDER}/*/{ATTEMPTS_FILE}")):
        for line in path.read_text().splitlines():
            try:
                row: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            attempts.append(Attempt(**row))
    return attempts
