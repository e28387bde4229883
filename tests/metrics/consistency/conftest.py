"""View sets whose consistency is known: a sphere, procedural scenes, the real sample, and ways to spoil them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mflab.data.layout import Layout
from mflab.data.procedural import ProceduralScenes, World
from mflab.data.reader import read_scene
from mflab.data.scenes import composite
from mflab.geometry import RIGS, Cameras, Rig
from mflab.metrics.consistency import ViewSet

Recolour = Callable[[Tensor], Tensor]
YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
# Nearest to six even steps that the ring of 32 real views has.
SIX_OF_32 = (0, 5, 11, 16, 21, 27)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rig(name: str) -> Rig:
    """A rig of `RIGS`, or facelift6 at another elevation: facelift6_el30."""
    if name in RIGS:
        return RIGS[name]
    return replace(RIGS["facelift6"], name=name, elevations_deg=(float(name.removeprefix("facelift6_el")),) * 6)


@lru_cache
def sphere(elevation_deg: int, width: int = 128, radius: float = 0.7, samples: int = 16) -> ViewSet:
    """A grey sphere at the origin, with coverage from samples x samples exact rays per pixel."""
    cameras = RIGS[f"even60_el{elevation_deg}"].cameras(width)
    center = (torch.arange(width * samples, dtype=torch.float64) + 0.5) / samples
    tangent = (center - 0.5 * width) / cameras.K[0, 0, 0].double()
    cosine = 1 / torch.sqrt(1 + tangent[None] ** 2 + tangent[:, None] ** 2)
    is_hit = 2.7 * torch.sqrt(1 - cosine**2) < radius
    coverage = is_hit.double().reshape(width, samples, width, samples).mean((1, 3)).float()
    alpha = coverage.expand(6, 1, width, width).clone()
    return ViewSet(1 - 0.5 * alpha.expand(6, 3, width, width), alpha, cameras)


@lru_cache(maxsize=64)
def procedural(world: str, rig_name: str, width: int, index: int, seed: int = 11) -> ViewSet:
    """The true views of a procedural scene."""
    scene = ProceduralScenes(World[world], rig(rig_name), width, seed, index + 1)[index]
    assert scene.cameras is not None
    return ViewSet(*composite(scene.rgba, "white"), scene.cameras)


def stacked(sets: Sequence[ViewSet]) -> ViewSet:
    """Sets of one rig as a batch with shared cameras."""
    images, alpha = torch.stack([one.images for one in sets]), torch.stack([one.alpha for one in sets])
    return ViewSet(images, alpha, sets[0].cameras)


def with_view(views: ViewSet, view: int, images: Tensor, alpha: Tensor) -> ViewSet:
    """The set with the image and mask of one view replaced."""
    all_images, all_alpha = views.images.clone(), views.alpha.clone()
    all_images[view], all_alpha[view] = images, alpha
    return ViewSet(all_images, all_alpha, views.cameras)


def shifted(views: ViewSet, view: int, pixels: int) -> ViewSet:
    """The set with one view rolled to the right."""
    return with_view(views, view, views.images[view].roll(pixels, -1), views.alpha[view].roll(pixels, -1))


def recoloured(views: ViewSet, change: Recolour, view: int | slice = slice(None)) -> ViewSet:
    """The set with the object's own colours [..., 3, H, W] changed in one or all views."""
    images, alpha = views.images.clone(), views.alpha[view]
    own = ((images[view] - (1 - alpha)) / alpha.clamp(min=1e-4)).clamp(0, 1)
    images[view] = (change(own) * alpha + 1 - alpha).clamp(0, 1)
    return ViewSet(images, views.alpha, views.cameras)


def hue(angle_deg: float) -> Recolour:
    """Turns colours about the grey axis."""
    sine, cosine = math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))
    turn = torch.tensor([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
    matrix = torch.linalg.inv(YIQ) @ turn @ YIQ
    return lambda colours: torch.einsum("ij,...jhw->...ihw", matrix, colours).clamp(0, 1)


def turned(cameras: Cameras, rotation: Tensor) -> Cameras:
    """Cameras after a turn of the whole world about the origin."""
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = rotation
    return replace(cameras, c2w=(pose @ cameras.c2w.double()).to(cameras.c2w))


@pytest.fixture(scope="session")
def real_ring(shared: Path) -> ViewSet:
    """The 32 posed views of the real sample at 512 pixels, 20 degrees above."""
    folder = shared / "data" / "facelift_sample" / "gslrm" / "sample_000"
    if not folder.is_dir():
        pytest.skip(f"the real sample is not at {folder}")
    scene = read_scene(folder, Layout(rig=RIGS["facelift32"]), "sample_000")
    assert scene.cameras is not None
    return ViewSet(*composite(scene.rgba, "white"), scene.cameras)


@pytest.fixture(scope="session")
def real_six(real_ring: ViewSet) -> ViewSet:
    """Six of the real views at 128 pixels."""
    return real_ring.select(SIX_OF_32).resized(128)
