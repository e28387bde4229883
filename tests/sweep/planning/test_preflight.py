"""Preflight: cameras that the images contradict are told before anything is trained."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from mflab.config import compose
from mflab.sweep.planning import preflight
from mflab.sweep.planning.plan import make_plan
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.running.summary import print_plan
from mflab.sweep.stages.inputs import open_inputs
from mflab.sweep.stages.opening import InputCache

CACHE = InputCache()


@pytest.fixture
def folder_data(tiny: list[str], data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Overrides for a dataset folder of mice seen from 20 degrees above, 64 px; one scene of each half tells enough."""
    monkeypatch.setattr(preflight, "NUM_SCENES", 1)
    open_inputs(compose([*tiny, "data.size=64"]), CACHE)
    (root,) = [path for path in data_folder.glob("*64*_4+2_*") if (path / "data_val.txt").is_file()]
    return [*tiny, "data.kind=folder", f"data.root={root}", "data.size=64", "train.steps=1"]


def plan_of(overrides: list[str]) -> SweepPlan:
    return make_plan(compose(overrides), overrides, [], CACHE)


def printed(plan: SweepPlan) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        print_plan(plan, 1, 0, 0, console)
    return captured.get()


def test_cameras_that_fit_are_said_to_fit(folder_data: list[str]) -> None:
    plan = plan_of(folder_data)
    train, val = plan.record.provenance["cameras"]
    assert (train["data"], val["data"]) == ("mice (train)", "mice (val)")
    assert not train["mismatch"] and not val["mismatch"]
    assert "The images fit the claimed cameras" in printed(plan)


def test_images_at_20_degrees_under_cameras_at_0_are_told_before_the_start(folder_data: list[str]) -> None:
    plan = plan_of([*folder_data, "data.cameras=rig", "data.rig=facelift6"])
    found = plan.record.provenance["cameras"]
    assert all(one["mismatch"] for one in found)
    assert "degrees of elevation, but the cameras claim 0.0." in found[0]["findings"][0]
    assert "cameras of mice (train)" in printed(plan)


def test_it_is_kept_by_content_and_not_done_twice(folder_data: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = plan_of(folder_data).record.provenance["cameras"]
    kept = list((Path(compose(folder_data).paths.outputs) / "preflight").glob("cameras-*.json"))
    assert len(kept) == 2 and "findings" in json.loads(kept[0].read_text())

    def refuse(*_: object) -> None:
        raise AssertionError("it was done before")

    monkeypatch.setattr(preflight, "check_camera_claims", refuse)
    assert plan_of(folder_data).record.provenance["cameras"] == first


def test_data_without_cameras_say_why_they_were_not_checked(folder_data: list[str]) -> None:
    found = plan_of([*folder_data, "data.cameras=none"]).record.provenance["cameras"]
    assert [one["findings"] for one in found] == [["not checked: the data has no cameras (data.cameras)"]] * 2


def test_rendered_scenes_need_no_check(tiny: list[str]) -> None:
    assert plan_of(tiny).record.provenance["cameras"] == []
