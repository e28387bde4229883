"""What the views of whole sets say about one another: consistency and collapse, one number per set."""

import torch
from jaxtyping import Float
from torch import Tensor

from mflab.data.scenes import Scene, background_value
from mflab.errors import MflabError
from mflab.geometry import Cameras
from mflab.metrics.collapse import COLLAPSE_METRICS, input_distance, view_diversity
from mflab.metrics.consistency import ViewSet, estimate_alpha, measure_consistency, quick_camera_check
from mflab.metrics.consistency.definitions import PREFIX
from mflab.metrics.consistency.orbit import Orbit
from mflab.results import ALL_SCENES, CULPRIT, SET_VIEW, MetricRow
from mflab.train.diffusion import torch_generator

# Raise when a definition below or of `mflab.metrics.consistency` changes: stored rows must not stand for it.
SETS_VERSION = 2
# What is kept of the suite.
KEPT = ("sc", "sc_min", "sc0", "et_mean", "et_max", "pc", "pc_min", "ti", "sh", "loo", "loo_min", "vc")
# Fewer views cannot predict one another.
LEAVE_ONE_OUT_VIEWS = 3
# Names of the measures that have a direction.
SET_METRICS = (*(PREFIX + name for name in KEPT), *COLLAPSE_METRICS)


class SetJudge:
    """The first scenes of a validation set, to judge predicted sets of their views.

    Masks are estimated from colours on white, of true views too: so the row of the true views is what a perfect model
    would score.

    Args:
        scenes: with their cameras.
        images: true views on white.
        input_slot: the input view.
        seed: of the chance level of photo-consistency.
    """

    def __init__(
        self, scenes: list[Scene], images: Float[Tensor, "scene view 3 height width"], input_slot: int, seed: int
    ) -> None:
        cameras = [scene.cameras for scene in scenes if scene.cameras is not None]
        self.names = [scene.name for scene in scenes]
        self.images = images
        self.cameras = Cameras.stacked(cameras)
        self.can_check_cameras = _is_orbit(self.cameras)
        self.input_slot = input_slot
        self.seed = seed

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, prediction: Float[Tensor, "scene view 3 height width"], step: int) -> list[MetricRow]:
        """One row per set and measure; a measure that is undefined for a set has none.

        Args:
            prediction: views in [0, 1] of at least these scenes, in their order.
            step: goes into the rows.
        """
        views = prediction[: len(self)]
        sets = ViewSet(views, estimate_alpha(views), self.cameras)
        found = measure_consistency(
            sets,
            torch_generator(self.seed, "consistency"),
            with_leave_one_out=sets.num_views >= LEAVE_ONE_OUT_VIEWS,
        )
        kept = [PREFIX + name for name in KEPT if PREFIX + name in found.values]
        values = {name: found.values[name] for name in kept}
        values[PREFIX + "valid"] = found.valid.float()
        values[PREFIX + "inconsistent"] = found.inconsistent.float()
        values[CULPRIT] = found.culprit.float()
        values["collapse/diversity"] = view_diversity(views, self.images)
        values["collapse/to_input"] = input_distance(views, self.images, self.input_slot)
        rows = [
            MetricRow(step, scene, SET_VIEW, False, metric, float(value))
            for metric, numbers in values.items()
            for scene, value in zip(self.names, numbers, strict=True)
            if not bool(torch.isnan(value))
        ]
        return [*rows, *self._camera_rows(sets, step)]

    def _camera_rows(self, sets: ViewSet, step: int) -> list[MetricRow]:
        """What the predicted views together say of the elevation that their cameras claim."""
        if not self.can_check_cameras:
            return []
        elevation = quick_camera_check(sets).elevation
        if elevation is None:
            return []
        found = {"cameras/decidable": float(elevation.decidable), "cameras/elevation_error": elevation.error}
        return [MetricRow(step, ALL_SCENES, SET_VIEW, False, name, value) for name, value in found.items()]


def _is_orbit(cameras: Cameras) -> bool:
    """Whether the cameras stand so that their elevation can be asked for."""
    try:
        Orbit.of(cameras)
    except MflabError:
        return False
    return True


def absent_sets(scenes: list[Scene], background: float | str) -> str:
    """Why consistency cannot be measured on these scenes; empty where it can."""
    if not scenes:
        return "validation.consistency_scenes=0"
    if any(scene.cameras is None for scene in scenes):
        return "the data has no cameras; set data.cameras"
    if background_value(background) != 1.0:
        return "masks of predicted views are estimated on white; set data.background=white"
    if scenes[0].rgba.shape[-1] != scenes[0].rgba.shape[-2] or len(scenes[0].view_names) < 2:
        return "it needs two or more square views"
    return ""
