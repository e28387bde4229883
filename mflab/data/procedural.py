"""Endless procedural scenes: scene i is a pure function of (kind, seed, i)."""

import hashlib
import json
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch

from mflab.data.ellipsoids import Body, render_rgba
from mflab.data.mice import mouse
from mflab.data.objects import generic_object
from mflab.data.scenes import Scene
from mflab.errors import MflabError
from mflab.geometry import Rig

# Raise when a change of the generators changes pictures: fingerprints must not outlive what they stand for.
WORLD_VERSION = 1


class World(Enum):
    """mice: articulated mice. objects: creatures, vehicles, stacks and blobs."""

    mice = "mice"
    objects = "objects"


_MAKERS = {World.mice: mouse, World.objects: generic_object}


def make_body(world: World, seed: int, index: int) -> Body:
    """Object `index` of a world, the same on every call."""
    return _MAKERS[world](np.random.default_rng([seed, index, list(World).index(world)]))


@dataclass(frozen=True)
class ProceduralScenes:
    """A `SceneSource` that renders on demand.

    Attributes:
        world: which objects.
        rig: which views.
        size: image side, pixels.
        seed: non-negative; other seeds give other objects.
        num_scenes: length of the sequence; a million is endless for most purposes.
    """

    world: World
    rig: Rig
    size: int
    seed: int
    num_scenes: int

    def __post_init__(self) -> None:
        if self.size < 8 or self.num_scenes < 1:
            raise MflabError(
                f"Procedural scenes need size >= 8 and num_scenes >= 1, but got size={self.size}, "
                f"num_scenes={self.num_scenes}; set data.size and data.num_train."
            )

    @property
    def name(self) -> str:
        return f"{self.world.name}_{self.rig.name}_{self.size}px_seed{self.seed}"

    @property
    def view_names(self) -> tuple[str, ...]:
        return self.rig.view_names

    @property
    def azimuths_deg(self) -> tuple[float, ...]:
        return self.rig.azimuths_deg

    @property
    def elevations_deg(self) -> tuple[float, ...]:
        return self.rig.elevations_deg

    @property
    def recipe(self) -> dict[str, object]:
        """What determines every pixel, as JSON values."""
        return {
            "world": self.world.name,
            "version": WORLD_VERSION,
            "rig": {
                "azimuths_deg": list(self.rig.azimuths_deg),
                "elevations_deg": list(self.rig.elevations_deg),
                "radii": list(self.rig.radii),
                "fov_deg": list(self.rig.fov_deg),
                "view_names": list(self.rig.view_names),
            },
            "size": self.size,
            "seed": self.seed,
            "num_scenes": self.num_scenes,
        }

    @property
    def fingerprint(self) -> str:
        """Hash of the recipe: the pictures follow from it."""
        return hashlib.sha256(json.dumps(self.recipe, sort_keys=True).encode()).hexdigest()

    def __len__(self) -> int:
        return self.num_scenes

    def __getitem__(self, index: int) -> Scene:
        if not 0 <= index < self.num_scenes:
            raise IndexError(f"Scene index must be in [0, {self.num_scenes}), but got {index}.")
        cameras = self.rig.cameras(self.size)
        rgba = render_rgba(make_body(self.world, self.seed, index), cameras)
        return Scene(f"{self.world.name}_{index:06d}", torch.from_numpy(rgba), self.rig.view_names, cameras)
