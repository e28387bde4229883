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


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of third-party data, beside the repository or at MFLAB_SHARED."""
    folder = Path(os.environ.get("MFLAB_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"third-party data is not at {folder}; set MFLAB_SHARED")
    return folder
