"""What all tests share: third-party data, one torch thread, hypothesis settings for busy machines."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("shared_machine", deadline=None, derandomize=True)
settings.load_profile("shared_machine")

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that of two processes none is left alone with the longest at the end."""
    slow = {item.path for item in items if "slow" in item.keywords}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of third-party data, beside the repository or at MFLAB_SHARED."""
    folder = Path(os.environ.get("MFLAB_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"third-party data is not at {folder}; set MFLAB_SHARED")
    return folder
