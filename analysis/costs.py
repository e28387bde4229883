"""What a sweep cost, and what it was spared: steps asked, reached, distinct, trained here and found in the store."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.glossary import counted, number, percent
from analysis.load import Sweep
from mflab.results import StageRecord

# Largest difference of two seconds of trials.csv that are equal but for their rounding to four decimals.
_ROUNDING = 1.5e-4


@dataclass(frozen=True)
class Trained:
    """Steps that each trial's own jobs trained, and jobs whose work the ledger could not record because they died."""

    steps: dict[str, int]
    num_lost: int


@dataclass(frozen=True)
class Costs:
    """Sums over a sweep.

    Attributes:
        asked: steps of all planned trials, each by itself.
        reached: steps up to which they got; failed trials are left out, what they trained is unknown.
        distinct: thereof distinct, what they have in common counted once.
        trained: by the jobs of this sweep.
        seconds_alone: training and evaluation of the done trials, each by itself.
        seconds_amortised: the same, what they share divided among them.
        seconds_saved: the difference; 0 where there is none but for the rounding of the table.
        num_lost: jobs that died; what they left in the store looks found.
    """

    asked: int
    reached: int
    distinct: int
    trained: int
    seconds_alone: float
    seconds_amortised: float
    seconds_saved: float
    num_lost: int

    @property
    def shared(self) -> int:
        """Steps that trials of this sweep had in common, so that they were made once for several."""
        return self.reached - self.distinct

    @property
    def found(self) -> int:
        """Distinct steps that were in the store already."""
        return max(0, self.distinct - self.trained)


def sweep_costs(sweep: Sweep) -> Costs:
    """The costs of a sweep's planned trials."""
    known = sweep.trials[sweep.trials["status"] != "failed"]
    reached = {str(one): int(steps) for one, steps in zip(known["trial_id"], known["steps"].fillna(0), strict=True)}
    trained = trained_steps(sweep.ledger)
    done = sweep.trials[sweep.trials["status"] == "done"]
    alone, amortised = float(done["seconds_alone"].sum()), float(done["seconds_amortised"].sum())
    return Costs(
        asked=sweep.plan.steps_asked,
        reached=sum(reached.values()),
        distinct=distinct_steps(sweep.plan.stages, reached),
        trained=sum(steps for one, steps in trained.steps.items() if one in reached),
        seconds_alone=alone,
        seconds_amortised=amortised,
        seconds_saved=alone - amortised if alone - amortised > _ROUNDING * len(done) else 0.0,
        num_lost=trained.num_lost,
    )


def trained_steps(ledger: Iterable[Mapping[str, Any]]) -> Trained:
    """Steps trained by each trial's jobs, from the ledger; a search's trial has one job for each rung.

    What a job trained that left no row, because its driver or its worker was killed, is not known.

    Example:
        >>> rows = [{"event": "started", "trial_id": "a"}, {"event": "paused", "trial_id": "a", "steps_run": 3},
        ...         {"event": "started", "trial_id": "a"}, {"event": "done", "trial_id": "a", "steps_run": 5}]
        >>> trained_steps(rows).steps
        {'a': 8}
    """
    steps: dict[str, int] = {}
    running: set[str] = set()
    num_lost = 0
    for row in ledger:
        event = row["event"]
        if event == "start":
            # The driver before was killed, and its jobs with it.
            num_lost += len(running)
            running.clear()
        elif event == "started":
            running.add(row["trial_id"])
        elif event == "retried":
            num_lost += 1
        elif event == "interrupted":
            num_lost += len(running & set(row["running"]))
            running -= set(row["running"])
        elif event == "end":
            running.clear()
        elif event in ("paused", "done", "failed", "diverged", "stopped") and "trial_id" in row:
            running.discard(row["trial_id"])
            if "steps_run" in row:
                steps[row["trial_id"]] = steps.get(row["trial_id"], 0) + int(row["steps_run"])
    return Trained(steps, num_lost)


def distinct_steps(stages: Iterable[StageRecord], reached: Mapping[str, int]) -> int:
    """Distinct steps of a stage forest, as far as its trials got."""
    return sum(
        max((max(0, min(stage.end, reached[one]) - stage.start) for one in stage.trials if one in reached), default=0)
        for stage in stages
    )


def saving_line(costs: Costs) -> str:
    """What sharing saved: steps of all trials, and seconds of the done ones as the cost table sums them."""
    if not costs.reached:
        return "Nothing has run yet."
    spared = costs.shared + costs.found
    parts = []
    if costs.shared:
        parts.append(f"{costs.shared:,} that trials have in common were made once for all")
    if costs.found:
        parts.append(f"{costs.found:,} were in the store already")
    text = "Sharing saved no step: no two trials have one in common, and the store had none of them"
    if spared:
        share = percent(spared / costs.reached)
        text = f"Sharing saved {spared:,} of {counted(costs.reached, 'step')} ({share}): {', and '.join(parts)}"
    if not costs.seconds_alone:
        return f"{text}."
    common = "stages and evaluations" if costs.shared else "evaluations"
    if costs.seconds_saved:
        return (
            f"{text}. Common {common} saved {number(costs.seconds_saved, 's')} s: done trials would have taken "
            f"{number(costs.seconds_alone, 's')} s alone and took {number(costs.seconds_amortised, 's')} s amortised."
        )
    return f"{text}. Done trials have no stage or evaluation in common, so seconds alone and amortised are equal."
