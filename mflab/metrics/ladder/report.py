"""What a ladder found, as JSON and as tables for the console."""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mflab.metrics.ladder.criterion import Criterion
from mflab.metrics.ladder.judge import FALSE_ALARMS, MONOTONE_RHO, POWER, mean
from mflab.metrics.ladder.measure import LADDER_METRICS
from mflab.metrics.ladder.negative import NEGATIVE
from mflab.metrics.ladder.perturbation import Kind
from mflab.metrics.ladder.reactions import EXEMPT, monotone_pairs, monotone_scenes
from mflab.metrics.ladder.results import REPEATABILITY, Cell, Results
from mflab.metrics.ladder.scenes import GREY
from mflab.metrics.ladder.sift_table import SiftRow

# Raise when readers of the JSON have to change.
LADDER_FORMAT = 1
LADDER_FILE, MEASUREMENTS_FILE = "ladder.json", "measurements.csv"
# What nothing here sees; the same words as the documentation of `mflab.metrics.consistency`.
BLIND_SPOTS = (
    "a turn of all views against their cameras",
    "a mirrored object whose views run backwards",
    "tint or blur common to all views",
    "a consistent but wrong object: that takes the true views or the input view",
    "the pose of rotationally symmetric objects (SC, ET), and where flat-coloured ones are seen from (PC)",
    "concavities (SC, ET)",
    "floating blobs off the hull (PC; SC sees them)",
    "a common error of focal length or distance up to about 10 %",
    "strong highlights lower PC without a fault",
    "a collapsed set from a body of revolution whose pattern is rings alone: both show one picture",
    "masks estimated from colours come out too small for nearly white objects",
)
# Columns of the console: what a reader compares first.
CONSOLE_METRICS = ("sc_min", "et_max", "pc", "pc_min", "ti", "adjacent_psnr", "sift_inliers")


@dataclass(frozen=True)
class LadderReport:
    """A judged ladder.

    Attributes:
        results: the measurements.
        criteria: claims with their numbers.
        cells: a reaction per perturbation and metric, symmetric objects left out.
        sift: SIFT matches of true views, by separation.
        seed: of all random parts.
        width: working width, pixels.
        is_quick: the short ladder.
        seconds: wall time.
    """

    results: Results
    criteria: Sequence[Criterion]
    cells: Sequence[Cell]
    sift: Sequence[SiftRow]
    seed: int
    width: int
    is_quick: bool
    seconds: float

    @property
    def passed(self) -> bool:
        """Every criterion that was measured and can be judged holds."""
        return all(one.passed is not False for one in self.criteria)

    @property
    def monotone_fraction(self) -> float | None:
        """Share of scenes, symmetric ones left out, in which all that must react is monotone."""
        return mean([float(is_monotone) for is_monotone in monotone_scenes(self.results).values()])

    @property
    def false_alarm_rate(self) -> float | None:
        """Share of consistent changes that raise an alarm."""
        return next(one.value for one in self.criteria if one.key == "false_alarms")

    def summary(self) -> dict[str, Any]:
        """The one JSON object of the command's last line."""
        pairs = monotone_pairs(self.results)
        worst = min(pairs, key=pairs.__getitem__)
        return {
            "passed": self.passed,
            "monotone_fraction": self.monotone_fraction,
            "monotone_pairs": mean(list(pairs.values())),
            "monotone_worst": {"pair": worst, "share": pairs[worst]},
            "false_alarm_rate": self.false_alarm_rate,
            "failed": [one.key for one in self.criteria if one.passed is False],
            "scenes": len(self.results.scenes),
            "sets": len(self.results.rows),
            "width": self.width,
            "quick": self.is_quick,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
        }

    def to_json(self) -> dict[str, Any]:
        """Everything but single measurements, as JSON values; a number that is not known is null."""
        perturbations = self.results.perturbations.values()
        content = {
            "format": LADDER_FORMAT,
            "summary": self.summary(),
            "rules": {
                "monotone_rho": MONOTONE_RHO,
                "power": POWER,
                "false_alarms": FALSE_ALARMS,
                "left_out": list(EXEMPT),
                "repeatability": REPEATABILITY,
                "grey_chroma": GREY,
            },
            "scenes": [
                {**asdict(scene), "monotone": monotone_scenes(self.results).get(scene.name)}
                for scene in self.results.scenes.values()
            ],
            "metrics": [
                {"name": name, **info._asdict(), "negative_control": name in NEGATIVE}
                for name, info in LADDER_METRICS.items()
            ],
            "perturbations": [
                {
                    "name": one.name,
                    "kind": one.kind.name,
                    "unit": one.unit,
                    "levels": list(one.levels),
                    "meaning": one.meaning,
                    "alarms": [_share_flagged(self.results, one.name, level) for level in one.levels],
                }
                for one in perturbations
            ],
            "criteria": [{**asdict(one), "passed": one.passed} for one in self.criteria],
            "cells": [cell.to_json() for cell in self.cells],
            "sift": [asdict(row) for row in self.sift],
            "blind_spots": list(BLIND_SPOTS),
        }
        return _without_nan(content)


