"""The verdict of a run: converged (A), slow or inconsistent (B), failed (C), partial (D), or undecided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.glossary import counted, number, words
from analysis.glossary_sets import NUMBER_WORDS
from analysis.run_checks import FLOORS, Check, failed_views, run_checks
from analysis.run_numbers import PSNR, TRIVIAL, RunNumbers
from analysis.verdict_limits import VerdictLimits
from mflab.results import Status

CONVERGED, SLOW, FAILED, PARTIAL, OPEN = "A", "B", "C", "D", "undecided"
CASES = (CONVERGED, SLOW, FAILED, PARTIAL, OPEN)
# No case has more than half of an arm's runs.
SPLIT = "split"
# Beyond these limits a run failed, whatever else it shows; in the order in which they are told.
FATAL = ("diversity", "to_input", "gain_pretrained")
# Numbers whose miss makes a run slow or inconsistent, the one to be mended first in front.
MENDABLE = (
    "rise",
    "decline",
    "inconsistent",
    "sc_min_fall",
    "pc_fall",
    "elevation_error",
    "gain",
    "gain_ssim",
    "gap",
    "forgetting",
)


@dataclass(frozen=True)
class RunVerdict:
    """A run's case and what it rests on.

    Attributes:
        run: the measurements.
        case: one of `CASES`.
        cause: what decided: `diverged`, `views`, or the name of a number; empty for A.
        reason: the same as a sentence without its full stop.
        checks: every number beside its limit.
        failed_views: unseen views that failed.
    """

    run: RunNumbers
    case: str
    cause: str
    reason: str
    checks: tuple[Check, ...]
    failed_views: tuple[str, ...]

    def check(self, name: str) -> Check:
        """The number of that name."""
        return next(check for check in self.checks if check.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON report."""
        return {
            "trial_id": self.run.trial_id,
            "group": self.run.group,
            "seed": self.run.seed,
            "step": self.run.step,
            "case": self.case,
            "cause": self.cause,
            "reason": self.reason,
            "failed_views": list(self.failed_views),
            "numbers": [
                {
                    "name": check.name,
                    "value": check.value,
                    "limit": check.limit,
                    "side": "at least" if check.name in FLOORS else "at most",
                    "passed": check.passed,
                    "note": check.note,
                }
                for check in self.checks
            ],
        }


@dataclass(frozen=True)
class ArmVerdict:
    """Cases of the runs of one arm; `case` is that of more than half of them, or `SPLIT`."""

    group: str
    case: str
    counts: dict[str, int]
    verdicts: tuple[RunVerdict, ...]


def judge_run(run: RunNumbers, limits: VerdictLimits) -> RunVerdict:
    """The verdict of one run.

    C: it diverged, a number of `FATAL` misses its limit, or every unseen view failed. D: some unseen views failed. Both
    need no other number. B: another number misses its limit. A: all that were measured keep theirs, and what
    `limits.needed` names and every trivial baseline were measured; otherwise the run is undecided.
    """
    checks = run_checks(run, limits)
    views = failed_views(run, limits)
    case, cause, reason = _decide(run, limits, checks, views)
    return RunVerdict(run, case, cause, reason, checks, views or ())


def _decide(
    run: RunNumbers, limits: VerdictLimits, checks: Sequence[Check], views: tuple[str, ...] | None
) -> tuple[str, str, str]:
    by_name = {check.name: check for check in checks}
    missed = [check.name for check in checks if check.passed is False]
    if run.status == Status.diverged.name:
        return FAILED, "diverged", "training diverged"
    fatal = [name for name in FATAL if name in missed]
    if fatal:
        return FAILED, fatal[0], _texts(by_name, fatal)
    if views is None:
        return OPEN, "gain", f"not measured: {NUMBER_WORDS['gain'].label} ({by_name['gain'].note or 'no baseline'})"
    num_views = len(run.views[PSNR])
    if len(views) == num_views:
        return FAILED, "views", f"every unseen view fails: {_texts(by_name, ['gain'])}"
    if views:
        fails = "fails" if len(views) == 1 else "fail"
        return PARTIAL, "views", f"{len(views)} of {counted(num_views, 'unseen view')} {fails}: {words(views)}"
    mendable = [name for name in MENDABLE if name in missed]
    if mendable:
        return SLOW, mendable[0], _texts(by_name, mendable)
    unknown = [(name, f"{NUMBER_WORDS[name].label} ({by_name[name].note})") for name in limits.needed
               if by_name[name].value is None]  # fmt: skip
    # A gain over the weaker baselines alone proves little: the mean image is several dB above the others.
    unknown += [("gain", f"baseline {name}") for name in TRIVIAL if name not in run.baselines]
    if unknown:
        return OPEN, unknown[0][0], f"not measured: {words([text for _, text in unknown])}"
    skipped = [NUMBER_WORDS[check.name].label for check in checks if check.value is None]
    return CONVERGED, "", "all limits kept" + (f"; not measured: {words(skipped)}" if skipped else "")


def judge_arms(verdicts: Sequence[RunVerdict]) -> list[ArmVerdict]:
    """Verdicts by arm, in order of first appearance, with the count of every case."""
    groups: dict[str, list[RunVerdict]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.run.group, []).append(verdict)
    arms = []
    for group, own in groups.items():
        counts = {case: sum(verdict.case == case for verdict in own) for case in CASES}
        case = next((case for case, count in counts.items() if 2 * count > len(own)), SPLIT)
        arms.append(ArmVerdict(group, case, counts, tuple(own)))
    return arms


def number_text(name: str, value: float | None) -> str:
    """A verdict's number as text: two decimals with a unit, three without."""
    return number(value, places=2 if NUMBER_WORDS[name].unit else 3)


def limit_text(check: Check) -> str:
    """The side and size of a limit."""
    return f"{'≥' if check.name in FLOORS else '≤'} {number_text(check.name, check.limit)}"


def _texts(by_name: dict[str, Check], names: Sequence[str]) -> str:
    return "; ".join(_text(by_name[name]) for name in names)


def _text(check: Check) -> str:
    """A number with its unit, what it refers to, and its limit."""
    info = NUMBER_WORDS[check.name]
    unit = f" {info.unit}" if info.unit else ""
    note = f" {check.note}" if check.note else ""
    return f"{info.label} {number_text(check.name, check.value)}{unit}{note} (limit {limit_text(check)})"
