"""Collapse: are the views of a set still as different as the true ones, or all alike, or all the input?"""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics.checks import check_pair
from mflab.metrics.table import MetricInfo

COLLAPSE_METRICS: dict[str, MetricInfo] = {
    "collapse/diversity": MetricInfo(
        "higher",
        "",
        "Mean RMS difference between the predicted views of a set, as a share of the same between its true views; 0 "
        "when all views are alike, 1 when they differ as the true ones do.",
    ),
    "collapse/to_input": MetricInfo(
        "higher",
        "",
        "Mean RMS difference of the predicted unseen views to the true input view, as a share of the same of the true "
        "views; 0 when every view is the input.",
    ),
}


def view_diversity(prediction: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch"]:
    """Returns how different the predicted views of each set are, as a share of how different the true ones are.

    Args:
        prediction: predicted views in [0, 1], shape [..., V, 3, H, W].
        target: true views, same shape.

    Raises:
        MflabError: another range, shape or dtype, NaN, or fewer than two views.

    >>> true = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> float(view_diversity(true, true)), float(view_diversity(true[:1].expand(6, -1, -1, -1), true))
    (1.0, 0.0)
    """
    prediction, target = _check_views(prediction, target)
    return _share(_between(prediction), _between(target))


def input_distance(
    prediction: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."], input_slot: int
) -> Float[Tensor, "*batch"]:
    """Returns how far the predicted unseen views are from the input view, as a share of how far the true ones are.

    Args:
        prediction: predicted views in [0, 1], shape [..., V, 3, H, W].
        target: true views, same shape; slot `input_slot` is the input.
        input_slot: in [0, V[.

    Raises:
        MflabError: another range, shape or dtype, NaN, or fewer than two views.
    """
    prediction, target = _check_views(prediction, target)
    unseen = [slot for slot in range(target.shape[-4]) if slot != input_slot]
    reference = target[..., input_slot : input_slot + 1, :, :, :]
    return _share(
        *(_rms(views[..., unseen, :, :, :] - reference).mean(-1) for views in (prediction, target)),
    )


def _check_views(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    prediction, target = check_pair(prediction, target)
    if target.ndim < 4 or target.shape[-4] < 2:
        raise MflabError(
            f"Collapse needs at least 2 views of shape [..., V, 3, height, width], but got {list(target.shape)}; pass "
            "all views of an object together."
        )
    return prediction, target


def _between(views: Tensor) -> Tensor:
    """Mean RMS difference over all pairs of views."""
    first, second = torch.triu_indices(views.shape[-4], views.shape[-4], 1)
    return _rms(views[..., first, :, :, :] - views[..., second, :, :, :]).mean(-1)


def _rms(difference: Tensor) -> Tensor:
    return difference.square().flatten(-3).mean(-1).sqrt()


def _share(predicted: Tensor, true: Tensor) -> Tensor:
    """Views that do not differ in truth have no share."""
    return torch.where(true > 0, predicted / true.clamp(min=1e-12), torch.nan)
