"""Early stopping by Optuna's pruners, which must count a repeated trial once."""

import copy
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial

from mflab.design.search import Pruner, SearchCfg, rung_steps
from mflab.sweep.search.optuna_repeats import is_abandoned, suggestion_indices


def make_pruner(search: SearchCfg, max_step: int) -> BasePruner:
    """What stops trials early; nothing where no rung lies below `max_step`."""
    rungs = rung_steps(search, max_step)
    if not rungs:
        return NopPruner()
    if search.pruner is Pruner.asha:
        return _Halving(min_resource=rungs[0], reduction_factor=search.reduction)
    if search.pruner is Pruner.hyperband:
        return _Hyperband(min_resource=rungs[0], max_resource=max_step, reduction_factor=search.reduction)
    return MedianPruner(n_startup_trials=search.startup, n_warmup_steps=rungs[0])


def is_decided(search: SearchCfg, max_step: int, before: int, step: int) -> bool:
    """Whether the pruner has something to say between two reports.

    Args:
        search: pruner and rungs.
        max_step: last step of a full trial, at which nothing is stopped.
        before: step of the earlier report.
        step: step of the later one.

    Example:
        >>> search = SearchCfg(first_rung=0.1, reduction=3)
        >>> [is_decided(search, 200, before, before + 10) for before in (5, 15, 25)]
        [False, True, False]
    """
    rungs = rung_steps(search, max_step)
    if step >= max_step or not rungs:
        return False
    if search.pruner is Pruner.median:
        return step >= rungs[0]
    return any(before < rung <= step for rung in rungs)


class _Counted:
    """A study without its abandoned trials, whose values their repetitions report again."""

    def __init__(self, study: optuna.Study) -> None:
        self._inner = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_trials(self, deepcopy: bool = True) -> list[FrozenTrial]:
        return [trial for trial in self._inner.get_trials(deepcopy=deepcopy) if not is_abandoned(trial)]


class _Halving(SuccessiveHalvingPruner):
    """Asynchronous successive halving that counts a repeated trial once."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return super().prune(_Counted(study), trial)  # pyright: ignore[reportArgumentType]


class _Hyperband(HyperbandPruner):
    """Hyperband that counts a repeated trial once, and deals brackets by suggestions so that deaths change none."""

    def __init__(self, min_resource: int, max_resource: int, reduction_factor: int) -> None:
        super().__init__(min_resource=min_resource, max_resource=max_resource, reduction_factor=reduction_factor)
        self._indices: list[int] = []

    def _get_bracket_id(self, study: optuna.Study, trial: FrozenTrial) -> int:
        if is_abandoned(trial):
            return -1
        if trial.number >= len(self._indices):
            self._indices = suggestion_indices(study._storage.get_all_trials(study._study_id, deepcopy=False))
        counted = copy.copy(trial)
        counted.number = self._indices[trial.number]
        return super()._get_bracket_id(study, counted)
