"""Results and criteria from made-up measurements whose verdicts are known."""

import math
from collections.abc import Callable

import pytest

from mflab.metrics.ladder import Kind, Measurement, Perturbation, Results, SceneFacts, all_criteria, make_ladder
from mflab.metrics.ladder.criteria import REJECTED
from mflab.metrics.ladder.criterion import Criterion
from mflab.metrics.ladder.measure import LADDER_METRICS
from mflab.metrics.ladder.reactions import monotone_pairs, monotone_scenes
from mflab.metrics.ladder.report import LadderReport, make_cells

SCENES = [
    SceneFacts("a", "mouse", 0.3, False),
    SceneFacts("b", "object", 0.5, False),
    SceneFacts("c", "symmetric", 0.5, False),
    SceneFacts("d", "low_texture", 0.05, True),
]
Change = Callable[[str, Perturbation, float], float]


def fallen(scene: str, perturbation: Perturbation, level: float) -> float:
    """What a perfect measure loses: more at higher strength, nothing under consistent changes."""
    if perturbation.kind in (Kind.invariance, Kind.gauge):
        return 0.0
    return 0.1 * (1 + perturbation.levels.index(level))


def made_up(fall: Change = fallen, flagged: Callable[[str, Perturbation], bool] | None = None) -> Results:
    ladder = make_ladder(True)
    rows = []
    for scene in SCENES:
        rows.append(Measurement(scene.name, "clean", 0.0, values(0.0), False, True, 0.1))
        for one in ladder:
            is_flagged = one.kind not in (Kind.invariance, Kind.gauge) if flagged is None else flagged(scene.name, one)
            rows += [
                Measurement(scene.name, one.name, level, values(fall(scene.name, one, level)), is_flagged, True, 0.1)
                for level in one.levels
            ]
    return Results(SCENES, ladder, rows)


def values(fall: float) -> dict[str, float]:
    return {
        name: (1.0 - fall if info.direction == "higher" else fall)
        for name, info in LADDER_METRICS.items()
        if not name.startswith("loo")
    }


def by_key(results: Results, width: int = 128) -> dict[str, Criterion]:
    return {one.key: one for one in all_criteria(results, {}, width)}


def test_a_perfect_suite_passes_everything() -> None:
    found = by_key(made_up())
    open_keys = {"elevation_error", "seconds"}
    assert {one.passed for key, one in found.items() if key not in open_keys} == {True}
    # Nothing was scanned, and what a set costs says as much of the machine as of the measures.
    assert all(found[key].passed is None for key in open_keys) and found["seconds"].value == 0.1
    assert all(monotone_scenes(made_up()).values()) and set(monotone_scenes(made_up())) == {"a", "b", "d"}


def test_a_blind_suite_fails_what_it_should_and_raises_no_false_alarm() -> None:
    found = by_key(made_up(lambda *_: 0.0, lambda *_: False))
    failed = {key for key, one in found.items() if one.passed is False}
    expected = {key for key in found if key.startswith(("monotone_", "auc_", "rejected_", "camera_"))}
    assert failed == expected and len(expected) == 31
    assert found["auc_sc_shift"].value == 0.5 and found["monotone_sc_shift"].value == 0.0


def test_a_suite_that_always_cries_fails_by_false_alarms_alone() -> None:
    found = by_key(made_up(flagged=lambda *_: True))
    assert {key for key, one in found.items() if one.passed is False} == {"false_alarms"}
    assert found["false_alarms"].value == 1.0


def test_one_scene_that_does_not_react_is_named_and_counted() -> None:
    results = made_up(lambda scene, one, level: 0.0 if (scene, one.name) == ("b", "hue") else fallen(scene, one, level))
    criterion = by_key(results)["monotone_pc_hue"]
    assert criterion.value == 0.5 and criterion.failing == ("b",) and criterion.by_kind == {"mouse": 1.0, "object": 0.0}
    assert monotone_scenes(results) == {"a": True, "b": False, "d": True}
    assert monotone_pairs(results)["pc hue"] == 0.5


