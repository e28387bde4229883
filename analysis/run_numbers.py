"""What was measured of each run: the numbers from which its verdict is made."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from analysis.load import Sweep
from analysis.verdict_limits import VerdictLimits
from mflab.results import CULPRIT, PRIOR, SET_VIEW, TRAIN, Status, TrialRecord

PSNR, SSIM = "psnr_fg", "ssim_fg"
# Predictions that need no model, and the true views in the same table.
TRIVIAL = ("white", "copy_input", "mean_image")
PRETRAINED, TRUTH = "pretrained", "ground_truth"
# Metric -> value per unseen view, and measure -> value per scene.
ViewValues = dict[str, dict[str, float]]
SetValues = dict[str, dict[str, float]]
Curve = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class RunNumbers:
    """Measurements of one run; whatever was not measured is empty.

    Attributes:
        trial_id: the trial.
        group: its arm, or its suggestion.
        seed: its seed.
        status: `done` or `diverged`.
        steps: of the whole run.
        step: at which it is judged: its last validation up to the declared step; None without any.
        prompt: wording of its last stage; empty without training.
        num_stages: stages of its curriculum.
        views: metric -> unseen view -> mean over scenes, at `step`.
        baselines: baseline -> metric -> unseen view -> mean over scenes.
        curve: mean PSNR over unseen views until `step`.
        prior: the same on scenes of the base data.
        train: the same on scenes of the training data.
        sets: measure of whole sets -> scene -> value, at `step`.
        true_sets: the same of the true views.
        culprits: times each view was named as the one at fault.
    """

    trial_id: str
    group: str
    seed: int
    status: str
    steps: int
    step: int | None = None
    prompt: str = ""
    num_stages: int = 0
    views: ViewValues = field(default_factory=dict)
    baselines: dict[str, ViewValues] = field(default_factory=dict)
    curve: Curve = ()
    prior: Curve = ()
    train: Curve = ()
    sets: SetValues = field(default_factory=dict)
    true_sets: SetValues = field(default_factory=dict)
    culprits: dict[str, int] = field(default_factory=dict)


def run_numbers(sweep: Sweep, limits: VerdictLimits) -> list[RunNumbers]:
    """The numbers of every run that ended by itself, done or diverged, in the order of the plan.

    Values that are not finite, such as the PSNR of a copied view, count as not measured.

    Raises:
        MflabError: no table of metrics or of baselines.
    """
    status = dict(zip(sweep.trials["trial_id"], sweep.trials["status"], strict=True))
    ended = (Status.done.name, Status.diverged.name)
    trials = [one for one in sweep.plan.trials if one.trial_id in status and status[one.trial_id] in ended]
    finite = sweep.metrics[sweep.metrics["value"].abs() < float("inf")]
    is_set, unseen = finite["view"] == SET_VIEW, ~finite["seen"]
    names = [f"{prefix}{metric}" for prefix in ("", f"{PRIOR}/", f"{TRAIN}/") for metric in (PSNR, SSIM)]
    views = _nested(finite[unseen & ~is_set & finite["metric"].isin(names)], ("trial_id", "metric", "step", "view"))
    sets = _nested(finite[is_set], ("trial_id", "step", "metric", "scene"))
    base = sweep.baselines[sweep.baselines["value"].abs() < float("inf")]
    is_set = base["view"] == SET_VIEW
    base_views = _nested(base[~is_set & ~base["seen"]], ("dataset", "baseline", "metric", "view"))
    base_sets = _nested(base[is_set & (base["baseline"] == TRUTH)], ("dataset", "metric", "scene"))
    return [
        _numbers(
            trial,
            sweep.group_of(trial),
            str(status[trial.trial_id]),
            limits,
            _at(views, trial.trial_id),
            _at(sets, trial.trial_id),
            _at(base_views, trial.dataset),
            _at(base_sets, trial.dataset),
        )
        for trial in trials
    ]


def _numbers(
    trial: TrialRecord,
    group: str,
    status: str,
    limits: VerdictLimits,
    views: dict[str, dict[int, dict[str, float]]],
    sets: dict[int, SetValues],
    baselines: dict[str, ViewValues],
    true_sets: SetValues,
) -> RunNumbers:
    declared = limits.step_share * trial.steps
    step = max((one for one in _at(views, PSNR) if one <= declared), default=None)
    at_step = {} if step is None else {name: views[name][step] for name in views if step in views[name]}
    own_sets = {} if step is None else _at(sets, step)
    slots = [view.name for view in trial.views]
    culprits = Counter(slots[int(slot)] for slot in _at(own_sets, CULPRIT).values() if 0 <= slot < len(slots))
    return RunNumbers(
        trial_id=trial.trial_id,
        group=group,
        seed=trial.seed,
        status=status,
        steps=trial.steps,
        step=step,
        prompt=trial.stages[-1].prompt if trial.stages else "",
        num_stages=len(trial.stages),
        views={name: at_step[name] for name in (PSNR, SSIM) if name in at_step},
        baselines=baselines,
        curve=_curve(_at(views, PSNR), step),
        prior=_curve(_at(views, f"{PRIOR}/{PSNR}"), step),
        train=_curve(_at(views, f"{TRAIN}/{PSNR}"), step),
        sets={name: values for name, values in own_sets.items() if name != CULPRIT},
        true_sets=true_sets,
        culprits=dict(culprits),
    )


def _curve(by_step: Mapping[int, Mapping[str, float]], last: int | None) -> Curve:
    """Means over views, steps ascending, until the judged step."""
    return tuple(
        (step, sum(values.values()) / len(values))
        for step, values in sorted(by_step.items())
        if last is not None and step <= last
    )


def _at(table: Mapping, key: object) -> dict:  # pyright: ignore[reportMissingTypeArgument]
    """What a nested table holds under a key: nothing where nothing was measured."""
    return table[key] if key in table else {}


def _nested(rows: pd.DataFrame, keys: tuple[str, ...]) -> dict:  # pyright: ignore[reportMissingTypeArgument]
    """Means of `value` as dictionaries in dictionaries, one level per key."""
    means = rows.groupby(list(keys), sort=True, as_index=False)["value"].mean()
    table: dict = {}  # pyright: ignore[reportMissingTypeArgument]
    for *path, last, value in zip(*(means[name] for name in (*keys, "value")), strict=True):
        place = table
        for key in path:
            place = place.setdefault(key, {})
        place[last] = float(value)
    return table
