"""What a sweep still has to do, and what follows when a trial ends."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.stages.assignment import Assignment
from mflab.sweep.stages.outcome import TrialOutcome


class Verdict(NamedTuple):
    """An ending that a trial gets without running on: which, why, after how many steps, and with which response there
    if that decided it."""

    trial_id: str
    event: str
    reason: str
    steps: int = 0
    rung_value: float | None = None


@runtime_checkable
class Agenda(Protocol):
    """Where a driver's trials come from.

    Attributes:
        plan: the plan; a search's grows.
        verdicts: what was decided by earlier starts already.
        events: what the ledger is to say of how the agenda was made, each with its fields.
    """

    plan: SweepPlan
    events: list[tuple[str, dict[str, Any]]]
    verdicts: list[Verdict]

    @property
    def num_trials(self) -> int:
        """Trials of this start, at most."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to hand out, and nothing running can add to it."""
        ...

    def next(self) -> Assignment | None:
        """The next piece of work, None while there is none or all of it is held back."""
        ...

    def ended(self, trial_id: str, outcome: TrialOutcome) -> list[Verdict]:
        """Takes the end of a trial, or of its way to a rung; returns what it decides for trials that do not run on."""
        ...
