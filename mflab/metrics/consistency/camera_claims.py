"""The search for wrong claims of cameras: one is put right, then the others are looked at again."""

from dataclasses import replace

import torch

from mflab.metrics.consistency.camera_order import check_order, reordered
from mflab.metrics.consistency.camera_scan import scan_elevation, scan_step
from mflab.metrics.consistency.camera_strays import find_culprit, find_strays, place_strays
from mflab.metrics.consistency.orbit import Orbit
from mflab.metrics.consistency.spread import spread_views
from mflab.metrics.consistency.view_set import ViewSet

# Of six views four are left then.
MAX_LEFT_OUT = 2


class Claims:
    """A search for wrong claims: all views as corrected so far, and what the last look at the core found.

    Args:
        views: sets [S, V] of one rig.
        generator: see `check_camera_claims`.
    """

    def __init__(self, views: ViewSet, generator: torch.Generator) -> None:
        self.views, self.generator = views, generator
        self.core = spread_views(views.cameras)
        self.strays: list[int] = []
        self.settled: set[str] = set()
        self._look()

    @property
    def core_views(self) -> ViewSet:
        return self.views.select(self.core)

    def _look(self) -> None:
        core = self.core_views
        if "elevation" not in self.settled:
            self.elevation = scan_elevation(core, self.generator)
        if "step" not in self.settled:
            self.step = scan_step(core)
        if "order" not in self.settled:
            self.order = check_order(core)
        self.culprit = find_culprit(core)

    def worst(self) -> str | None:
        """The wrong claim whose correction helps most."""
        parts = {"elevation": self.elevation, "step": self.step, "order": self.order, "culprit": self.culprit}
        wrong = {
            name: part.gain
            for name, part in parts.items()
            if part is not None and part.mismatch and name not in self.settled
        }
        return max(wrong, key=wrong.__getitem__) if wrong else None

    def correct(self, name: str) -> None:
        """Puts one claim right and looks at the others again."""
        orbit = Orbit.of(self.views.cameras)
        if name == "culprit" and self.culprit is not None:
            self.strays.append(self.core[self.culprit.view])
            self.core = spread_views(self.views.cameras, self.strays)
            if len(self.strays) == MAX_LEFT_OUT:
                self.settled.add(name)
        elif name == "order":
            self.settled.add(name)
            self.views = self._in_order()
        elif name == "step" and self.step is not None:
            self.settled.add(name)
            step = self.step.estimated / (self.core[1] - self.core[0])
            self.views = replace(self.views, cameras=orbit.restepped(step))
        else:
            self.settled.add(name)
            self.views = replace(self.views, cameras=orbit.raised(self.elevation.error))
        self._look()

    def _in_order(self) -> ViewSet:
        """All views in the order that was found of the core; those beside it turn with it or stay."""
        if self.order.is_reversed and not (self.order.moved and len(self.core) == self.views.num_views):
            return replace(self.views, cameras=Orbit.of(self.views.cameras).turned_back())
        images = list(range(self.views.num_views))
        for camera, image in zip(self.core, self.order.order, strict=True):
            images[camera] = self.core[image]
        return reordered(self.views, tuple(images))

    def placed_strays(self) -> dict[int, int]:
        """Every view that does not fit the core, with the camera that its image does fit, -1 for none."""
        others = [view for view in range(self.views.num_views) if view not in (*self.core, *self.strays)]
        strays = sorted({*self.strays, *find_strays(self.views, self.core, others)})
        return place_strays(self.views, self.core, strays)