@pytest.mark.parametrize(("rise", "is_monotone"), [(0.004, True), (0.006, False)])
def test_what_a_turn_of_the_object_moves_as_much_is_no_reaction(rise: float, is_monotone: bool) -> None:
    (identity,) = (one for one in make_ladder(False) if one.name == "identity")
    # At chance after the second view; the third makes it better by less or more than PC can be repeated.
    falls = dict(zip(identity.levels, (0.5, 0.9, 0.9 - rise), strict=True))
    rows = [Measurement("a", "clean", 0.0, values(0.0), False, True, 0.1)]
    rows += [Measurement("a", "identity", level, values(fall), True, True, 0.1) for level, fall in falls.items()]
    rho = Results(SCENES[:1], [identity], rows).rho("a", "identity", "pc")
    assert (rho >= 0.9) == is_monotone


def test_hue_is_not_judged_on_what_has_none() -> None:
    def blind_to(*scenes: str) -> Criterion:
        results = made_up(
            lambda scene, one, level: 0.0 if scene in scenes and one.name == "hue" else fallen(scene, one, level)
        )
        return by_key(results)["auc_pc_min_hue"]

    assert blind_to("d").passed and blind_to("d").scenes == 2
    assert not blind_to("a").passed


def test_blind_spots_do_not_count() -> None:
    def fall(scene: str, one: Perturbation, level: float) -> float:
        return 0.0 if scene == "c" or (scene, one.name) == ("d", "azimuth") else fallen(scene, one, level)

    results = made_up(fall, lambda scene, one: scene != "c" and one.kind not in (Kind.invariance, Kind.gauge))
    assert all(monotone_scenes(results).values())
    assert all(by_key(results)[f"rejected_{name}"].passed for name in REJECTED)


def test_a_measure_that_becomes_undefined_is_not_monotone() -> None:
    results = made_up(lambda scene, one, level: math.nan if one.name == "shift" else fallen(scene, one, level))
    assert by_key(results)["monotone_sc_shift"].value == 0.0


def test_small_faults_are_not_judged_below_128_pixels() -> None:
    found = by_key(made_up(lambda *_: 0.0), width=64)
    assert found["auc_sc_shift"].value == 0.5 and found["auc_sc_shift"].passed is None


def test_a_cell_holds_drops_separation_and_the_smallest_strength() -> None:
    cell = made_up().cell("shift", "pc", ("symmetric",))
    assert cell.levels == (2.0, 4.0) and cell.scenes == (3, 3)
    assert cell.drop == pytest.approx((0.1, 0.2)) and cell.auc == (1.0, 1.0) and cell.power == (1.0, 1.0)
    assert cell.rho == pytest.approx(1.0) and cell.smallest == cell.smallest_paired == 2.0
    blind = made_up(lambda *_: 0.0).cell("shift", "ti", ())
    assert blind.smallest is None and blind.auc == (0.5, 0.5) and blind.scenes == (4, 4)


def test_the_summary_names_the_worst_pair_and_what_failed() -> None:
    results = made_up(lambda scene, one, level: 0.0 if (scene, one.name) == ("b", "hue") else fallen(scene, one, level))
    report = LadderReport(results, all_criteria(results, {}, 128), make_cells(results), [], 0, 128, True, 1.0)
    summary = report.summary()
    assert summary["passed"] is False and summary["failed"] == ["monotone_pc_hue", "auc_pc_min_hue"]
    assert summary["monotone_fraction"] == pytest.approx(2 / 3) and summary["false_alarm_rate"] == 0.0
    assert summary["monotone_worst"]["pair"] == "pc hue"
    assert report.to_json()["scenes"][1]["monotone"] is False and report.to_json()["scenes"][2]["monotone"] is None
