"""The machine-readable report: the same numbers as the page, the same bytes for the same input."""

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from analysis.alerts import alerts
from analysis.blocks import Card
from analysis.costs import sweep_costs
from analysis.findings import Findings
from analysis.intervals import Interval
from analysis.race import standings
from analysis.search import objectives
from mflab.errors import MflabError
from mflab.results import Status


def render_json(findings: Findings, cards: list[Card], sentences: list[str]) -> str:
    """JSON text; numbers that do not exist are null."""
    plan = findings.sweep.plan
    counts = Counter(findings.sweep.trials["status"])
    failed = {card.key: card.failed for card in cards if card.failed}
    response = {**asdict(plan.response), "direction": plan.response.direction.name}
    report = {
        "format": 1,
        "sweep": plan.sweep,
        "question": plan.question,
        "response": response,
        "headline": sentences,
        "alerts": alerts(findings),
        "status": {status.name: counts[status.name] for status in Status},
        "excluded": [
            {"trial_id": str(trial_id), "status": str(status), "error": str(error)}
            for trial_id, status, error in zip(
                *(findings.left_out[name] for name in ("trial_id", "status", "error")), strict=True
            )
        ],
        "audit": plan.audit,
        "allow_confounded": plan.allow_confounded,
        "exactness": "statistical" if findings.sweep.num_statistical else plan.exactness,
        "search": _or_empty(lambda: _search(findings), None),
        "race": _or_empty(lambda: _race(findings), None),
        "effects": _or_empty(lambda: [effect.to_dict() for effect in findings.effects], []),
        "cells": _or_empty(lambda: _cells(findings), []),
        "baselines": _or_empty(lambda: _baselines(findings), []),
        "curves": _or_empty(lambda: _curves(findings), []),
        "run_verdicts": _or_empty(lambda: _run_verdicts(findings), []),
        "arm_verdicts": _or_empty(lambda: _arm_verdicts(findings), []),
        "cost": _cost(findings),
        "cards_failed": failed,
    }
    return json.dumps(_finite(report), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _or_empty(make: Callable[[], Any], empty: Any) -> Any:
    """The part, or `empty` where its table is missing; the card of that part states the reason in cards_failed."""
    try:
        return make()
    except MflabError:
        return empty


def _cells(findings: Findings) -> list[dict[str, Any]]:
    arms = {arm.label: arm.cell for arm in findings.sweep.arms}
    return [
        {"arm": arm, "cell": arms[arm], "response": response, **_interval(interval)}
        for response, cells in findings.cells.items()
        for arm, interval in cells.items()
    ]


def _baselines(findings: Findings) -> list[dict[str, Any]]:
    return [
        {"baseline": name, "response": response, "value": value}
        for response in findings.sweep.responses
        for name, value in findings.sweep.baseline_levels(response).items()
    ]


def _curves(findings: Findings) -> list[dict[str, Any]]:
    return [
        {"arm": arm, "response": findings.sweep.response, "step": point.step, **_interval(point.interval)}
        for arm, points in findings.curves.items()
        for point in points
    ]


def _run_verdicts(findings: Findings) -> list[dict[str, Any]]:
    return [{**one.to_dict(), "next": asdict(findings.advice[one.run.trial_id])} for one in findings.run_verdicts]


def _arm_verdicts(findings: Findings) -> list[dict[str, Any]]:
    return [{"group": arm.group, "case": arm.case, "counts": arm.counts} for arm in findings.arm_verdicts]


def _search(findings: Findings) -> dict[str, Any] | None:
    """Every suggestion; a stopped one has its value at the rung apart from values at the end."""
    if not findings.sweep.is_search:
        return None
    front = {one.number for one in findings.front}
    return {
        "objectives": {name: direction.name for name, direction in objectives(findings.sweep).items()},
        "suggestions": [
            {
                "number": one.number,
                "values": one.values,
                "state": one.state,
                "steps": one.steps,
                "responses": {name: _interval(interval) for name, interval in one.responses.items()},
                "stopped_at": one.stopped_at,
                "stopped_value": one.stopped_value,
                "on_front": one.number in front,
            }
            for one in findings.suggestions
        ],
    }


def _race(findings: Findings) -> dict[str, Any] | None:
    race = findings.race
    if race is None:
        return None
    return {
        "rule": findings.sweep.plan.race,
        "dropped": [{"seeds": seeds, **asdict(drop)} for seeds, drop in race.drops.values()],
        "survivors": list(race.survivors),
        "common_seeds": list(race.common_seeds),
        "standings": [
            {
                "arm": one.arm,
                "mean": _interval(one.mean),
                "difference": None if one.difference is None else _interval(one.difference),
            }
            for one in standings(findings.sweep, race)
        ],
    }


def _cost(findings: Findings) -> dict[str, Any]:
    costs = sweep_costs(findings.sweep)
    trials = findings.sweep.trials
    # The overhead of a failed trial is unknown, or holds the wait for its failure.
    done = trials[trials["status"] == "done"]
    return {
        "trials_run": int((trials["seconds"].fillna(0) > 0).sum()),
        "steps": int(trials["steps"].fillna(0).sum()),
        "seconds": float(trials["seconds"].fillna(0).sum()),
        "max_overhead_seconds": float(done["overhead_seconds"].max()),
        "max_peak_memory_gb": float(trials["peak_memory_gb"].max()),
        "steps_asked": findings.sweep.plan.steps_asked,
        "steps_to_run": findings.sweep.plan.steps_to_run,
        "steps_distinct": findings.sweep.plan.steps_distinct,
        "steps_reached": costs.reached,
        "steps_trained": costs.trained,
        "steps_shared": costs.shared,
        "steps_found": costs.found,
        "seconds_alone": costs.seconds_alone,
        "seconds_amortised": costs.seconds_amortised,
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "n": interval.n}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
