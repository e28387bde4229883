"""Do the images come in the order of their cameras, and do they go round the same way?"""

from dataclasses import dataclass, replace
from itertools import permutations

import torch
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics.consistency.camera_scan import MIN_GAIN, MIN_RANGE, is_round, mean_coherence
from mflab.metrics.consistency.field import silhouettes
from mflab.metrics.consistency.orbit import Orbit
from mflab.metrics.consistency.rays import Geometry, cast, clip
from mflab.metrics.consistency.scan import cover
from mflab.metrics.consistency.view_set import ViewSet

# Pairs of views are compared at this width: a wrong order costs ten times what pixels of this size do.
PAIR_WIDTH = 32
# Orders that silhouettes of all views decide between, and views whose orders can be listed.
NUM_FINALISTS, MAX_ORDERED = 5, 8
# Orders that differ by less in SC0 fit alike.
SAME_COHERENCE = 0.002
Order = tuple[int, ...]


@dataclass(frozen=True)
class OrderCheck:
    """What a search over the order of views found.

    Attributes:
        order: number of the image that fits each camera best; 0, 1, 2, ... as claimed. Where a turn of the world leaves
            several orders equal, the one that moves the fewest images.
        is_reversed: the views go round the other way than the cameras. `order` says how, but for irregular views, whose
            images then fit no order of the cameras.
        coherence_claimed: mean SC0 over views and sets in the claimed order.
        coherence: the same for what was found.
        decidable: orders differ enough in coherence to be told apart.
    """

    order: Order
    is_reversed: bool
    coherence_claimed: float
    coherence: float
    decidable: bool

    @property
    def gain(self) -> float:
        return self.coherence - self.coherence_claimed

    @property
    def moved(self) -> Order:
        """Cameras that have another view's image."""
        return tuple(camera for camera, image in enumerate(self.order) if camera != image)

    @property
    def mismatch(self) -> bool:
        """The claim is wrong: decidable, another order found, and coherence gains by it."""
        return self.decidable and (self.is_reversed or bool(self.moved)) and self.gain >= MIN_GAIN


def check_order(view_set: ViewSet) -> OrderCheck:
    """Returns the order of images that fits the cameras best, by silhouettes alone.

    All V! orders are ranked by how well each pair of views covers one another; the coherence of all views decides
    between the first few, the claimed order and its reversal.

    Args:
        view_set: one or more sets of one rig, all in one order.

    Raises:
        MflabError: more than 8 views.
    """
    num_views = view_set.num_views
    if num_views > MAX_ORDERED:
        raise MflabError(
            f"The order of at most {MAX_ORDERED} views can be searched, but got {num_views} views; select some of them."
        )
    view_set = view_set.flattened()
    orbit, claimed = Orbit.of(view_set.cameras), tuple(range(num_views))
    rolls = orbit.rolls()
    finalists = _ranked(view_set, rolls)
    candidates = {claimed, tuple(-image % num_views for image in claimed), *finalists[:NUM_FINALISTS], finalists[-1]}
    coherence = {order: mean_coherence(reordered(view_set, order)) for order in candidates}
    highest = max(coherence.values())
    # An irregular ring may look nearly the same after a turn: of equals, the one that moves the fewest images.
    best = min((order for order in coherence if coherence[order] >= highest - SAME_COHERENCE), key=_num_moved)
    opposite = mean_coherence(view_set, orbit.turned_back())
    values = [*coherence.values(), opposite]
    is_decidable = not is_round(view_set) and max(values) - min(values) > MIN_RANGE
    if is_reversal(best):
        return OrderCheck(best, True, coherence[claimed], coherence[best], is_decidable)
    if opposite >= coherence[best] + MIN_GAIN:
        return OrderCheck(claimed, True, coherence[claimed], opposite, is_decidable)
    return OrderCheck(_least_moved(best, rolls), False, coherence[claimed], coherence[best], is_decidable)


def reordered(view_set: ViewSet, order: Order) -> ViewSet:
    """The sets with image `order[k]` under camera k."""
    return replace(view_set.select(order), cameras=view_set.cameras)


def is_reversal(order: Order) -> bool:
    """Whether an order runs backwards from some view.

    >>> is_reversal((0, 3, 2, 1)), is_reversal((3, 2, 1, 0)), is_reversal((1, 0, 2, 3))
    (True, True, False)
    """
    return all((order[0] - place) % len(order) == image for place, image in enumerate(order))


def pair_coverage(view_set: ViewSet) -> Tensor:
    """How well each view is covered by each other one alone, for every image under every camera, shape [V, V, V, V].

    Entry [i, a, j, b] is the share of image i under camera a that lies on epipolar lines of image j under camera b,
    mean over sets; zero where i = j or a = b. Two silhouettes alone say little, but all pairs rank whole orders.
    """
    views, num_views = view_set.flattened(), view_set.num_views
    image = torch.arange(num_views, device=view_set.images.device).repeat_interleave(num_views)
    camera = torch.arange(num_views, device=image.device).repeat(num_views)
    is_pair = (image[:, None] != image) & (camera[:, None] != camera)
    partners = is_pair.nonzero()[:, 1].view(num_views**2, -1)
    total = torch.zeros(num_views**4).to(views.images)
    for number in range(len(views.images)):
        one = views.take([number])
        # Every image under every camera is a view of its own.
        alpha = one.alpha[0, image, 0]
        shapes = silhouettes(alpha, 0)
        geometry = Geometry.of(one.cameras.select(camera.tolist()))
        view, row, column = (alpha > 0).nonzero().unbind(1)
        wanted = alpha[view, row, column]
        view, u, v, wanted = (
            values.repeat_interleave(partners.shape[1]) for values in (view, column + 0.5, row + 0.5, wanted)
        )
        targets = partners[view[:: partners.shape[1]]].flatten()
        rays = clip(cast(geometry, view, u.float(), v.float(), targets[None]), shapes.boxes)
        share = torch.minimum(cover(rays, shapes, wanted), wanted) / alpha.sum((1, 2)).index_select(0, view)
        total.index_add_(0, view * num_views**2 + targets, share)
    return (total / len(views.images)).view((num_views,) * 4)


def _ranked(view_set: ViewSet, rolls: list[int]) -> list[Order]:
    """All orders from best to worst by pairs, one of those that a turn of the world makes equal."""
    coverage = pair_coverage(view_set.resized(min(PAIR_WIDTH, view_set.width)))
    num_views = view_set.num_views
    orders = torch.tensor(
        # An order whose image 0 sits where a turn can bring it to camera 0 is told by the one that has it there.
        [order for order in permutations(range(num_views)) if order[0] == 0 or order.index(0) not in rolls],
        device=coverage.device,
    )
    score = torch.zeros(len(orders)).to(coverage)
    for a, b in permutations(range(num_views), 2):
        score += coverage[orders[:, a], a, orders[:, b], b]
    best = score.argsort(descending=True, stable=True)
    chosen = [*best[:NUM_FINALISTS].tolist(), int(best[-1])]
    return [tuple(orders[index].tolist()) for index in chosen]


def _least_moved(order: Order, rolls: list[int]) -> Order:
    """Of the orders that a turn of the world makes equal the one that moves the fewest images."""
    return min((order[places:] + order[:places] for places in rolls), key=_num_moved)


def _num_moved(order: Order) -> int:
    return sum(camera != image for camera, image in enumerate(order))
