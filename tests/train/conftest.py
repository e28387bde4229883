"""Fixtures of the training tests."""

import pytest
from tiny_task import open_tiny_sources

from mflab.data.sources import Sources


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return open_tiny_sources(tmp_path_factory.mktemp("data"))
