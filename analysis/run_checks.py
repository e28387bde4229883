"""The numbers behind a run's verdict, each beside its limit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, median

from analysis.curves import value_at
from analysis.glossary import number
from analysis.run_numbers import PRETRAINED, PSNR, SSIM, TRIVIAL, TRUTH, Curve, RunNumbers, SetValues
from analysis.verdict_limits import NUMBERS, VerdictLimits

# Names of measures of whole sets.
VALID, INCONSISTENT = "consistency/valid", "consistency/inconsistent"
DECIDABLE, ELEVATION_ERROR = "cameras/decidable", "cameras/elevation_error"
# Numbers that must be at least their limit; all others must be at most theirs.
FLOORS = ("gain", "gain_ssim", "gain_pretrained", "diversity", "to_input")


@dataclass(frozen=True)
class Check:
    """One number of a verdict.

    Attributes:
        name: one of `NUMBERS`.
        value: None if not measured.
        limit: at least that for a number of `FLOORS`, else at most.
        note: what it refers to, or why it was not measured.
    """

    name: str
    value: float | None
    limit: float
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the limit is kept; None if there is no number."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.name in FLOORS else self.value <= self.limit


def run_checks(run: RunNumbers, limits: VerdictLimits) -> tuple[Check, ...]:
    """Every number of `NUMBERS`, measured or not."""
    found = {
        **_gains(run),
        **_falls(run),
        **_course(run, limits),
        **_sets(run),
        "forgetting": _forgetting(run),
        "gap": _gap(run),
    }
    return tuple(Check(name, value, getattr(limits, name), note) for name in NUMBERS for value, note in [found[name]])


def failed_views(run: RunNumbers, limits: VerdictLimits) -> tuple[str, ...] | None:
    """Unseen views that failed, sorted; None where no view has a number or a baseline.

    A view failed if it is no better than what needs no model gives there, or falls off from the run's other views.
    """
    psnr = run.views[PSNR] if PSNR in run.views else {}
    best = {view: max(levels) for view in psnr if (levels := _levels(run, PSNR, view))}
    if not best:
        return None
    falls = (view_falls(run, PSNR), limits.view_fall), (view_falls(run, SSIM), limits.view_fall_ssim)
    weak = {view for view, level in best.items() if psnr[view] - level < limits.view_gain}
    fallen = {view for values, limit in falls for view, fall in values.items() if fall > limit}
    return tuple(sorted(weak | fallen))


def view_falls(run: RunNumbers, metric: str) -> dict[str, float]:
    """How far each unseen view lies below the median of all of them."""
    values = run.views[metric] if metric in run.views else {}
    middle = median(values.values()) if values else 0.0
    return {view: middle - value for view, value in values.items()}


def _levels(run: RunNumbers, metric: str, view: str) -> list[float]:
    """What trivial baselines score in a view."""
    tables = [run.baselines[name] for name in TRIVIAL if name in run.baselines]
    return [table[metric][view] for table in tables if metric in table and view in table[metric]]


Found = tuple[float | None, str]


def _gains(run: RunNumbers) -> dict[str, Found]:
    return {
        "gain": _gain(run, PSNR, TRIVIAL),
        "gain_ssim": _gain(run, SSIM, TRIVIAL),
        "gain_pretrained": _gain(run, PSNR, (PRETRAINED,)),
    }


def _gain(run: RunNumbers, metric: str, names: tuple[str, ...]) -> Found:
    """Mean over unseen views, less the best of some baselines."""
    if metric not in run.views:
        return None, f"no {metric} of unseen views up to the declared step"
    tables = {name: run.baselines[name] for name in names if name in run.baselines}
    levels = {name: fmean(table[metric].values()) for name, table in tables.items() if metric in table}
    if not levels:
        return None, f"no baseline {' or '.join(names)} with {metric}"
    best = max(levels, key=lambda name: levels[name])
    return fmean(run.views[metric].values()) - levels[best], f"over {best}"


def _falls(run: RunNumbers) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for name, metric in (("view_fall", PSNR), ("view_fall_ssim", SSIM)):
        falls = view_falls(run, metric)
        worst = max(sorted(falls), key=lambda view: falls[view], default="")
        few = f"{metric} of fewer than two unseen views"
        found[name] = (falls[worst], worst) if len(falls) > 1 else (None, few)
    return found


def _course(run: RunNumbers, limits: VerdictLimits) -> dict[str, Found]:
    """Rise over the last part of the curve, and what the end lies below its best."""
    trained = [point for point in run.curve if point[0] > 0]
    if run.step is None or len(trained) < 2:
        why: Found = (None, "fewer than two validations after step 0")
        return {"rise": why, "decline": why}
    start = run.step * (1 - limits.curve_share)
    last = trained[-1][1]
    best_step, best = max(run.curve, key=lambda point: point[1])
    return {
        "rise": (last - value_at(run.curve, start), f"since step {start:.0f}"),
        "decline": (best - last, f"best at step {best_step}"),
    }


def _sets(run: RunNumbers) -> dict[str, Found]:
    valid = {scene for scene, value in _of(run.sets, VALID).items() if value >= 0.5}
    none = "consistency was not measured at the judged step"
    if _of(run.sets, VALID) and not valid:
        none = "no predicted set has an object that can be judged"
    return {
        "inconsistent": _against_truth(run, INCONSISTENT, valid, none, sign=1.0),
        "sc_min_fall": _against_truth(run, "consistency/sc_min", valid, none, sign=-1.0),
        "pc_fall": _against_truth(run, "consistency/pc", valid, none, sign=-1.0),
        "diversity": _mean(run, "collapse/diversity"),
        "to_input": _mean(run, "collapse/to_input"),
        "elevation_error": _elevation(run),
    }


def _of(sets: SetValues, measure: str) -> Mapping[str, float]:
    return sets[measure] if measure in sets else {}


def _against_truth(run: RunNumbers, measure: str, valid: set[str], none: str, sign: float) -> Found:
    """Mean over scenes of predicted less true, or of true less predicted where `sign` is -1."""
    own, true = _of(run.sets, measure), _of(run.true_sets, measure)
    scenes = sorted(valid & own.keys())
    if not scenes:
        return None, none if not valid else f"{measure} is defined for no predicted set"
    both = [scene for scene in scenes if scene in true]
    if not both:
        return None, f"no {TRUTH} row of {measure}"
    return fmean(sign * (own[scene] - true[scene]) for scene in both), f"n = {len(both)}"


def _mean(run: RunNumbers, measure: str) -> Found:
    values = _of(run.sets, measure)
    if not values:
        return None, "collapse was not measured at the judged step"
    return fmean(values.values()), f"n = {len(values)}"


def _elevation(run: RunNumbers) -> Found:
    """Size of the camera self-check's error, where the scenes can tell it."""
    decidable, error = _of(run.sets, DECIDABLE), _of(run.sets, ELEVATION_ERROR)
    scenes = [scene for scene in error if scene in decidable and decidable[scene] >= 0.5]
    if not scenes:
        return None, "undecidable from these sets" if decidable else "cameras were not checked at the judged step"
    return math.fabs(fmean(error[scene] for scene in scenes)), ""


def _forgetting(run: RunNumbers) -> Found:
    if not _covers(run, run.prior):
        return None, "base scenes were not validated at step 0 and at the judged step"
    return run.prior[0][1] - run.prior[-1][1], f"of {number(run.prior[0][1], 'dB')} dB"


def _gap(run: RunNumbers) -> Found:
    if not _covers(run, run.train) or not _covers(run, run.curve):
        return None, "training scenes were not validated at step 0 and at the judged step"
    before, after = (run.train[place][1] - run.curve[place][1] for place in (0, -1))
    return after - before, f"from {number(before, 'dB', signed=True)} to {number(after, 'dB', signed=True)} dB"


def _covers(run: RunNumbers, curve: Curve) -> bool:
    """Whether a curve goes from before training to the judged step."""
    return bool(curve) and curve[0][0] == 0 and curve[-1][0] == run.step
