"""How a job of a trial goes and ended, as the worker tells the driver."""

from dataclasses import dataclass, field
from enum import Enum

from mflab.results import Status


class Full(Enum):
    """What had no room: nothing, a disk, or the store within its budget."""

    no = "no"
    disk = "disk"
    budget = "budget"


@dataclass(frozen=True)
class Progress:
    """Where a running trial is: step reached, and all its steps."""

    step: int
    steps: int


@dataclass(frozen=True)
class TrialOutcome:
    """How a job of a trial ended.

    Attributes:
        status: done, diverged, stopped or failed.
        steps: step reached.
        steps_run: steps trained by this job; the others came from the store.
        seconds: wall time of this job.
        train_seconds: thereof in the training loop.
        validate_seconds: thereof in validation.
        seconds_alone: training and validation of the whole trial, as if nothing had been shared; 0 unless done.
        peak_memory_gb: peak resident memory of the process up to now, 1e9 bytes.
        responses: means of the last validation; empty unless done, or stopped at the end of its job.
        stages: name, steps and seconds of every stage of the trial; empty unless done.
        evaluations: name and seconds of every evaluation of the trial; empty unless done.
        damages: entries of the store that were damaged, and made again.
        metrics_sha256: of the metric file; empty unless done or diverged.
        weights_sha256: of the averaged weights; empty unless done.
        exactness: `bitwise` where a repeated run would give the same bits, else `statistical`.
        error: what went wrong, one line.
        failed_step: the step that could not be trained; -1 where training did not fail.
        full: what had no room.
        pid: process that did it.
    """

    status: Status
    steps: int = 0
    steps_run: int = 0
    seconds: float = 0.0
    train_seconds: float = 0.0
    validate_seconds: float = 0.0
    seconds_alone: float = 0.0
    peak_memory_gb: float = 0.0
    responses: dict[str, float] = field(default_factory=dict)
    stages: list[tuple[str, int, float]] = field(default_factory=list)
    evaluations: list[tuple[str, float]] = field(default_factory=list)
    damages: list[str] = field(default_factory=list)
    metrics_sha256: str = ""
    weights_sha256: str = ""
    exactness: str = ""
    error: str = ""
    failed_step: int = -1
    full: Full = Full.no
    pid: int = 0
