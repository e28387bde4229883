"""LPIPS: absent with a reason, or loaded from local files by the real code path."""

import hashlib
import socket
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import alexnet

from mflab.errors import MflabError
from mflab.metrics import (
    NEGATIVE_CONTROLS,
    Absent,
    LpipsMetric,
    PairMetric,
    evaluate_views,
    find_lpips,
    foreground_box,
    in_box,
    of_neighbours,
)
from mflab.metrics.perceptual import BACKBONES, MIN_SIZE


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch hub cache; opening a connection fails the test."""

    def refuse(*args: object) -> None:
        raise AssertionError("LPIPS must not open a connection")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def store_backbone(
    state: dict[str, Tensor], folder: Path, monkeypatch: pytest.MonkeyPatch, is_zip: bool = True
) -> Path:
    """Stores `state` as the AlexNet file this session looks for, named by its own checksum as torch hub does."""
    draft = folder / "draft.pth"
    torch.save(state, draft, _use_new_zipfile_serialization=is_zip)
    digest = hashlib.sha256(draft.read_bytes()).hexdigest()
    path = draft.rename(folder / f"alexnet-owt-{digest[:8]}.pth")
    monkeypatch.setitem(BACKBONES, "alex", path.name)
    return path


def random_backbone() -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return {k: v for k, v in alexnet(weights=None).state_dict().items() if k.startswith("features.")}


@pytest.fixture
def metric(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> LpipsMetric:
    store_backbone(random_backbone(), checkpoints, monkeypatch)
    found = find_lpips("alex")
    assert isinstance(found, LpipsMetric)
    return found


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("net, file", [("alex", "alexnet-owt-7be5be79.pth"), ("vgg", "vgg16-397923af.pth")])
def test_absent_names_the_file_and_the_remedy(checkpoints: Path, net: str, file: str) -> None:
    found = find_lpips(net)
    assert isinstance(found, Absent)
    assert str(checkpoints / file) in found.reason
    assert "TORCH_HOME" in found.reason


def test_weights_with_another_checksum_are_no_stand_in(checkpoints: Path) -> None:
    torch.save(random_backbone(), checkpoints / BACKBONES["alex"])
    found = find_lpips("alex")
    assert isinstance(found, Absent)
    assert "sha256 starts with 7be5be79" in found.reason


def test_weights_may_lie_at_any_path(checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = store_backbone(random_backbone(), checkpoints, monkeypatch).rename(tmp_path / "own.pth")
    assert isinstance(find_lpips("alex"), Absent)
    assert isinstance(find_lpips("alex", elsewhere), LpipsMetric)
    missing = find_lpips("alex", tmp_path / "none.pth")
    assert isinstance(missing, Absent) and str(tmp_path / "none.pth") in missing.reason
    assert "TORCH_HOME" not in missing.reason


def test_views_beside_each_other_are_the_negative_control(metric: LpipsMetric) -> None:
    views = images(5, 3, 64, 64)
    values = of_neighbours(metric, views)
    torch.testing.assert_close(values, metric(views, views[[1, 2, 3, 4, 0]]))
    torch.testing.assert_close(values, metric(views[[1, 2, 3, 4, 0]], views))
    assert of_neighbours(metric, views[:1].expand(6, 3, 64, 64)).max() == 0
    info = NEGATIVE_CONTROLS[f"adjacent_{metric.name}"]
    assert info.definition.startswith("Negative control") and isinstance(metric, PairMetric)


def test_box_is_cropped_and_never_resized(metric: LpipsMetric) -> None:
    x, y, alpha = images(2, 3, 64, 64), images(2, 3, 64, 64, seed=1), torch.zeros(2, 1, 64, 64)
    alpha[0, :, 10:50, 8:60] = alpha[1, :, 30, 30] = 1
    box = foreground_box(alpha, padding=0, min_side=MIN_SIZE)
    values = in_box(metric, x, y, box)
    torch.testing.assert_close(values[0], metric(x[0, :, 10:50, 8:60], y[0, :, 10:50, 8:60]))
    torch.testing.assert_close(values[1], metric(x[1, :, 14:46, 14:46], y[1, :, 14:46, 14:46]))


def test_backbone_tensors_are_those_of_the_file(metric: LpipsMetric) -> None:
    loaded = metric.network.get_submodule("net").state_dict()
    expected = random_backbone()
    assert len(loaded) == len(expected) == 10
    assert all(torch.equal(value, expected[f"features.{key.split('.', 1)[1]}"]) for key, value in loaded.items())
    assert not any(parameter.requires_grad for parameter in metric.network.parameters())


def test_file_in_the_old_format_of_torch_is_read(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_backbone(random_backbone(), checkpoints, monkeypatch, is_zip=False)
    assert isinstance(find_lpips("alex"), LpipsMetric)


def test_heads_are_the_packaged_ones(metric: LpipsMetric) -> None:
    import lpips

    heads = torch.load(
        Path(lpips.__file__).parent / "weights" / "v0.1" / "alex.pth", map_location="cpu", weights_only=True
    )
    state = metric.network.state_dict()
    assert heads and all(torch.equal(state[key], value) for key, value in heads.items())


def test_zero_for_identical_images_and_growing_with_noise(metric: LpipsMetric) -> None:
    x = 0.2 + 0.6 * images(2, 3, 3, 64, 64)
    direction = images(2, 3, 3, 64, 64, seed=1) - 0.5
    assert metric(x, x).abs().max() == 0
    distances = torch.stack([metric(x + level * direction, x) for level in (0.02, 0.1, 0.4)])
    assert distances.shape == (3, 2, 3)
    assert (distances > 0).all() and (distances.diff(dim=0) > 0).all()


def test_images_are_mapped_to_minus_one_to_one(metric: LpipsMetric) -> None:
    x, y = images(3, 64, 64), images(3, 64, 64, seed=1)
    expected = metric.network(2 * x[None] - 1, 2 * y[None] - 1)
    assert float(metric(x, y)) == pytest.approx(float(expected), rel=1e-6)
    assert abs(float(metric(x, y)) - float(metric.network(x[None], y[None]))) > 1e-3 * float(expected)


def test_evaluation_adds_it_under_the_name_of_its_backbone(metric: LpipsMetric) -> None:
    x, y = images(4, 3, 64, 64), images(4, 3, 64, 64, seed=1)
    values = evaluate_views(x, y, torch.ones(4, 1, 64, 64), lpips=metric)
    torch.testing.assert_close(values["lpips_alex"], metric(x, y))


def test_loading_leaves_the_global_random_state(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_backbone(random_backbone(), checkpoints, monkeypatch)
    before = torch.random.get_rng_state()
    find_lpips("alex")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_bad_input(metric: LpipsMetric) -> None:
    with pytest.raises(MflabError, match="at least 32 x 32 px"):
        metric(images(3, 16, 64), images(3, 16, 64))
    with pytest.raises(MflabError, match="pred must lie in"):
        metric(2 * images(3, 64, 64) - 1, images(3, 64, 64))
    with pytest.raises(MflabError, match="Unknown LPIPS backbone 'squeeze'; choose one of alex, vgg"):
        find_lpips("squeeze")
