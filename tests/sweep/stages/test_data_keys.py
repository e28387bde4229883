"""Which fields of a data config name what is trained or shown."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mflab.data.procedural import World
from mflab.data.sources import DataCfg, DataKind, Sources, open_sources
from mflab.sweep.stages.data_keys import base_data, trained_data, validation_data


@pytest.fixture
def sources(data_folder: Path) -> Sources:
    return open_sources(DataCfg(size=16, num_train=4, num_val=2), data_folder)


def folder_data(root: Path, content: str = "1", **fields: Any) -> DataCfg:
    root.mkdir(exist_ok=True)
    (root / "cameras.json").write_text(content)
    return DataCfg(kind=DataKind.folder, root=str(root), camera_file="cameras.json", **fields)


def test_cameras_of_a_shared_file_count_by_content_wherever_it_lies(sources: Sources, tmp_path: Path):
    first, moved, other = folder_data(tmp_path / "a"), folder_data(tmp_path / "b"), folder_data(tmp_path / "c", "2")
    assert trained_data(first) == trained_data(moved) != trained_data(other)
    assert validation_data(first, sources) == validation_data(moved, sources) != validation_data(other, sources)


@pytest.mark.parametrize("field", [{"world": World.objects}, {"seed": 3}, {"num_train": 9}, {"num_val": 9}])
def test_what_only_procedural_scenes_read_does_not_name_a_folders(
    sources: Sources, tmp_path: Path, field: dict[str, Any]
):
    first = folder_data(tmp_path)
    other = dataclasses.replace(first, **field)
    assert trained_data(first) == trained_data(other)
    assert validation_data(first, sources) == validation_data(other, sources)
    drawn = DataCfg()
    both = [trained_data(one) | validation_data(one, sources) for one in (drawn, dataclasses.replace(drawn, **field))]
    assert both[0] != both[1]


def test_base_scenes_stand_on_the_background_of_the_others():
    black = DataCfg(background="black")
    assert base_data(DataCfg()) == base_data(black)
    assert trained_data(DataCfg()) != trained_data(black)
