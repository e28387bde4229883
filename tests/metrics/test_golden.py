"""Stored reference values, and the commands `check-golden` and `list`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mflab.errors import MflabError
from mflab.metrics import METRICS, NEGATIVE_CONTROLS
from mflab.metrics.command import main
from mflab.metrics.consistency.definitions import CONSISTENCY_METRICS
from mflab.metrics.golden import LIMITS, check_golden

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for suffix in (".npz", ".json"):
        shutil.copy(GOLDEN / f"metrics_synthetic{suffix}", tmp_path)
    return tmp_path


def last_json(output: str) -> dict:
    return json.loads(output.splitlines()[-1])


def test_stored_values_are_reproduced() -> None:
    (file,) = check_golden(GOLDEN)
    assert file.num_pairs == 2
    assert file.errors["psnr"] <= LIMITS["psnr"] and file.errors["ssim"] <= LIMITS["ssim"]


def test_shared_values_of_real_renders_are_reproduced(shared: Path) -> None:
    files = check_golden(shared / "golden")
    assert len(files) >= 2 and all(file.is_within_limits for file in files)


def test_command_ends_with_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-golden", str(GOLDEN)]) == 0
    result = last_json(capsys.readouterr().out)
    assert result["max_error"] == max(result["psnr"], result["ssim"]) < 1e-5
    assert result["passed"] is True


@pytest.mark.parametrize("key, change", [("psnr", 2e-4), ("ssim", 2e-5), ("ssim", float("nan"))])
def test_value_beyond_its_limit_fails(
    copied: Path, capsys: pytest.CaptureFixture[str], key: str, change: float
) -> None:
    path = copied / "metrics_synthetic.json"
    stored = json.loads(path.read_text())
    stored["pairs"][1][key] += change
    path.write_text(json.dumps(stored))
    assert main(["check-golden", str(copied)]) == 1
    assert last_json(capsys.readouterr().out)["passed"] is False


def test_other_sizes_and_identical_pairs(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 20, 33, 3), dtype=np.uint8)
    np.savez(tmp_path / "metrics_same.npz", target=images, prediction=images)
    values = {"pairs": [{"psnr": float("inf"), "ssim": 1.0}], "mean_psnr": float("inf"), "mean_ssim": 1.0}
    (tmp_path / "metrics_same.json").write_text(json.dumps(values))
    (file,) = check_golden(tmp_path)
    assert file.errors == {"psnr": 0.0, "ssim": 0.0}


def test_incomplete_folder_is_one_clear_error(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = copied / "metrics_synthetic.json"
    stored = json.loads(values.read_text())
    values.write_text(json.dumps(stored | {"pairs": stored["pairs"][:1]}))
    with pytest.raises(MflabError, match="must describe each of the 2 image pairs, but has 1"):
        check_golden(copied)
    values.unlink()
    with pytest.raises(MflabError, match=r"metrics_synthetic\.json must hold pairs"):
        check_golden(copied)
    (copied / "metrics_synthetic.npz").write_bytes(b"PK\x03\x04 truncated")
    with pytest.raises(MflabError, match="must hold the arrays target and prediction"):
        check_golden(copied)
    assert main(["check-golden", str(copied / "missing")]) == 2
    assert "missing has none; check the path" in capsys.readouterr().err


def test_list_prints_every_metric(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    output = capsys.readouterr().out
    assert all(name in output for name in [*METRICS, *NEGATIVE_CONTROLS, *CONSISTENCY_METRICS])
