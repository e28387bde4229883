"""Learned metrics from a local folder: absent with a reason, or exactly the network that lies there."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mflab.errors import MflabError
from mflab.metrics import Absent, LearnedMetric, MetricInfo, PairMetric, find_learned, of_neighbours
from mflab.metrics.command import main


class Contrast(nn.Module):
    """A distance that depends on the order of its images."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return ((x - y) * (1 + x)).square().flatten(1).mean(1)


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def write(folder: Path, content: bytes, **changes: Any) -> Path:
    card = {
        "name": "contrast",
        "direction": "lower",
        "unit": "",
        "definition": "A weighted squared difference over the full frame.",
        "is_symmetric": False,
        "min_side": 8,
        "weights": "network.pt2",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    folder.mkdir(exist_ok=True)
    (folder / "network.pt2").write_bytes(content)
    (folder / "metric.json").write_text(json.dumps(card | changes))
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    any_size = torch.export.Dim.DYNAMIC
    axes = dict.fromkeys((0, 2, 3), any_size)
    program = torch.export.export(
        Contrast(), (images(2, 3, 16, 16), images(2, 3, 16, 16)), dynamic_shapes=(axes, dict(axes))
    )
    path = tmp_path_factory.mktemp("exported") / "network.pt2"
    torch.export.save(program, path)
    return path.read_bytes()


@pytest.fixture
def metric(tmp_path: Path, exported: bytes) -> LearnedMetric:
    found = find_learned(write(tmp_path, exported))
    assert isinstance(found, LearnedMetric)
    return found


class TestExported:
    def test_gives_the_values_of_the_network(self, metric: LearnedMetric) -> None:
        x, y = images(2, 20, 3, 16, 24), images(2, 20, 3, 16, 24, seed=1)
        values = metric(x, y)
        assert values.shape == (2, 20)
        torch.testing.assert_close(values, Contrast()(x.flatten(0, 1), y.flatten(0, 1)).reshape(2, 20))
        assert metric(x[0, 0], y[0, 0]).shape == ()

    def test_says_what_it_is(self, metric: LearnedMetric) -> None:
        assert isinstance(metric, PairMetric)
        assert metric.name == "contrast"
        assert metric.info == MetricInfo("lower", "", "A weighted squared difference over the full frame.")

    def test_refuses_what_every_metric_refuses(self, metric: LearnedMetric) -> None:
        with pytest.raises(MflabError, match="contrast needs images of at least 8 px"):
            metric(images(3, 7, 16), images(3, 7, 16))
        with pytest.raises(MflabError, match=r"pred must lie in \[0, 1\]"):
            metric(2 * images(3, 16, 16) - 1, images(3, 16, 16))

    def test_file_that_is_no_network(self, tmp_path: Path) -> None:
        with pytest.raises(MflabError, match=r"contrast must be a network saved by torch.export, but .*network.pt2"):
            find_learned(write(tmp_path, b"weights"))


class TestFactory:
    def test_reads_the_weights_beside_the_card(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(tmp_path))
        (tmp_path / "own_network.py").write_text(
            "def make(path):\n"
            "    factor = float(path.read_text())\n"
            "    return lambda x, y: factor * (x - y).abs().flatten(1).mean(1)\n"
        )
        found = find_learned(write(tmp_path / "metric", b"2.5", factory="own_network:make"))
        assert isinstance(found, LearnedMetric)
        x = images(4, 3, 16, 16) / 2
        torch.testing.assert_close(found(x + 0.25, x), torch.full((4,), 0.625))

    def test_values_that_are_no_values(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(tmp_path))
        (tmp_path / "odd_networks.py").write_text(
            "def shape(path):\n    return lambda x, y: x - y\n"
            "def nan(path):\n    return lambda x, y: 0 * x[:, 0, 0, 0] / 0\n"
        )
        for function in ("shape", "nan"):
            found = find_learned(write(tmp_path / "metric", b"", factory=f"odd_networks:{function}"))
            assert isinstance(found, LearnedMetric)
            with pytest.raises(MflabError, match="contrast must return one finite number per pair"):
                found(images(4, 3, 16, 16), images(4, 3, 16, 16))

    def test_package_that_is_not_installed(self, tmp_path: Path) -> None:
        found = find_learned(write(tmp_path, b"", factory="no_such_package.metric:make"))
        assert isinstance(found, Absent)
        assert "contrast needs the package no_such_package, which is not installed" in found.reason

    def test_function_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(MflabError, match="json has no function 'make'; mend factory"):
            find_learned(write(tmp_path, b"", factory="json:make"))


class TestAbsent:
    def test_without_a_folder(self, tmp_path: Path) -> None:
        found = find_learned(tmp_path / "dreamsim")
        assert isinstance(found, Absent)
        assert str(tmp_path / "dreamsim" / "metric.json") in found.reason

    def test_without_weights(self, tmp_path: Path, exported: bytes) -> None:
        (write(tmp_path, exported) / "network.pt2").unlink()
        found = find_learned(tmp_path)
        assert isinstance(found, Absent)
        assert f"contrast needs its weights at {tmp_path / 'network.pt2'}" in found.reason

    def test_with_other_weights(self, tmp_path: Path, exported: bytes) -> None:
        write(tmp_path, exported, sha256="0" * 64)
        found = find_learned(tmp_path)
        assert isinstance(found, Absent)
        assert hashlib.sha256(exported).hexdigest() in found.reason and "0" * 64 in found.reason


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"min_side": "8"}, "min_side in .* must be int, but got '8'"),
        ({"is_symmetric": 1}, "is_symmetric in .* must be bool"),
        ({"direction": "down"}, "direction higher or lower .* got 'down'"),
        ({"name": "my metric"}, "name of letters, digits and underscores, but got .* 'my metric'"),
        ({"weights": "../network.pt2"}, "must be a file beside it, but got '../network.pt2'"),
        ({"sha512": ""}, r"must hold name, direction, .* lacks \[\] and has \['sha512'\] besides"),
    ],
)
def test_wrong_card(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(MflabError, match=message):
        find_learned(write(tmp_path, b"", **changes))


def test_incomplete_card(tmp_path: Path) -> None:
    (tmp_path / "metric.json").write_text('{"name": "contrast"}')
    with pytest.raises(MflabError, match=r"lacks \['definition', 'direction', .*\] and has \[\] besides"):
        find_learned(tmp_path)
    (tmp_path / "metric.json").write_text("[1]")
    with pytest.raises(MflabError, match="must hold a JSON object"):
        find_learned(tmp_path)


class TestNeighbours:
    def test_each_view_meets_the_next_and_the_last_the_first(self, metric: LearnedMetric) -> None:
        views = images(2, 5, 3, 16, 16)
        values = of_neighbours(metric, views)
        assert values.shape == (2, 5)
        for scene in range(2):
            for view in range(5):
                one, other = views[scene, view], views[scene, (view + 1) % 5]
                torch.testing.assert_close(values[scene, view], (metric(one, other) + metric(other, one)) / 2)

    def test_reversed_order_gives_the_same_pairs(self, metric: LearnedMetric) -> None:
        views = images(6, 3, 16, 16)
        torch.testing.assert_close(of_neighbours(metric, views.flip(0)).mean(), of_neighbours(metric, views).mean())

    def test_the_same_image_six_times_scores_best(self, metric: LearnedMetric) -> None:
        """Why it is a negative control: the worst generator is the most similar to itself."""
        views = images(6, 3, 16, 16)
        assert of_neighbours(metric, views[:1].expand(6, -1, -1, -1)).abs().max() == 0
        assert of_neighbours(metric, views).min() > 0

    def test_one_view_has_no_neighbour(self, metric: LearnedMetric) -> None:
        for views in (images(1, 3, 16, 16), images(3, 16, 16)):
            with pytest.raises(MflabError, match="at least 2 views"):
                of_neighbours(metric, views)


def test_list_shows_a_learned_metric_or_why_it_is_absent(
    tmp_path: Path, exported: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "metric", exported)
    assert main(["list", "--learned", str(folder), "--learned", str(tmp_path / "none")]) == 0
    output = capsys.readouterr().out
    assert "contrast" in output and "absent: A learned metric needs" in output
    (folder / "metric.json").write_text("{")
    assert main(["list", "--learned", str(folder)]) == 2
    assert "must hold a JSON object" in capsys.readouterr().err
