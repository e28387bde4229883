"""The command line makes, compares and checks embedding files; errors are one line and exit status 2."""

import json
from pathlib import Path

import pytest

from mflab.prompts import DEFINITIONS, STYLES, load
from mflab.prompts.__main__ import main


def last_line(text: str) -> dict[str, object]:
    return json.loads(text.splitlines()[-1])


def make(folder: Path, style: str = "facelift", *more: str) -> str:
    assert main(["make", "--style", style, "--encoder", "hashed", "--out", str(folder), *more]) == 0
    return str(folder)


def test_list_names_every_style(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(style in shown for style in STYLES)


def test_make_writes_a_file_that_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make(tmp_path / "e", "with_angles", "--elevations", "20", "--width", "32")
    record = last_line(capsys.readouterr().out)
    loaded = load(path)
    assert record["sha256"] == loaded.sha256
    assert loaded.tensor.shape == (6, 32, 32)
    assert loaded.texts is not None
    assert "elevation 20 degrees, azimuth 315 degrees" in loaded.texts[5]


def test_compare_states_definitions_and_compares_per_view(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = make(tmp_path / "a"), make(tmp_path / "b", "simple")
    capsys.readouterr()
    assert main(["compare", first, second]) == 0
    shown = capsys.readouterr().out
    record = last_line(shown)
    assert all(f"{name}: {text}" in shown for name, text in DEFINITIONS.items())
    assert isinstance(record["within"], dict)
    assert set(record["within"]) == {first, second}
    assert isinstance(record["between"], dict)
    assert len(record["between"]["flattened"]) == 6


def test_compare_says_when_no_cosine_exists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = make(tmp_path / "a"), make(tmp_path / "b", "facelift", "--width", "48")
    capsys.readouterr()
    assert main(["compare", first, second]) == 0
    shown = capsys.readouterr().out
    assert "No cosine exists between embeddings of width 64 and 48" in shown
    assert last_line(shown)["between"] is None


def test_check_passes_and_refuses_by_width_and_views(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make(tmp_path / "e")
    assert main(["check", path, "--width", "64"]) == 0
    assert last_line(capsys.readouterr().out)["fits"] is True
    assert main(["check", path, "--width", "1024"]) == 2
    assert "cross_attention_dim=1024, but got width 64" in capsys.readouterr().err
    assert main(["check", path, "--width", "64", "--views", "front", "back"]) == 2
    assert "which has 2, but got 6" in capsys.readouterr().err


def test_shared_mouse_file_is_refused_for_the_official_width(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shared / "data" / "prompt_embeds" / "mouse_elevated_clip_l"
    assert main(["check", str(path), "--width", "1024"]) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "1024" in shown
    assert "768" in shown


def test_error_is_one_line_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "e"
    assert main(["make", "--style", "real", "--encoder", "hashed", "--out", str(out)]) == 2
    assert capsys.readouterr().err.startswith("error: Unknown prompt style 'real'")
    assert not out.exists()
