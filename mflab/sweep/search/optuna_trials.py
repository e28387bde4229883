"""What a study remembers and says: suggestions, trials, and what the parameters contribute."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from mflab.design.parameters import Parameter, Scalar
from mflab.sweep.search.optuna_repeats import is_abandoned, repeats

_LEAST_FOR_IMPORTANCES = 10
_STATES = {
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Suggestion:
    """What to try next.

    Attributes:
        number: the trial's number in the study.
        values: values by parameter.
        repeats: number of the trial whose driver died, if this is the same suggestion again.
    """

    number: int
    values: dict[str, Scalar]
    repeats: int | None = None


@dataclass(frozen=True)
class StudyTrial:
    """One trial as the study remembers it.

    Attributes:
        number: its number in the study.
        state: waiting, running, complete, pruned, failed, or abandoned by a driver that died and queued anew.
        values: one value per objective; of a pruned trial the last reported one; None without.
        params: values by parameter.
        intermediate: reported values by step.
        repeats: number of the abandoned trial that it takes the place of.
    """

    number: int
    state: str
    values: tuple[float, ...] | None
    params: dict[str, Scalar]
    intermediate: dict[int, float]
    repeats: int | None


@dataclass(frozen=True)
class Importances:
    """Share of each parameter in what sets good trials apart (PED-ANOVA); None with the reason where unknown.

    A search aid, no evidence of an effect: it describes the points that the sampler chose and the pruner let finish.
    """

    shares: dict[str, float] | None
    reason: str = ""


def study_trial(trial: FrozenTrial, parameters: Mapping[str, Parameter]) -> StudyTrial:
    """A trial of Optuna in plain values.

    Args:
        trial: as the storage has it.
        parameters: of the space, by name.
    """
    return StudyTrial(
        number=trial.number,
        state="abandoned" if is_abandoned(trial) and trial.state.is_finished() else _STATES[trial.state],
        values=None if trial.values is None else tuple(trial.values),
        params={name: parameters[name].clean(value) for name, value in trial.params.items()},
        intermediate=dict(sorted(trial.intermediate_values.items())),
        repeats=repeats(trial),
    )


def find_importances(study: optuna.Study, num_complete: int) -> Importances:
    """What the parameters contribute, from complete trials.

    Args:
        study: of one objective or several.
        num_complete: how many trials are complete.
    """
    if num_complete < _LEAST_FOR_IMPORTANCES:
        return Importances(None, f"{_LEAST_FOR_IMPORTANCES} complete trials are needed, there are {num_complete}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        shares = optuna.importance.get_param_importances(study, normalize=False)
    reason = " ".join(dict.fromkeys(str(warning.message) for warning in caught))
    total = sum(shares.values())
    if not total > 0:
        return Importances(None, reason or "no parameter sets the best trials apart")
    return Importances({name: share / total for name, share in shares.items()}, reason)
