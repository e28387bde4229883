"""What all learned metrics have in common: they compare pairs of images, and may be absent."""

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float, Shaped
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics.checks import check_images
from mflab.metrics.table import MetricInfo

# Pairs that a network sees at once.
CHUNK_IMAGES = 32


class Absent(NamedTuple):
    """A metric that cannot be computed here.

    Attributes:
        reason: what was looked for, what was found and what to do.
    """

    reason: str


@runtime_checkable
class PairMetric(Protocol):
    """A function of image pairs with a name and a meaning."""

    @property
    def name(self) -> str: ...

    @property
    def info(self) -> MetricInfo: ...

    @property
    def is_symmetric(self) -> bool:
        """Whether both orders of a pair give the same value."""
        ...

    def __call__(self, pred: Tensor, target: Tensor) -> Tensor:
        """Returns one value per pair; images in [0, 1], shape [..., 3, H, W]."""
        ...


def of_neighbours(metric: PairMetric, views: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch view"]:
    """Returns `metric` between every view of a rig and the next one; the last view meets the first.

    A metric that depends on the order of a pair is averaged over both. With LPIPS this is a negative control: views a
    rig step apart must differ, and six times the same image scores best. A MEt3R-type network is symmetrised this way.

    Args:
        metric: a learned metric.
        views: views in [0, 1] in rig order, shape [..., V, 3, H, W].

    Raises:
        MflabError: fewer than two views, or whatever `metric` refuses.
    """
    views = check_images(views, "views")
    if views.ndim < 4 or views.shape[-4] < 2:
        raise MflabError(
            f"Neighbours need at least 2 views, but got shape {list(views.shape)}; pass all views of a set."
        )
    following = views.roll(-1, dims=-4)
    values = metric(views, following)
    return values if metric.is_symmetric else (values + metric(following, views)) / 2