def make_cells(results: Results) -> list[Cell]:
    """Returns a cell per perturbation and metric, but for gauges, which nothing should see."""
    names = [one.name for one in results.perturbations.values() if one.kind is not Kind.gauge]
    measured = [metric for metric in LADDER_METRICS if any(metric in row.values for row in results.rows)]
    return [results.cell(name, metric, EXEMPT) for name in names for metric in measured]


def write_report(report: LadderReport, folder: Path) -> None:
    """Writes ladder.json, and every single value to measurements.csv, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LADDER_FILE).write_text(json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    with (folder / MEASUREMENTS_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("scene", "perturbation", "level", "alarm", "valid", *LADDER_METRICS))
        for row in report.results.rows:
            values = (row.values[metric] if metric in row.values else "" for metric in LADDER_METRICS)
            writer.writerow((row.scene, row.perturbation, row.level, int(row.is_flagged), int(row.is_valid), *values))


def print_report(report: LadderReport, console: Console) -> None:
    """Prints reactions, criteria and SIFT matches."""
    table = Table("perturbation", "unit", *CONSOLE_METRICS, "alarms at", title="Smallest strength told from true views")
    cells = {(cell.perturbation, cell.metric): cell for cell in report.cells}
    for one in report.results.perturbations.values():
        if one.kind not in (Kind.fault, Kind.camera):
            continue
        told = (_strength(cells[one.name, metric].smallest) for metric in CONSOLE_METRICS)
        alarms = [_share_flagged(report.results, one.name, level) for level in one.levels]
        flagged = next((level for level, share in zip(one.levels, alarms, strict=True) if (share or 0) >= POWER), None)
        table.add_row(one.name, one.unit, *told, _strength(flagged))
    console.print(table)
    verdicts = Table("criterion", "value", "limit", "sets", "verdict", title="Pass criteria")
    for one in report.criteria:
        sign = ">=" if one.is_minimum else "<="
        value = "-" if one.value is None else f"{one.value:.4g}"
        verdict = {True: "passed", False: "failed", None: "not judged"}[one.passed]
        verdicts.add_row(one.claim, value, f"{sign} {one.limit:g}", str(one.scenes), verdict)
    console.print(verdicts)
    sift = Table("separation", "matches", "inliers", "chance", "TSED", title="Negative control: SIFT on true views")
    for row in report.sift:
        numbers = (f"{row.matches:.1f}", *(f"{share:.2f}" for share in (row.inliers, row.chance, row.passed)))
        sift.add_row(f"{row.separation_deg:.2f} deg", *numbers)
    console.print(sift)


def _strength(level: float | None) -> str:
    return "-" if level is None else f"{level:g}"


def _share_flagged(results: Results, perturbation: str, level: float) -> float | None:
    """Share of scenes refused; symmetric ones count only where nothing must be refused."""
    is_spoilt = results.perturbations[perturbation].kind not in (Kind.invariance, Kind.gauge)
    return mean([float(row.is_rejected) for row in results.at(perturbation, level, EXEMPT if is_spoilt else ())])


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
