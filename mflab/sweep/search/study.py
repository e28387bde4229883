"""A search's memory: Optuna by ask and tell, with early stopping, and nothing lost when a driver dies.

What is reproducible: suggestion k depends on the search's seed, on k and on the trials that the study holds at that
moment, and on nothing else. So one worker gives the same suggestions however often it is interrupted. Several workers
finish in an order that no seed fixes; what is modelled after `startup` suggestions, and what is stopped, depends on it.
The quasi-random sequence may skip a point when a driver dies while drawing it.
"""

import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from mflab.design.search import SearchCfg
from mflab.design.space import Space
from mflab.errors import MflabError
from mflab.sweep.search.optuna_pruners import is_decided
from mflab.sweep.search.optuna_repeats import (
    abandon,
    is_taken,
    let_go,
    repeats,
    requeue_left_behind,
    set_owner,
    suggestion_indices,
    take_hold,
)
from mflab.sweep.search.optuna_setup import OpenStudy, make_sampler, make_study
from mflab.sweep.search.optuna_trials import Importances, StudyTrial, Suggestion, find_importances, study_trial
from mflab.sweep.store.process import Process


@dataclass
class _Live:
    """A trial of this process, what it reported and what was answered."""

    trial: optuna.trial.Trial
    index: int
    reported: dict[int, float] = field(default_factory=dict)
    answers: dict[int, bool] = field(default_factory=dict)


def open_study(
    search: SearchCfg,
    space: Space,
    directions: Sequence[str],
    name: str,
    folder: Path,
    max_step: int,
    is_gone: Callable[[Process], bool] = lambda process: process.is_gone,
) -> "Study":
    """The study called `name`, made or continued; what a dead driver left running is queued anew first.

    Args:
        search: sampler, pruner, seed and storage.
        space: what is drawn.
        directions: maximize or minimize, one per objective.
        name: of the study, which should name everything that makes two searches different.
        folder: holds the SQLite file unless search.storage says otherwise.
        max_step: last step of a full trial; nothing is stopped there.
        is_gone: whether the driver that asked a running trial certainly ended. By default a look at this machine's
            processes, which cannot know about other machines or boots: their trials are left running.

    Raises:
        MflabError: the sampler or pruner does not fit the objectives, the stored study has others, or no storage.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return Study(search, space, make_study(search, directions, name, folder, max_step), max_step, is_gone)


class Study:
    """A search's trials: `ask`, then `report` and one `tell_…` for each. Made by `open_study`; one thread uses it.

    Attributes:
        requeued: suggestions of dead drivers that were queued anew when this study was opened.
    """

    def __init__(
        self, search: SearchCfg, space: Space, opened: OpenStudy, max_step: int, is_gone: Callable[[Process], bool]
    ) -> None:
        self._search = search
        self._space = space
        self._parameters = {parameter.name: parameter for parameter in space.parameters}
        self._study, self._storage, self._close = opened
        self._max_step = max_step
        self._live: dict[int, _Live] = {}
        self._owner = take_hold(secrets.token_hex(8))
        self.requeued = requeue_left_behind(self._study, self._storage, self._owner, is_gone)

    def ask(self) -> Suggestion:
        """The next suggestion: one that a dead driver left, else a new one."""
        while True:
            trial = self._study.ask()
            set_owner(trial, self._owner)
            # Read once, for the sampler too.
            trials = self._study._get_trials(deepcopy=False, use_cache=True)
            if not is_taken(trials, trial.number):
                break
            abandon(self._study, self._storage, trial.number)
        index = suggestion_indices(trials)[trial.number]
        self._study.sampler = make_sampler(self._search, self._space.is_conditional, index)
        self._live[trial.number] = _Live(trial, index)
        return Suggestion(trial.number, self._space.draw(trial), repeats(trial))

    def report(self, number: int, step: int, value: float) -> bool:
        """Records a value of a running trial; True asks to stop it there.

        The same step gives the same answer again. With several objectives nothing is recorded and nothing stops.
        """
        live = self._get_live(number)
        if len(self._study.directions) > 1:
            return False
        if step not in live.answers:
            before = max(live.reported, default=-1)
            live.trial.report(value, step)
            live.reported[step] = value
            # The pruner is asked in any case: it remembers values at its rungs to compare later trials with.
            stop = is_decided(self._search, self._max_step, before, step) and bool(live.trial.should_prune())
            live.answers[step] = stop and live.index >= self._search.startup
        return live.answers[step]

    def tell_done(self, number: int, values: Sequence[float]) -> None:
        """Finishes a trial with a value per objective; one that is not a number makes it a failed trial."""
        if len(values) != len(self._study.directions):
            raise MflabError(
                f"A trial must be told one value per objective, {len(self._study.directions)}, but {number} got "
                f"{list(values)}."
            )
        if any(math.isnan(value) for value in values):
            self._tell(number, TrialState.FAIL)
        else:
            self._tell(number, TrialState.COMPLETE, values)

    def tell_pruned(self, number: int) -> None:
        """Finishes a trial that was stopped; its last report stays what is known of it."""
        reported = self._get_live(number).reported
        last = reported[max(reported)] if reported else math.nan
        self._tell(number, TrialState.PRUNED, None if math.isnan(last) else [last])

    def tell_failed(self, number: int) -> None:
        """Finishes a trial that gave no value."""
        self._tell(number, TrialState.FAIL)

    @property
    def num_asked(self) -> int:
        """Suggestions that run or ran; those that dead drivers left count once they are asked anew."""
        return sum(trial.state not in ("waiting", "abandoned") for trial in self.trials())

    def trials(self) -> list[StudyTrial]:
        """All trials by number."""
        return [study_trial(trial, self._parameters) for trial in self._study.get_trials(deepcopy=False)]

    def importances(self) -> Importances:
        """What the parameters contribute, from complete trials."""
        return find_importances(self._study, sum(trial.state == "complete" for trial in self.trials()))

    def close(self) -> None:
        """Leaves the study; its trials that still run are queued anew at the next start."""
        let_go(self._owner)
        self._close()

    def __enter__(self) -> "Study":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _get_live(self, number: int) -> _Live:
        if number not in self._live:
            raise MflabError(
                f"A trial can be told once, by the driver that asked it, but {number} does not run here; ask anew."
            )
        return self._live[number]

    def _tell(self, number: int, state: TrialState, values: Sequence[float] | None = None) -> None:
        # Past Study.tell, which reads the trial twice more; the hooks that it calls only serve constraints.
        trial = self._get_live(number).trial
        try:
            self._storage.set_trial_state_values(trial._trial_id, state, values)
        except UpdateFinishedTrialError as error:
            raise MflabError(
                f"A trial can be told once, but {number} is finished: another driver took this one for dead; "
                "start again."
            ) from error
        del self._live[number]
