"""What the ladder perturbs: true views of procedural objects, which can be rendered again from elsewhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mflab.data.ellipsoids import Body, render_rgba
from mflab.data.procedural import World, make_body
from mflab.data.scenes import composite
from mflab.geometry import RIGS, Cameras
from mflab.metrics.consistency import ViewSet
from mflab.metrics.ladder import bodies
from mflab.metrics.ladder.pixels import own_colours

# Kinds of scenes, as results are broken down.
MOUSE, OBJECT, SYMMETRIC, THIN, CONCAVE, PLAIN, REAL = (
    "mouse",
    "object",
    "symmetric",
    "thin_legged",
    "concave",
    "low_texture",
    "real",
)
# Mean chroma below which a turn of the hue hardly changes a colour: one by 45 degrees moves it by 7 grey levels of 255
# on average. Saturation would not do, which is high for dark colours as well. The objects here have at most .08 or
# at least .10.
GREY = 0.085
ELEVATIONS_DEG = (0, 20, 30)
# Objects of a world that stand for it; the second mouse is grey.
MICE, OBJECTS, WORLD_SEED = (3, 10), (0, 3), 7


@dataclass(frozen=True)
class LadderScene:
    """True views of one object, and what is needed to spoil them.

    Attributes:
        name: unique in a ladder.
        kind: one of the kinds above.
        views: the true views of one set, [V].
        body: the object, where it can be rendered again; None for photographs and files.
        strangers: other objects, for views of another identity.
        ring: all posed views of the object in a file, [N]; None where it can be rendered.
        places: which views of the ring the set has.
    """

    name: str
    kind: str
    views: ViewSet
    body: Body | None
    strangers: tuple[Body, ...]
    ring: ViewSet | None = None
    places: tuple[int, ...] = ()

    @cached_property
    def stranger(self) -> tuple[Tensor, Tensor]:
        """Images and masks of one other object from the same cameras."""
        return render(self.strangers[0], self.views.cameras)

    @cached_property
    def chroma(self) -> float:
        """Mean difference of the largest and smallest channel of the object's own colours, in [0, 1]."""
        own = own_colours(self.views.images, self.views.alpha).movedim(-3, -1)[self.views.alpha[..., 0, :, :] > 0.5]
        return float((own.amax(-1) - own.amin(-1)).mean())

    @property
    def is_grey(self) -> bool:
        return self.chroma < GREY

    def at_width(self, width: int) -> ViewSet | None:
        """The same views at another resolution; None where files are too small for it."""
        if self.body is not None:
            cameras = self.views.cameras.resized(width, width)
            return ViewSet(*render(self.body, cameras), cameras)
        if self.ring is None or width > self.ring.width:
            return None
        return self.ring.select(self.places).resized(width)


def render(body: Body, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Images [V, 3, H, W] of a body on white, and their masks [V, 1, H, W]."""
    return composite(torch.from_numpy(render_rgba(body, cameras)), "white")


def procedural_scenes(width: int, seed: int, is_quick: bool) -> list[LadderScene]:
    """Returns nine objects at elevations of 0, 20 and 30 degrees, or three objects at one elevation each.

    Views are 60 degrees apart. Mice and two objects are of the project's own worlds.

    Args:
        width: image side, pixels.
        seed: non-negative; draws light and pattern of the special objects.
        is_quick: three scenes instead of 27.
    """
    makers = _makers(seed)
    chosen = {MOUSE: (f"mouse_{MICE[0]}", 20), OBJECT: (f"object_{OBJECTS[0]}", 0), THIN: ("stool", 30)}
    cells = (
        [(chosen[kind][0], kind, chosen[kind][1]) for kind in chosen]
        if is_quick
        else [(name, kind, elevation) for name, (kind, _) in makers.items() for elevation in ELEVATIONS_DEG]
    )
    made = {name: make() for name, (_, make) in makers.items()}
    return [_scene(name, kind, elevation, made, width) for name, kind, elevation in cells]


def _scene(name: str, kind: str, elevation: int, made: dict[str, Body], width: int) -> LadderScene:
    cameras = RIGS[f"even60_el{elevation}"].cameras(width)
    views = ViewSet(*render(made[name], cameras), cameras)
    return LadderScene(f"{name}_el{elevation}", kind, views, made[name], strangers_of(name, made))


def strangers_of(name: str, made: dict[str, Body]) -> tuple[Body, ...]:
    """The other objects, those that come after `name` first."""
    names = list(made)
    start = names.index(name) + 1 if name in made else 0
    return tuple(made[other] for other in (*names[start:], *names[:start]) if other != name)


def strangers(seed: int) -> tuple[Body, ...]:
    """All objects, for scenes that are none of them."""
    return tuple(make() for _, make in _makers(seed).values())


def _makers(seed: int) -> dict[str, tuple[str, Callable[[], Body]]]:
    special: Sequence[tuple[str, str, Callable[[np.random.Generator], Body]]] = (
        ("vase", SYMMETRIC, bodies.vase),
        ("ball", SYMMETRIC, bodies.ball),
        ("stool", THIN, bodies.stool),
        ("basket", CONCAVE, bodies.basket),
        ("statue", PLAIN, bodies.statue),
    )
    makers: dict[str, tuple[str, Callable[[], Body]]] = {}
    for world, kind, numbers in ((World.mice, MOUSE, MICE), (World.objects, OBJECT, OBJECTS)):
        for number in numbers:
            makers[f"{kind}_{number}"] = (kind, lambda w=world, n=number: make_body(w, WORLD_SEED, n))
    for place, (name, kind, make) in enumerate(special):
        makers[name] = (kind, lambda m=make, p=place: m(np.random.default_rng([seed, p])))
    return makers
