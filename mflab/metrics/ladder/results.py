"""The measurements of a ladder by scene, perturbation and strength, and a cell per perturbation and metric."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mflab.metrics.ladder.judge import (
    alarm_limit,
    area_under_curve,
    mean,
    share_beyond,
    smallest_strength,
    spearman,
)
from mflab.metrics.ladder.measure import LADDER_METRICS, Measurement
from mflab.metrics.ladder.perturbation import Kind, Perturbation
from mflab.metrics.ladder.rungs import CLEAN

# Photo-consistency moves by this when the object is turned by a step of the rig, which changes nothing that it
# measures: .002 to .003 here at 64 to 128 pixels, .005 in the measurements that the pass criteria come from.
REPEATABILITY = {"pc": 0.005}


@dataclass(frozen=True)
class SceneFacts:
    """What the results need to know of a scene; see `LadderScene`."""

    name: str
    kind: str
    chroma: float
    is_grey: bool

    @property
    def group(self) -> str:
        """The kind, grey scenes apart: no change of hue can be seen on them."""
        return f"grey_{self.kind}" if self.is_grey else self.kind


@dataclass(frozen=True)
class Cell:
    """How one metric reacts to one perturbation, over the scenes that have it.

    Lists go along `levels`. Drops are against the clean set of the same scene, positive for worse.

    Attributes:
        perturbation: its name.
        metric: its name.
        levels: strengths.
        scenes: number of scenes at each.
        drop: mean drop.
        auc: share of pairs of a clean and a perturbed set, of any of these scenes, that the metric puts in order.
        power: share of scenes beyond the limit that 5 % of all clean sets pass.
        paired_power: share of scenes whose drop is beyond the limit that 5 % of the consistent changes pass.
        rho: mean Spearman correlation of value and strength over scenes, clean set included.
        smallest: lowest strength told from clean with 95 % power, at every higher one too.
        smallest_paired: the same by the drop against the clean set of the same scene.
    """

    perturbation: str
    metric: str
    levels: tuple[float, ...]
    scenes: tuple[int, ...]
    drop: tuple[float | None, ...]
    auc: tuple[float | None, ...]
    power: tuple[float | None, ...]
    paired_power: tuple[float | None, ...]
    rho: float | None
    smallest: float | None
    smallest_paired: float | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Results:
    """All measurements of a ladder.

    Args:
        scenes: the scenes.
        perturbations: the ladder.
        rows: what was measured, with a clean row per scene.
    """

    def __init__(
        self, scenes: Sequence[SceneFacts], perturbations: Sequence[Perturbation], rows: Sequence[Measurement]
    ) -> None:
        self.scenes = {scene.name: scene for scene in scenes}
        self.perturbations = {one.name: one for one in perturbations}
        self.rows = list(rows)
        self._found = {(row.scene, row.perturbation, row.level): row for row in rows}

    def clean(self, scene: str) -> Measurement:
        return self._found[scene, CLEAN, 0.0]

    def at(self, perturbation: str, level: float, without: Sequence[str] = ()) -> list[Measurement]:
        """The measurements at one strength, of scenes that are not of the kinds `without`."""
        return [
            self._found[name, perturbation, level]
            for name, scene in self.scenes.items()
            if scene.kind not in without and (name, perturbation, level) in self._found
        ]

    def of_kind(self, *kinds: Kind) -> list[Measurement]:
        """All measurements under perturbations of these kinds."""
        return [
            row for row in self.rows if row.perturbation != CLEAN and self.perturbations[row.perturbation].kind in kinds
        ]

    def drop(self, row: Measurement, metric: str) -> float:
        """How much worse a metric is than on the clean set of the same scene."""
        return badness(row, metric) - badness(self.clean(row.scene), metric)

    def rho(self, scene: str, perturbation: str, metric: str) -> float:
        """Spearman correlation of value and strength in one scene, clean set included.

        NaN where the scene cannot have the perturbation; 0 where the metric is undefined at some strength.
        """
        levels = [
            level for level in self.perturbations[perturbation].levels if (scene, perturbation, level) in self._found
        ]
        values = [badness(self._found[scene, perturbation, level], metric) for level in levels]
        repeatability = REPEATABILITY[metric] if metric in REPEATABILITY else 0.0
        rho = spearman([0.0, *levels], [badness(self.clean(scene), metric), *values], repeatability)
        return 0.0 if levels and math.isnan(rho) else rho

    def cell(self, perturbation: str, metric: str, without: Sequence[str]) -> Cell:
        """The reaction of a metric to a perturbation over scenes not of the kinds `without`."""
        levels = self.perturbations[perturbation].levels
        names = [name for name, scene in self.scenes.items() if scene.kind not in without]
        rows = [self.at(perturbation, level, without) for level in levels]
        # Leave-one-out is measured at the highest strength alone.
        values = [[badness(row, metric) for row in at if metric in row.values] for at in rows]
        drops = [[self.drop(row, metric) for row in at if metric in row.values] for at in rows]
        clean = [badness(self.clean(scene), metric) for scene in self.scenes]
        own_clean = [badness(self.clean(scene), metric) for scene in names]
        limit = alarm_limit(clean)
        consistent = self.of_kind(Kind.invariance, Kind.gauge)
        paired_limit = alarm_limit([self.drop(row, metric) for row in consistent if metric in row.values])
        powers = [share_beyond(at, limit) for at in values]
        paired = [share_beyond(at, paired_limit) for at in drops]
        is_complete = all(len(at) == len(all_) for at, all_ in zip(values, rows, strict=True))
        return Cell(
            perturbation,
            metric,
            levels,
            tuple(len(at) for at in values),
            tuple(mean(at) for at in drops),
            tuple(area_under_curve(own_clean, at) for at in values),
            tuple(powers),
            tuple(paired),
            mean([self.rho(name, perturbation, metric) for name in names]) if is_complete and len(levels) > 1 else None,
            smallest_strength(levels, powers),
            smallest_strength(levels, paired),
        )


def badness(row: Measurement, metric: str) -> float:
    """The value turned so that larger is worse; NaN where it was not measured."""
    value = row.values[metric] if metric in row.values else math.nan
    return -value if LADDER_METRICS[metric].direction == "higher" else value
