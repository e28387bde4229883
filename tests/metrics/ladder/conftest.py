"""Scenes that the ladder's tests spoil."""

from pathlib import Path

import pytest

from mflab.metrics.ladder.real import real_scenes
from mflab.metrics.ladder.scenes import LadderScene, procedural_scenes

WIDTH = 64


@pytest.fixture(scope="session")
def scenes() -> list[LadderScene]:
    """A mouse, an object and a thin-legged stool, each at another elevation."""
    return procedural_scenes(WIDTH, 0, True)


@pytest.fixture(scope="session")
def mouse(scenes: list[LadderScene]) -> LadderScene:
    return scenes[0]


@pytest.fixture(scope="session")
def real(shared: Path) -> list[LadderScene]:
    """Two sets of six views of the real sample."""
    folder = shared / "data" / "facelift_sample" / "gslrm" / "sample_000"
    if not folder.is_dir():
        pytest.skip(f"the real sample is not at {folder}")
    return real_scenes(folder, WIDTH, 0)
