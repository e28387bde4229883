import json
from dataclasses import replace
from pathlib import Path

import pytest

from mflab.errors import MflabError
from mflab.results import (
    DesignRecord,
    Direction,
    FactorRecord,
    LevelRecord,
    Plan,
    ResponseRecord,
    StageRecord,
    StageSpan,
    TrialRecord,
    ViewRecord,
)

PLAN = Plan(
    sweep="s",
    question="Does it matter — at all?",
    created="2026-01-01T00:00:00+00:00",
    response=ResponseRecord("val/lpips", Direction.lower, "", None),
    factors=(FactorRecord("lr", (LevelRecord("high", {"optim.lr": 1e-3}), LevelRecord("low", {"optim.lr": 1e-4}))),),
    design=DesignRecord("full_factorial", (0, 1)),
    audit={"estimable": True, "problems": []},
    allow_confounded=False,
    trials=(
        TrialRecord(
            "t0", {"lr": "high"}, 0, 1, 300, ("optim.lr=0.001",), "mice", (ViewRecord("front", 0.0, 20.0),),
            (StageSpan(0, 200, "facelift", {}), StageSpan(200, 300, "facelift", {"lr_multiplier": 0.1})),
        ),
    ),
    stages=(StageRecord("r/00000300-s", "", 0, 300, ("facelift",), ("t0",), False),),
    steps_asked=300,
    steps_distinct=300,
    steps_to_run=300,
    estimated_seconds=12.5,
    disk_bytes=1000,
    exactness="bitwise",
    search=None,
    race=None,
    provenance={"git": None, "versions": {"torch": "2"}},
)  # fmt: skip


def test_json_round_trip_is_exact(tmp_path: Path) -> None:
    text = PLAN.to_json()
    assert Plan.from_json(text) == PLAN
    with open(tmp_path / "plan.json", "wb") as file:
        PLAN.write_json(file)
        file.write(b"more")
    assert (tmp_path / "plan.json").read_text() == text + "more"
    assert Plan.from_json(text).to_json() == text
    assert Plan.from_json(replace(PLAN, estimated_seconds=None).to_json()).estimated_seconds is None


def test_whole_numbers_are_accepted_where_floats_belong() -> None:
    raw = json.loads(PLAN.to_json())
    raw["trials"][0]["views"][0]["azimuth_deg"] = 0
    assert Plan.from_json(json.dumps(raw)) == PLAN


def test_a_plan_of_before_stage_settings_is_read_and_says_that_it_does_not_tell_them() -> None:
    raw = json.loads(PLAN.to_json())
    for span in raw["trials"][0]["stages"]:
        del span["settings"]
    assert [span.settings for span in Plan.from_json(json.dumps(raw)).trials[0].stages] == [None, None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["trials"][0]["stages"][0].pop("prompt"), r"stages\[0\] misses field prompt"),
        (lambda raw: raw["trials"][0]["stages"][0].update(settings=1), r"stages\[0\]\.settings must be dict"),
        (lambda raw: raw.update(format=3), "format 2, but got format=3"),
        (lambda raw: raw.pop("trials"), "misses field trials"),
        (lambda raw: raw.update(extra=1), "has unknown field extra"),
        (lambda raw: raw["trials"][0].update(seed="0"), r"p\.json\.trials\[0\]\.seed must be int"),
        (lambda raw: raw["response"].update(direction="up"), "direction must be Direction, but got 'up'"),
        (lambda raw: raw.update(stages={}), "stages must be tuple"),
    ],
)
def test_a_malformed_plan_names_the_place(change, message: str) -> None:
    raw = json.loads(PLAN.to_json())
    change(raw)
    with pytest.raises(MflabError, match=message):
        Plan.from_json(json.dumps(raw), "p.json")


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(MflabError, match=r"p\.json must be JSON"):
        Plan.from_json("{", "p.json")


def test_values_that_json_lacks_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(PLAN, estimated_seconds=float("nan")).to_json()
