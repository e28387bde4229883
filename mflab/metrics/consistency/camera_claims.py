"""The search for wrong claims of cameras: one is put right, then the others are looked at again."""

from dataclasses import replace

import torch

from mflab.metrics.consistency.camera_order import check_order, reordered
from mflab.metrics.consistency.camera_scan import AngleScan, scan_elevation, scan_step
from mflab.metrics.consistency.camera_strays import find_culprit, find_strays, place_strays
from mflab.metrics.consistency.orbit import Orbit
from mflab.metrics.consistency.spread import spread_views
from mflab.metrics.consistency.view_set import ViewSet

# As many views at fault are left out of those that are searched.
MAX_LEFT_OUT = 2


class Claims:
    """A search for wrong claims: all views as corrected so far, and what the last looks at a few of them found.

    Args:
        views: sets [S, V] of one rig.
        generator: see `check_camera_claims`.

    Attributes:
        core: numbers of the views that are looked at now.
        strays: numbers of those that were left out of it.
        elevation, step, order, culprit: what the last look found; the step is that of the last core with equal steps.
        step_views, order_views: the core of that look.
    """

    def __init__(self, views: ViewSet, generator: torch.Generator) -> None:
        self.views, self.generator = views, generator
        self.core = spread_views(views.cameras)
        self.strays: list[int] = []
        self.step: AngleScan | None = None
        self.step_views = self.order_views = self.core
        self._settled: set[str] = set()
        self._look()

    @property
    def core_views(self) -> ViewSet:
        return self.views.select(self.core)

    def _look(self) -> None:
        core = self.core_views
        if "elevation" not in self._settled:
            self.elevation = scan_elevation(core, self.generator)
        if "step" not in self._settled and (step := scan_step(core)) is not None:
            self.step, self.step_views = step, self.core
        if "order" not in self._settled:
            self.order, self.order_views = check_order(core), self.core
        self.culprit = find_culprit(core)

    def worst(self) -> str | None:
        """The wrong claim whose correction helps most."""
        parts = {"elevation": self.elevation, "step": self.step, "order": self.order, "culprit": self.culprit}
        wrong = {
            name: part.gain
            for name, part in parts.items()
            if part is not None and part.mismatch and name not in self._settled
        }
        return max(wrong, key=wrong.__getitem__) if wrong else None

    def correct(self, name: str) -> None:
        """Puts one claim right and looks at the others again."""
        orbit = Orbit.of(self.views.cameras)
        if name == "culprit" and self.culprit is not None:
            self.strays.append(self.core[self.culprit.view])
            self.core = spread_views(self.views.cameras, self.strays)
        elif name == "order":
            self.views = self._in_order()
        elif name == "step" and self.step is not None:
            self.views = replace(self.views, cameras=orbit.stretched(self.step.estimated / self.step.claimed))
        else:
            self.views = replace(self.views, cameras=orbit.raised(self.elevation.error))
        if name != "culprit" or len(self.strays) == MAX_LEFT_OUT:
            self._settled.add(name)
        self._look()

    def _in_order(self) -> ViewSet:
        """All views in the order that was found of the core; those beside it turn with it or stay."""
        if self.order.is_reversed and not (self.order.moved and len(self.core) == self.views.num_views):
            return replace(self.views, cameras=Orbit.of(self.views.cameras).turned_back())
        images = list(range(self.views.num_views))
        for camera, image in zip(self.order_views, self.order.order, strict=True):
            images[camera] = self.order_views[image]
        return reordered(self.views, tuple(images))

    def placed_strays(self) -> dict[int, int]:
        """Every view that does not fit the core, with the camera that its image does fit, -1 for none."""
        placed = self._placed()
        if set(placed) & set(self.core):
            # A wrong view of the core makes others look wrong: they are judged again by a core without it.
            exchanged = {view for view in placed if placed[view] in self.core or view in self.core}
            self.strays = sorted({*self.strays, *exchanged})
            self.core = spread_views(self.views.cameras, self.strays)
            placed = self._placed()
        return placed

    def _placed(self) -> dict[int, int]:
        others = [view for view in range(self.views.num_views) if view not in (*self.core, *self.strays)]
        strays = sorted({*self.strays, *find_strays(self.views, self.core, others)})
        return place_strays(self.views, self.core, strays)
