"""Suggestions that outlive the driver that asked for them: who asked, who repeats whom."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakSet

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from mflab.sweep.store.process import Process, this_process

_OWNER, _REPEATS, _ABANDONED, _DRIVERS = "owner", "repeats", "abandoned", "drivers"


@dataclass(frozen=True, eq=False)
class Owner:
    """A driver's hold on a study. A process may lose one to an error and open another.

    Attributes:
        opened: random name of the hold.
    """

    opened: str

    def to_json(self) -> dict[str, Any]:
        """What a trial says about who runs it."""
        return asdict(this_process()) | {"opened": self.opened}


# Holds of this process; one that was dropped without a goodbye leaves the set by itself.
_HELD: WeakSet[Owner] = WeakSet()


def take_hold(opened: str) -> Owner:
    """A new hold of this process."""
    owner = Owner(opened)
    _HELD.add(owner)
    return owner


def let_go(owner: Owner) -> None:
    """Ends a hold: what it asked and did not tell counts as left behind."""
    _HELD.discard(owner)


def is_abandoned(trial: FrozenTrial) -> bool:
    """Whether the trial was left behind and queued anew."""
    return _ABANDONED in trial.user_attrs


def repeats(trial: FrozenTrial | optuna.trial.Trial) -> int | None:
    """Number of the abandoned trial whose suggestion this one has."""
    attributes = trial.user_attrs
    return attributes[_REPEATS] if _REPEATS in attributes else None


def set_owner(trial: optuna.trial.Trial, owner: Owner) -> None:
    """Writes down who runs a trial."""
    trial.set_user_attr(_OWNER, owner.to_json())


def suggestion_indices(trials: Sequence[FrozenTrial]) -> list[int]:
    """Ranks of the suggestions of all trials among those that were first of their kind.

    Deaths and repetitions change no rank: a trial that repeats another has that one's.
    """
    indices: list[int] = []
    fresh = 0
    for trial in trials:
        root = repeats(trial)
        indices.append(fresh if root is None else indices[root])
        fresh += root is None
    return indices


def is_taken(trials: Sequence[FrozenTrial], number: int) -> bool:
    """Whether two drivers that started at once both queued the suggestion of a trial, and another has it already."""
    root = repeats(trials[number])
    return root is not None and any(repeats(other) == root and not is_abandoned(other) for other in trials[:number])


def abandon(study: optuna.Study, storage: BaseStorage, number: int) -> None:
    """Fails a running trial that nobody will finish."""
    identifier = storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
    storage.set_trial_user_attr(identifier, _ABANDONED, True)
    study.tell(number, state=TrialState.FAIL)


def requeue_left_behind(
    study: optuna.Study, storage: BaseStorage, owner: Owner, is_gone: Callable[[Process], bool]
) -> int:
    """Fails what dead drivers left running, queues it again and returns how many there were.

    Args:
        study: of this driver.
        storage: of the study.
        owner: this driver's hold on it.
        is_gone: whether a driver certainly ended; trials of one that may live are left to it.
    """
    attributes = study.user_attrs
    known = attributes[_DRIVERS] if _DRIVERS in attributes else []
    others = [other for other in known if not _ended(other, is_gone)]
    study.set_user_attr(_DRIVERS, [*others, owner.to_json()])
    trials = study.get_trials(deepcopy=False)
    queued = {repeats(trial) for trial in trials}
    requeued = 0
    for trial in trials:
        if trial.state is not TrialState.RUNNING:
            continue
        # A trial without owner was asked by another driver an instant ago, or its driver died in that instant.
        is_left_behind = _ended(trial.user_attrs[_OWNER], is_gone) if _OWNER in trial.user_attrs else not others
        if not is_left_behind:
            continue
        # Queued before it is failed: a death in between leaves the suggestion known twice, not lost.
        if trial.number not in queued:
            fixed = trial.system_attrs["fixed_params"] if "fixed_params" in trial.system_attrs else {}
            study.enqueue_trial(fixed | trial.params, {_REPEATS: trial.number, _OWNER: owner.to_json()})
        abandon(study, storage, trial.number)
        requeued += 1
    return requeued


def _ended(owner: Mapping[str, Any], is_gone: Callable[[Process], bool]) -> bool:
    """Whether a hold will tell nothing any more: its process is gone, or this process let it go."""
    process = Process(**{name: value for name, value in owner.items() if name != "opened"})
    if process == this_process():
        return all(held.opened != owner["opened"] for held in _HELD)
    return is_gone(process)
