"""View consistency without learned weights: do posed views show one object?

Silhouettes and tangents judge geometry with no overlap of images, colours on the hull judge texture and tint. Nothing
here sees: a global turn of all views against their cameras, a mirrored object whose views run backwards, tint or blur
common to all views, a consistent but wrong object (that takes the true views or the input view), the pose of
rotationally symmetric objects and the colours of flat-coloured ones, concavities, and a common error of focal length up
to about 10 %. Strong highlights lower photo-consistency; estimated masks of near-white objects lower coherence.
"""

from mflab.metrics.consistency.attribution import best_without, drop_one_photo, drop_one_silhouette
from mflab.metrics.consistency.camera_check import CHECK_WIDTH, check_camera_claims, quick_camera_check
from mflab.metrics.consistency.camera_findings import CameraCheck
from mflab.metrics.consistency.camera_order import OrderCheck, check_order
from mflab.metrics.consistency.camera_scan import AngleScan, quick_elevation, scan_elevation, scan_step
from mflab.metrics.consistency.definitions import CONSISTENCY_METRICS
from mflab.metrics.consistency.epipolar import Tangency, epipolar_tangency
from mflab.metrics.consistency.hull import HullDepth, hull_depth
from mflab.metrics.consistency.leave_one_out import LeaveOneOut, leave_one_out
from mflab.metrics.consistency.masks import estimate_alpha
from mflab.metrics.consistency.measure import Consistency, convenience_score, measure_consistency
from mflab.metrics.consistency.photo import Photo, photo_consistency
from mflab.metrics.consistency.sharpness import Sharpness, sharpness_spread
from mflab.metrics.consistency.silhouette import Silhouette, silhouette_coherence
from mflab.metrics.consistency.spread import evenly
from mflab.metrics.consistency.thresholds import THRESHOLDS, Band, ConsistencyThresholds, Limits
from mflab.metrics.consistency.tint import Tint, tint_spread
from mflab.metrics.consistency.view_set import ViewSet

__all__ = [
    "CHECK_WIDTH",
    "CONSISTENCY_METRICS",
    "THRESHOLDS",
    "AngleScan",
    "Band",
    "CameraCheck",
    "Consistency",
    "ConsistencyThresholds",
    "HullDepth",
    "LeaveOneOut",
    "Limits",
    "OrderCheck",
    "Photo",
    "Sharpness",
    "Silhouette",
    "Tangency",
    "Tint",
    "ViewSet",
    "best_without",
    "check_camera_claims",
    "check_order",
    "convenience_score",
    "drop_one_photo",
    "drop_one_silhouette",
    "epipolar_tangency",
    "estimate_alpha",
    "evenly",
    "hull_depth",
    "leave_one_out",
    "measure_consistency",
    "photo_consistency",
    "quick_camera_check",
    "quick_elevation",
    "scan_elevation",
    "scan_step",
    "sharpness_spread",
    "silhouette_coherence",
    "tint_spread",
]
