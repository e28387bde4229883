"""Every scene at every strength of every perturbation, through every measure."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from mflab.metrics.consistency import CONSISTENCY_METRICS, ConsistencyThresholds, ViewSet, measure_consistency
from mflab.metrics.consistency.camera_scan import AngleScan, scan_elevation
from mflab.metrics.consistency.definitions import PREFIX
from mflab.metrics.consistency.measure import alarms
from mflab.metrics.consistency.thresholds import THRESHOLDS, Band, Limits
from mflab.metrics.ladder.negative import NEGATIVE, Features, measure_negative
from mflab.metrics.ladder.perturbation import Perturbation
from mflab.metrics.ladder.rungs import CLEAN
from mflab.metrics.ladder.scenes import LadderScene
from mflab.metrics.ladder.sets import one_batch
from mflab.metrics.table import MetricInfo
from mflab.metrics.threads import serial_operations, share_out

# Descriptions of a set that no fault has to move.
_DESCRIPTIVE = ("et_count", "pc_error", "pc_null", "pc_pairs", "hull_iou")
LADDER_METRICS: dict[str, MetricInfo] = {
    **{name.removeprefix(PREFIX): info for name, info in CONSISTENCY_METRICS.items()},
    **NEGATIVE,
}
for _name in _DESCRIPTIVE:
    del LADDER_METRICS[_name]
SCAN_WIDTH = 64
# Whoever looks for the view at fault takes as long again: never, and the flags are raised below.
_NEVER = Limits(-torch.inf, torch.inf, -torch.inf, -torch.inf, torch.inf)
_WITHOUT_SEARCH = ConsistencyThresholds(bands=(Band(1, _NEVER, _NEVER),))


@dataclass(frozen=True)
class Measurement:
    """What the measures say of one scene at one strength.

    Attributes:
        scene: name of the scene.
        perturbation: name of the perturbation, `clean` for none.
        level: its strength.
        values: metric to value; leave-one-out only at the top of a perturbation.
        is_flagged: an alarm limit was passed, or all views are one picture.
        is_valid: the set can be judged at all.
        seconds: CPU time of the measures without the negative controls.
    """

    scene: str
    perturbation: str
    level: float
    values: dict[str, float]
    is_flagged: bool
    is_valid: bool
    seconds: float

    @property
    def is_rejected(self) -> bool:
        return self.is_flagged or not self.is_valid


def measure_set(views: ViewSet, seed: int, with_leave_one_out: bool, seen: dict[str, Features]) -> Measurement:
    """Returns all measures of one set [V], under no name.

    Args:
        views: posed views.
        seed: of the chance level of photo-consistency.
        with_leave_one_out: measure that as well, which takes as long again.
        seen: SIFT features of pictures that were met before.
    """
    with serial_operations():
        start = time.thread_time()
        found = measure_consistency(views, _seeded(seed), with_leave_one_out, _WITHOUT_SEARCH)
        seconds = time.thread_time() - start
    tensors = {name.removeprefix(PREFIX): value for name, value in found.values.items()}
    has_wrong_shape, has_wrong_colours = alarms(tensors, found.textureless, THRESHOLDS, views.width)
    values = {name: float(value) for name, value in tensors.items() if name in LADDER_METRICS}
    values |= measure_negative(views, seen)
    is_valid = bool(found.valid)
    is_flagged = is_valid and bool(has_wrong_shape | has_wrong_colours | found.repeated)
    return Measurement("", "", 0.0, values, is_flagged, is_valid, seconds)


def run_ladder(
    scenes: Sequence[LadderScene],
    perturbations: Sequence[Perturbation],
    seed: int,
    with_leave_one_out: bool,
    said: Callable[[str], None] = lambda _: None,
) -> list[Measurement]:
    """Returns a measurement per scene, perturbation and level that the scene can have, clean sets first.

    Args:
        scenes: what is perturbed.
        perturbations: the ladder.
        seed: of all random parts.
        with_leave_one_out: measure that on clean sets and at the highest strengths, where it can be afforded.
        said: told the name of each scene before its turn.
    """
    found: dict[str, list[Measurement]] = {}

    def work(share: Sequence[LadderScene]) -> None:
        for scene in share:
            said(scene.name)
            found[scene.name] = _climb(scene, perturbations, seed, with_leave_one_out)

    share_out(scenes, work)
    return [row for scene in scenes for row in found[scene.name]]


def _climb(
    scene: LadderScene, perturbations: Sequence[Perturbation], seed: int, with_leave_one_out: bool
) -> list[Measurement]:
    """One scene; apart from all others, so that neither their order nor threads change a number."""
    seen: dict[str, Features] = {}
    clean = measure_set(scene.views, seed, with_leave_one_out, seen)
    rows = [replace(clean, scene=scene.name, perturbation=CLEAN)]
    for perturbation in perturbations:
        for level in perturbation.levels:
            views = perturbation.at(scene, level, seed)
            if views is not None:
                is_top = level == perturbation.levels[-1]
                row = measure_set(views, seed, with_leave_one_out and is_top, seen)
                rows.append(replace(row, scene=scene.name, perturbation=perturbation.name, level=level))
    return rows


def scan_elevations(scenes: Sequence[LadderScene], seed: int) -> dict[str, AngleScan]:
    """Returns what the camera self-check finds of the clean set of each scene, at 64 pixels."""
    with serial_operations():
        return {
            scene.name: scan_elevation(_batch_of_one(scene.views.resized(SCAN_WIDTH)), _seeded(seed))
            for scene in scenes
        }


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _batch_of_one(views: ViewSet) -> ViewSet:
    return ViewSet(views.images[None], views.alpha[None], one_batch(views.cameras))
