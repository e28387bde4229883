"""What a job does of a trial, and how the job may end early."""

from dataclasses import dataclass

from mflab.config import RootCfg, StoreCfg
from mflab.errors import MflabError
from mflab.sweep.stages.wanted import Wanted


@dataclass(frozen=True)
class Work:
    """What one job does of a trial.

    Attributes:
        store: folder or URL, absolute.
        limits: of the store.
        planned: names that the plan gave the trial's last state and evaluations; the worker must find the same.
        until: last step of this job.
        keep: steps of the chain whose states outlive the job: ends of the plan's stages, and rungs of a search.
        others: evaluations that other trials of the plan need in the stages that this job trains, each with the config
            that says how.
        is_repeat: asked for by name, a trial that is known to diverge runs again.
    """

    store: str
    limits: StoreCfg
    planned: tuple[str, ...]
    until: int
    keep: tuple[int, ...]
    others: tuple[tuple[Wanted, RootCfg], ...] = ()
    is_repeat: bool = False


class StopTrial(Exception):
    """Raised by a progress report: store the state and stop after the present step."""


class StageFailed(MflabError):
    """Training failed at a step: so it would for every trial that passes here."""

    def __init__(self, step: int, error: Exception) -> None:
        super().__init__(f"{type(error).__name__} at step {step}: {error}")
        self.step = step
