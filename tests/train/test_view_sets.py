"""Measures of whole sets: the true views score their ceiling, faulty ones fall."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from mflab.data.procedural import ProceduralScenes, World
from mflab.data.scenes import Scene, composite
from mflab.geometry import get_rig
from mflab.results import ALL_SCENES, SET_VIEW, MetricRow
from mflab.train import SET_METRICS, ValidationCfg, Validator
from mflab.train.view_sets import SetJudge, absent_sets

SOURCE = ProceduralScenes(World.mice, get_rig("facelift6_el20"), 64, 1, 3)
SCENES = [SOURCE[index] for index in range(2)]
IMAGES = torch.stack([composite(scene.rgba, "white")[0] for scene in SCENES])
SETS = SetJudge(SCENES, IMAGES, 0, 0)


def means(rows: Sequence[MetricRow]) -> dict[str, float]:
    names = {row.metric for row in rows}
    return {name: sum(r.value for r in rows if r.metric == name) / len(SCENES) for name in names}


TRUE = means(SETS.rows(IMAGES, 0))


def test_rows_are_of_whole_sets_and_have_every_measure_with_a_direction() -> None:
    rows = SETS.rows(IMAGES, 5)
    assert {(row.step, row.view, row.seen) for row in rows} == {(5, SET_VIEW, False)}
    assert set(SET_METRICS) <= {row.metric for row in rows}
    cameras = {row.metric: row.value for row in rows if row.scene == ALL_SCENES}
    assert cameras.keys() == {"cameras/decidable", "cameras/elevation_error"}
    assert abs(cameras["cameras/elevation_error"]) <= 2.5
    assert {row.scene for row in rows} == {ALL_SCENES, *(scene.name for scene in SCENES)}
    assert rows == SETS.rows(IMAGES, 5)


def test_true_views_score_the_ceiling() -> None:
    assert TRUE["collapse/diversity"] == TRUE["collapse/to_input"] == 1.0
    assert TRUE["consistency/sc_min"] > 0.995
    assert TRUE["consistency/pc"] > 0.55
    assert TRUE["consistency/valid"] == 1.0


def test_input_six_times_is_collapsed_and_inconsistent() -> None:
    copied = means(SETS.rows(IMAGES[:, :1].expand_as(IMAGES), 0))
    assert copied["collapse/diversity"] == copied["collapse/to_input"] == 0.0
    assert copied["consistency/inconsistent"] == 1.0


def test_views_of_a_lower_ring_are_found_out() -> None:
    low = ProceduralScenes(World.mice, get_rig("facelift6"), 64, 1, 3)
    images = torch.stack([composite(low[index].rgba, "white")[0] for index in range(2)])
    found = {row.metric: row.value for row in SETS.rows(images, 0) if row.scene == ALL_SCENES}
    assert found["cameras/decidable"] == 1.0
    assert found["cameras/elevation_error"] == pytest.approx(-20.0, abs=4.0)


def test_swapped_views_are_inconsistent_but_as_diverse() -> None:
    swapped = means(SETS.rows(IMAGES[:, [0, 2, 1, 3, 4, 5]], 0))
    assert swapped["consistency/inconsistent"] == 1.0
    assert swapped["consistency/pc"] < TRUE["consistency/pc"] - 0.05
    assert swapped["collapse/diversity"] == pytest.approx(1.0, abs=1e-5)


def test_white_views_have_no_rows_for_what_they_do_not_define() -> None:
    white = SETS.rows(torch.ones_like(IMAGES), 0)
    assert all(row.value == row.value for row in white)
    assert means(white)["consistency/valid"] == 0.0
    assert "consistency/pc" not in means(white)


@pytest.mark.parametrize(
    ("scenes", "background", "reason"),
    [
        ([], "white", "consistency_scenes=0"),
        (SCENES, "gray", "data.background=white"),
        ([replace(SCENES[0], cameras=None)], "white", "no cameras"),
    ],
)
def test_why_sets_cannot_be_judged(scenes: list[Scene], background: str, reason: str) -> None:
    assert reason in absent_sets(scenes, background)


def test_validator_judges_its_first_scenes_alone() -> None:
    validator = Validator(SOURCE, ValidationCfg(at=[1.0], num_scenes=3, consistency_scenes=2), "white")
    assert validator.sets is not None and len(validator.sets) == 2
    truth = validator.baselines()["ground_truth"]
    assert {row.scene for row in truth} == {ALL_SCENES, *validator.names[:2]}
    assert means(truth) == TRUE
    without = Validator(SOURCE, ValidationCfg(at=[1.0], num_scenes=3, consistency_scenes=2), "gray")
    assert without.sets is None and without.baselines()["ground_truth"] == []
