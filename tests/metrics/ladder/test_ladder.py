"""A small real ladder, and the command around it."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from mflab.errors import MflabError
from mflab.metrics.command import main
from mflab.metrics.consistency import ViewSet
from mflab.metrics.ladder import LadderScene, Results, SceneFacts, make_ladder, run_ladder
from mflab.metrics.ladder.real import read_ring
from mflab.metrics.ladder.scenes import procedural_scenes

# What a set of 64 pixels and two strengths can show in seconds.
CHOSEN = (
    "shift", "rotation", "hue", "gain", "texture", "swap_neighbours", "cameras_lower", "noise_in_masks",
    "full_frame_noise", "unrelated", "reversed_order", "gain_all", "hue_all", "eight_bit", "rolled_order",
    "mirrored_object",
)  # fmt: skip


@pytest.fixture(scope="module")
def results(scenes: list[LadderScene]) -> Results:
    """Two scenes on some rungs."""
    chosen = [scenes[0], scenes[2]]
    ladder = [one for one in make_ladder(True) if one.name in CHOSEN]
    rows = run_ladder(chosen, ladder, 0, False)
    return Results([SceneFacts(s.name, s.kind, s.chroma, s.is_grey) for s in chosen], ladder, rows)


def test_true_views_raise_no_alarm_and_faults_do(results: Results) -> None:
    for name in results.scenes:
        assert results.clean(name).values["sc"] >= 0.9995 and not results.clean(name).is_rejected
    for name in ("shift", "hue", "gain", "texture", "swap_neighbours", "cameras_lower"):
        top = results.at(name, results.perturbations[name].levels[-1])
        assert len(top) == 2 and all(row.is_flagged for row in top)


@pytest.mark.parametrize("name", ["noise_in_masks", "full_frame_noise", "unrelated", "reversed_order"])
def test_gross_errors_are_refused(name: str, results: Results) -> None:
    rows = results.at(name, 1.0)
    assert len(rows) == 2 and all(row.is_rejected for row in rows)
    assert all(row.is_valid == (name != "full_frame_noise") for row in rows)


@pytest.mark.parametrize("name", ["gain_all", "hue_all", "eight_bit", "rolled_order", "mirrored_object"])
def test_consistent_changes_are_silent(name: str, results: Results) -> None:
    rows = [row for level in results.perturbations[name].levels for row in results.at(name, level)]
    assert rows and not any(row.is_rejected for row in rows)
    for row in rows:
        assert abs(results.drop(row, "sc")) <= (1e-3 if name in ("rolled_order", "mirrored_object") else 0.0)
        assert abs(results.drop(row, "pc")) <= 0.03


@pytest.mark.parametrize(
    "metric, name",
    [("sc", "shift"), ("sc", "rotation"), ("sc", "cameras_lower"), ("pc", "hue"), ("pc", "gain"), ("pc", "texture")],
)
def test_measures_follow_the_strength(metric: str, name: str, results: Results) -> None:
    assert all(results.rho(scene, name, metric) >= 0.9 for scene in results.scenes)


def test_adjacent_views_say_nothing_about_geometry(results: Results) -> None:
    for name in ("shift", "rotation", "cameras_lower"):
        auc = results.cell(name, "adjacent_psnr", ()).auc[-1]
        assert auc is not None and 0.25 <= auc <= 0.75


def test_equal_seeds_give_equal_values(results: Results, scenes: list[LadderScene]) -> None:
    ladder = [one for one in make_ladder(True) if one.name == "shift"]
    again = run_ladder([scenes[2]], ladder, 0, False)
    assert [row.values for row in again[1:]] == [
        row.values for row in results.rows if (row.scene, row.perturbation) == (scenes[2].name, "shift")
    ]


def test_all_scenes_have_their_kinds_and_elevations() -> None:
    full = procedural_scenes(32, 0, False)
    assert len({scene.name for scene in full}) == len(full) == 27
    kinds = [scene.kind for scene in full[::3]]
    assert kinds.count("symmetric") == 2 and {"thin_legged", "concave", "low_texture"} <= set(kinds)
    assert {scene.name for scene in full if scene.is_grey} == {
        f"{name}_el{elevation}" for name in ("mouse_10", "object_3") for elevation in (0, 20, 30)
    }
    for scene in full:
        elevation = float(scene.name.rsplit("_el", 1)[1])
        place = scene.views.cameras.position
        assert torch.rad2deg(torch.asin(place[:, 2] / place.norm(dim=-1))).mean() == pytest.approx(elevation, abs=1e-3)
        assert len(scene.strangers) == 8 and all(other is not scene.body for other in scene.strangers)
        assert bool((scene.views.alpha.mean((1, 2, 3)) > 0.005).all())


def test_real_views_climb_the_ladder(real: list[LadderScene]) -> None:
    ladder = [one for one in make_ladder(True) if one.name in ("shift", "azimuth", "texture", "gain_all")]
    rows = run_ladder(real[:1], ladder, 0, False)
    results = Results([SceneFacts(real[0].name, "real", real[0].chroma, real[0].is_grey)], ladder, rows)
    assert results.clean(real[0].name).values["sc"] >= 0.9995
    assert results.rho(real[0].name, "shift", "sc") >= 0.9 and results.rho(real[0].name, "texture", "pc") >= 0.9
    assert not any(row.is_rejected for level in (0.6, 0.85) for row in results.at("gain_all", level))


def write_ring(folder: Path, views: ViewSet, count: int) -> None:
    """Writes the first views as a folder in the FaceLift layout."""
    folder.mkdir()
    (folder / "images").mkdir()
    frames = views.cameras.to_frames()[:count]
    (folder / "opencv_cameras.json").write_text(json.dumps({"frames": frames}))
    for number in range(count):
        rgba = torch.cat([views.images[number], views.alpha[number]]).movedim(0, -1)
        Image.fromarray((255 * rgba).byte().numpy(), "RGBA").save(folder / "images" / f"cam_{number:03d}.png")


def test_a_folder_of_six_views_is_one_set(tmp_path: Path, mouse: LadderScene) -> None:
    write_ring(tmp_path / "six", mouse.views, 6)
    assert read_ring(tmp_path / "six").num_views == 6


@pytest.mark.parametrize("count, words", [(5, "at least 6 posed views"), (0, "at least 6 posed views")])
def test_too_few_real_views_are_refused(tmp_path: Path, mouse: LadderScene, count: int, words: str) -> None:
    write_ring(tmp_path / "few", mouse.views, count)
    with pytest.raises(MflabError, match=words):
        read_ring(tmp_path / "few")


def test_bad_input_ends_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    for arguments, words in (
        (["--seed", "-1"], "seed must not be negative"),
        (["--quick", "--real", str(tmp_path / "none")], "must exist"),
        (["--quick", "--out", str(tmp_path / "file" / "below")], "must be writable"),
    ):
        out = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
        assert main(["ladder", *arguments, *out]) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "out" / "ladder.json").exists()


@pytest.mark.slow
def test_the_quick_command_writes_its_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["ladder", "--quick", "--out", str(tmp_path / "out")])
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    record = json.loads((tmp_path / "out" / "ladder.json").read_text())
    assert summary["passed"] == (status == 0) and record["summary"] == summary and summary["scenes"] == 3
    assert summary["monotone_fraction"] == 1.0 and summary["false_alarm_rate"] == 0.0
    assert status == 0 and summary["failed"] == []
    lines = (tmp_path / "out" / "measurements.csv").read_text().splitlines()
    assert len(lines) == 1 + summary["sets"]
    assert {row["separation_deg"] for row in record["sift"]} == {11.25, 22.5, 56.25}
