"""All consistency measures of posed views at once, with flags and the view at fault."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mflab.metrics.consistency.alike import has_one_picture
from mflab.metrics.consistency.attribution import best_without, drop_one_photo, drop_one_silhouette
from mflab.metrics.consistency.batches import over_sets
from mflab.metrics.consistency.definitions import PREFIX
from mflab.metrics.consistency.epipolar import epipolar_tangency
from mflab.metrics.consistency.field import IS_INSIDE
from mflab.metrics.consistency.hull import WORKING_WIDTH
from mflab.metrics.consistency.leave_one_out import leave_one_out
from mflab.metrics.consistency.matching import match_views
from mflab.metrics.consistency.photo import draw_seed, score_pairs
from mflab.metrics.consistency.sharpness import sharpness_spread
from mflab.metrics.consistency.silhouette import silhouette_coherence
from mflab.metrics.consistency.thresholds import THRESHOLDS, ConsistencyThresholds
from mflab.metrics.consistency.tint import tint_of_pairs
from mflab.metrics.consistency.view_set import ViewSet


@dataclass(frozen=True)
class Consistency:
    """What the views of each set say about one another.

    Attributes:
        values: a number per set for each name of `CONSISTENCY_METRICS` that was measured.
        per_view: `sc`, `pc`, `ti` and, where measured, `loo` of each view.
        valid: the foreground share of every view is within bounds; other sets cannot be judged.
        textureless: the object has too little texture for photo-consistency to say much.
        repeated: all views are one picture with texture; see `mflab.metrics.consistency.alike`.
        inconsistent: a valid set beyond an alarm limit of the thresholds for its width, or repeated.
        culprit: the view whose removal helps an inconsistent set most; -1 for others, and where none can be told.
    """

    values: dict[str, Float[Tensor, "*batch"]]
    per_view: dict[str, Float[Tensor, "*batch view"]]
    valid: Bool[Tensor, "*batch"]
    textureless: Bool[Tensor, "*batch"]
    repeated: Bool[Tensor, "*batch"]
    inconsistent: Bool[Tensor, "*batch"]
    culprit: Int[Tensor, "*batch"]


def measure_consistency(
    view_set: ViewSet,
    generator: torch.Generator,
    with_leave_one_out: bool = True,
    thresholds: ConsistencyThresholds = THRESHOLDS,
) -> Consistency:
    """Returns every weight-free consistency measure of each set, its flags and the view at fault.

    Print the same measures of the true views beside them: they are the ceiling for that object. `culprit` is searched
    for only where a flag fired, and only among three views or more.

    Args:
        view_set: posed views.
        generator: gives the one seed of the chance level of photo-consistency.
        with_leave_one_out: measure `loo`, `loo_min` and `hull_iou` too, which takes half the time; needs three views.
        thresholds: what raises the flags.
    """
    seed = draw_seed(generator)
    working = view_set.resized(min(WORKING_WIDTH, view_set.width))
    tolerant, strict = silhouette_coherence(view_set), silhouette_coherence(view_set, tolerance=False)
    tangency = epipolar_tangency(view_set)
    colours = over_sets(working, lambda views: _colours(views, seed))
    values = {
        "sc": tolerant.mean,
        "sc_min": tolerant.minimum,
        "sc0": strict.mean,
        "et_mean": tangency.mean,
        "et_max": tangency.maximum,
        "et_count": tangency.count.float(),
        "pc": colours.score,
        "pc_min": colours.minimum,
        "pc_error": colours.error,
        "pc_null": colours.null,
        "pc_pairs": colours.pairs.float(),
        "ti": colours.tint,
        "sh": sharpness_spread(working).maximum,
        "vc": convenience_score(tolerant.minimum, colours.score),
    }
    per_view = {"sc": tolerant.per_view, "pc": colours.per_view, "ti": colours.tint_per_view}
    if with_leave_one_out:
        held_out = leave_one_out(working)
        values |= {"loo": held_out.mean, "loo_min": held_out.minimum, "hull_iou": held_out.hull_iou.mean(-1)}
        per_view["loo"] = held_out.per_view
    share = (view_set.alpha > IS_INSIDE).float().mean((-1, -2, -3))
    is_judged = (share >= thresholds.min_foreground) & (share <= thresholds.max_foreground)
    valid = is_judged.all(-1)
    has_wrong_shape, has_wrong_colours = alarms(values, colours.is_textureless, thresholds, view_set.width)
    has_wrong_shape, has_wrong_colours = has_wrong_shape & valid, has_wrong_colours & valid
    return Consistency(
        {PREFIX + name: value for name, value in values.items()},
        per_view,
        valid,
        colours.is_textureless,
        colours.is_repeated,
        has_wrong_shape | has_wrong_colours | (colours.is_repeated & valid),
        _culprits(view_set, has_wrong_shape, has_wrong_colours, seed),
    )


def convenience_score(sc_min: Tensor, pc: Tensor) -> Tensor:
    """One number for ranking, geometry times appearance; chance maps to 0, one per cent uncovered costs ten.

    VC = SC_min^10 * clip((PC - 0.15) / 0.70, 0, 1). No claim should rest on it alone.

    >>> convenience_score(torch.tensor([1.0, 0.99]), torch.tensor([0.85, 0.5]))
    tensor([1.0000, 0.4522])
    """
    return sc_min**10 * ((pc - 0.15) / 0.70).clamp(0.0, 1.0)


def alarms(
    values: dict[str, Tensor], is_textureless: Tensor, thresholds: ConsistencyThresholds, width: int
) -> tuple[Tensor, Tensor]:
    """Whether shapes and whether colours are beyond the alarm limits of images `width` pixels wide.

    A measure that is NaN raises no alarm, nor does photo-consistency of an object without texture.
    """
    limits = thresholds.band(width).alarm
    shape = (values["sc_min"] < limits.sc_min) | (values["et_max"] > limits.et_max)
    disagree = (values["pc"] < limits.pc) | (values["pc_min"] < limits.pc_min)
    return shape, (disagree & ~is_textureless) | (values["ti"] > limits.ti)


class _Colours(NamedTuple):
    score: Tensor
    per_view: Tensor
    minimum: Tensor
    error: Tensor
    null: Tensor
    pairs: Tensor
    is_textureless: Tensor
    tint_per_view: Tensor
    tint: Tensor
    is_repeated: Tensor


def _colours(views: ViewSet, seed: int) -> _Colours:
    pairs = match_views(views)
    scores = score_pairs(pairs, seed)
    is_repeated = has_one_picture(views, scores.null) & ~scores.is_textureless
    return _Colours(*scores, *tint_of_pairs(pairs), is_repeated)


def _culprits(view_set: ViewSet, has_wrong_shape: Tensor, has_wrong_colours: Tensor, seed: int) -> Tensor:
    """The view at fault by silhouettes where shapes are wrong, else by colours; -1 without a flag."""
    culprit = torch.full(has_wrong_shape.shape, -1, device=has_wrong_shape.device).flatten()
    if view_set.num_views < 3:
        return culprit.view(has_wrong_shape.shape)
    views = view_set.flattened()
    by_shape = has_wrong_shape.flatten()
    by_colour = has_wrong_colours.flatten() & ~by_shape
    if by_shape.any():
        culprit[by_shape] = best_without(drop_one_silhouette(views.take(by_shape.nonzero()[:, 0].tolist())))
    if by_colour.any():
        chosen = views.take(by_colour.nonzero()[:, 0].tolist())
        culprit[by_colour] = best_without(drop_one_photo(chosen, torch.Generator().manual_seed(seed)))
    return culprit.view(has_wrong_shape.shape)
