"""The next experiment that a verdict suggests: the original experiments' checklist, with overrides."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from analysis.run_numbers import RunNumbers
from analysis.run_verdict import CONVERGED, FAILED, OPEN, PARTIAL, RunVerdict
from mflab.results import FactorRecord, Plan, TrialRecord

BASE_WORDING, ELEVATED, REALISTIC = "facelift", "mouse_elevated", "realistic"
BY_LR, BY_STYLE, BY_SWITCH = "+sweep=search_lr_schedule", "+sweep=prompt_style", "+sweep=prompt_switch"
# What these sweeps vary.
_ASKS = {BY_LR: "optim.lr", BY_STYLE: "prompts.style", BY_SWITCH: "curriculum"}
# How much smaller the learning rate is to be after a divergence.
SMALLER = 4


@dataclass(frozen=True)
class Advice:
    """A sentence without its full stop, and the override that carries it out; empty where none does."""

    text: str
    override: str

    def __str__(self) -> str:
        return f"{self.text}: {self.override}" if self.override else self.text


def next_experiment(verdict: RunVerdict, trial: TrialRecord, plan: Plan, settled: Collection[str] = ()) -> Advice:
    """What to run next. One thing is changed at a time, so that the answer says what helped.

    Args:
        verdict: of the run.
        trial: as planned.
        plan: of its sweep; what its factors or its search set cannot be overridden, and the advice says so.
        settled: factors whose levels the sweep showed to be equivalent: nothing is to be had from them.
    """
    advice = _choose(verdict, trial, plan)
    for factor in plan.factors:
        if factor.name in settled and _sets(factor, advice.override):
            advice = Advice(f"{factor.name} makes no difference here; train twice as long", _twice(trial))
    owner = _owner(advice.override, plan)
    return Advice(f"{advice.text} ({owner})", advice.override) if owner else advice


def _choose(verdict: RunVerdict, trial: TrialRecord, plan: Plan) -> Advice:
    run = verdict.run
    if verdict.case == CONVERGED:
        seeds = plan.design.seeds
        more = [*seeds, *range(max(seeds) + 1, max(seeds) + 1 + len(seeds))]
        return Advice("Repeat it on new seeds, then go on with its weights", f"sweep.seeds={_listed(more)}")
    if verdict.case == OPEN:
        return _measure(verdict.cause, run)
    if verdict.case == PARTIAL:
        return _curriculum(run)
    if verdict.case == FAILED and verdict.cause == "views" and verdict.check("rise").passed is False:
        return _longer(verdict, trial)
    if verdict.case == FAILED:
        return _restart(verdict.cause, run, trial)
    return _MEND[verdict.cause](verdict, trial)


def _measure(cause: str, run: RunNumbers) -> Advice:
    if run.steps == 0:
        return Advice("Nothing was trained; train it", "train.steps=200")
    if cause == "inconsistent":
        return Advice("Measure view consistency", "validation.consistency_scenes=4")
    if cause == "rise":
        return Advice("Validate along the run", "validation.at=[0,0.25,0.5,0.75,1]")
    return Advice("Start the sweep again, so that missing baselines and validations are made", "")


def _curriculum(run: RunNumbers) -> Advice:
    """Some views fail: teach in stages, the base wording first."""
    if run.prompt == BASE_WORDING:
        return Advice("The base wording names no elevation; name it", f"prompts.style={ELEVATED}")
    if run.num_stages <= 1:
        return Advice("Begin with the base wording, then switch to the target", "curriculum=two_stage")
    if run.num_stages == 2:
        return Advice("Put a wording between the base and the target", "curriculum=three_stage")
    return Advice("Move the switch of wording", BY_SWITCH)


def _restart(cause: str, run: RunNumbers, trial: TrialRecord) -> Advice:
    if cause in ("diverged", "gain_pretrained"):
        lr = _set_value(trial, "optim.lr")
        if lr is None:
            return Advice("Look for a learning rate that the initial weights survive", BY_LR)
        return Advice("Lower the learning rate", f"optim.lr={float(lr) / SMALLER:g}")
    if cause in ("diversity", "to_input"):
        if _set_value(trial, "train.reference") == "random":
            return Advice("Keep the reference view fixed", "train.reference=fixed")
        return _base_wording(run, "Return to the wording that the initial weights know")
    if run.prompt == REALISTIC:
        return Advice("Compare all wordings", BY_STYLE)
    return Advice("Name the domain in the wording", f"prompts.style={REALISTIC}")


def _base_wording(run: RunNumbers, text: str) -> Advice:
    if run.prompt == BASE_WORDING:
        return Advice("Compare all wordings", BY_STYLE)
    return Advice(text, f"prompts.style={BASE_WORDING}")


def _longer(verdict: RunVerdict, trial: TrialRecord) -> Advice:
    return Advice("It still learns; train it twice as long", _twice(trial))


def _shorter(verdict: RunVerdict, trial: TrialRecord) -> Advice:
    best = max(verdict.run.curve, key=lambda point: point[1])[0]
    if best == 0:
        return Advice("It was best before training; look for a smaller learning rate", BY_LR)
    return Advice("It was best earlier; stop there", f"train.steps={best}")


def _consistent(verdict: RunVerdict, trial: TrialRecord) -> Advice:
    return _base_wording(verdict.run, "Views disagree; return to the wording that the initial weights know")


def _elevated(verdict: RunVerdict, trial: TrialRecord) -> Advice:
    if verdict.run.prompt == ELEVATED:
        return Advice("Views look from another elevation than claimed; compare all wordings", BY_STYLE)
    return Advice("Views look from another elevation than claimed; name it", f"prompts.style={ELEVATED}")


def _faster(verdict: RunVerdict, trial: TrialRecord) -> Advice:
    return Advice("It stands still near what needs no model; look for a better learning rate", BY_LR)


def _augmented(verdict: RunVerdict, trial: TrialRecord) -> Advice:
    if _set_value(trial, "train.augmentation") is not None:
        return Advice("It overfits despite augmentation; compare its strengths", "+sweep=augmentation_lr")
    return Advice("It overfits; augment the training scenes", "train.augmentation=mild")


def _rehearsed(verdict: RunVerdict, trial: TrialRecord) -> Advice:
    last = max(verdict.run.num_stages - 1, 0)
    return Advice("It forgets the base data; mix some in", f"curriculum.stages.{last}.base_fraction=0.25")


_MEND: dict[str, Callable[[RunVerdict, TrialRecord], Advice]] = {
    "rise": _longer,
    "decline": _shorter,
    "inconsistent": _consistent,
    "sc_min_fall": _consistent,
    "pc_fall": _consistent,
    "elevation_error": _elevated,
    "gain": _faster,
    "gain_ssim": _faster,
    "gap": _augmented,
    "forgetting": _rehearsed,
}


def _set_value(trial: TrialRecord, key: str) -> str | None:
    """What the trial's own overrides set a key to; the last one counts."""
    values = [text.split("=", 1)[1] for text in trial.overrides if text.lstrip("+").split("=", 1)[0] == key]
    return values[-1] if values else None


def _twice(trial: TrialRecord) -> str:
    return f"train.steps={2 * trial.steps}"


def _sets(factor: FactorRecord, override: str) -> bool:
    """Whether a factor varies what an override, or the sweep that it names, would."""
    key = _ASKS[override] if override in _ASKS else override.split("=", 1)[0]
    return any(_meet(key, one) for level in factor.levels for one in level.overrides)


def _meet(key: str, other: str) -> bool:
    """Whether one of two keys is the other, or holds it."""
    return key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.")


def _owner(override: str, plan: Plan) -> str:
    """What of the sweep sets the key of an override already; empty where nothing does."""
    key = override.split("=", 1)[0]
    for name, keys in _swept(plan):
        if any(_meet(key, one) for one in keys):
            return name
    return ""


def _swept(plan: Plan) -> Iterator[tuple[str, set[str]]]:
    for factor in plan.factors:
        yield f"as a level of {factor.name}", {key for level in factor.levels for key in level.overrides}
    if plan.search is not None:
        space = plan.search["space"]
        keys = {one["key"] for one in space.values() if "key" in one}
        yield "in the space of the search", keys | set(plan.search["settings"])


def _listed(values: list[int]) -> str:
    return f"[{','.join(map(str, values))}]"
