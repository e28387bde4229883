"""MS-SSIM: properties, closed forms, values of another implementation, and SciPy as oracle."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics import ms_ssim, ssim
from mflab.metrics.multiscale import MIN_SIDE, WEIGHTS


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smooth(*shape: int, seed: int = 0) -> Tensor:
    coarse = noise(*shape[:-2], 24, 24, seed=seed).reshape(-1, 3, 24, 24)
    return torch.nn.functional.interpolate(coarse, size=shape[-2:], mode="bilinear").reshape(shape)


def by_scipy(x: np.ndarray, y: np.ndarray) -> float:
    """MS-SSIM of one channel, from five filtered moments and padded halving."""

    def blur(image: np.ndarray) -> np.ndarray:
        return gaussian_filter(image, 1.5, truncate=3.5)[5:-5, 5:-5]

    def halve(image: np.ndarray) -> np.ndarray:
        padded = np.pad(image, [(0, size % 2) for size in image.shape], mode="symmetric")
        return (padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]) / 4

    product = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mx, my = blur(x), blur(y)
        structure = (2 * (blur(x * y) - mx * my) + 9e-4) / (blur(x * x) - mx**2 + blur(y * y) - my**2 + 9e-4)
        luminance = (2 * mx * my + 1e-4) / (mx**2 + my**2 + 1e-4)
        product *= float(np.mean(structure * luminance if scale == 4 else structure)) ** weight
        x, y = halve(x), halve(y)
    return product


@pytest.mark.parametrize("height, width", [(176, 176), (181, 203), (256, 178)])
@pytest.mark.parametrize("level", [0.02, 0.2])
def test_equals_the_same_formula_in_scipy(height: int, width: int, level: float) -> None:
    x = smooth(3, height, width)
    y = (x + level * (noise(3, height, width, seed=1) - 0.5)).clamp(0, 1)
    expected = np.mean([by_scipy(a, b) for a, b in zip(x.numpy(), y.numpy(), strict=True)])
    assert float(ms_ssim(y, x)) == pytest.approx(float(expected), abs=1e-9)
    assert float(ms_ssim(y.float(), x.float())) == pytest.approx(float(expected), abs=1e-5)


def test_values_of_pytorch_msssim() -> None:
    """Version 1.0.0, data_range=1; 192 x 256 halves four times without a rest, where both halve alike."""
    c, i, j = torch.meshgrid(torch.arange(3), torch.arange(192), torch.arange(256), indexing="ij")
    base = 7 * i + 13 * j + 29 * c
    x, y = (base % 256).double() / 255, ((base + 3 * ((i * j + 5 * c) % 17)) % 256).double() / 255
    i, j, c = i.double(), j.double(), c.double()
    w = 0.5 + 0.5 * torch.sin(i / 5 + c) * torch.cos(j / 7)
    u = (w + 0.05 * torch.sin(1.7 * i + 2.3 * j)).clamp(0, 1)
    for a, b, expected in ((x, y, 0.736307), (w, u, 0.995361), (x, 0.8 * x + 0.1, 0.976943)):
        assert float(ms_ssim(b, a)) == pytest.approx(expected, abs=1e-6)


def test_identical_images_score_one_and_constants_their_luminance_at_the_last_scale() -> None:
    x = smooth(2, 3, 176, 176)
    assert ms_ssim(x, x).tolist() == [1.0, 1.0]
    a, b = torch.full_like(x, 0.5), torch.full_like(x, 0.6)
    luminance = (2 * 0.5 * 0.6 + 1e-4) / (0.5**2 + 0.6**2 + 1e-4)
    torch.testing.assert_close(ms_ssim(a, b), torch.full((2,), luminance**0.1333, dtype=torch.float64))


def test_symmetric_bounded_and_falling_with_noise() -> None:
    x, direction = 0.25 + 0.5 * smooth(3, 176, 200), noise(3, 176, 200, seed=3) - 0.5
    values = [ms_ssim(x + level * direction, x) for level in (0.02, 0.1, 0.3, 0.5)]
    torch.testing.assert_close(ms_ssim(x, x + 0.3 * direction), values[2], rtol=0, atol=1e-12)
    assert all(1 > float(a) > float(b) > 0 for a, b in itertools.pairwise(values))


def test_an_inverted_image_scores_zero_where_ssim_is_negative() -> None:
    x = smooth(3, 176, 176)
    assert float(ssim(1 - x, x)) < 0
    assert float(ms_ssim(1 - x, x)) == 0


def test_fine_noise_counts_less_than_in_ssim() -> None:
    x = 0.25 + 0.5 * smooth(3, 192, 192)
    y = x + 0.2 * (noise(3, 192, 192, seed=5) - 0.5)
    assert float(ms_ssim(y, x)) > float(ssim(y, x)) + 0.1


def test_batches_are_kept_and_images_do_not_mix() -> None:
    x, y = smooth(2, 2, 3, 176, 180), smooth(2, 2, 3, 176, 180, seed=4)
    values = ms_ssim(x, y)
    assert values.shape == (2, 2)
    torch.testing.assert_close(values[1, 0], ms_ssim(x[1, 0], y[1, 0]), rtol=0, atol=1e-12)


def test_smallest_side_is_the_window_at_the_fifth_scale() -> None:
    assert MIN_SIDE == 176 and len(WEIGHTS) == 5 and math.isclose(sum(WEIGHTS), 1, abs_tol=2e-4)
    x = torch.full((3, 175, 300), 0.5)
    with pytest.raises(MflabError, match=r"at least 176 x 176 px .* got 175 x 300; evaluate at a larger size"):
        ms_ssim(x, x)
    with pytest.raises(MflabError, match="pred must lie in"):
        ms_ssim(255 * torch.full((3, 176, 176), 0.5), torch.full((3, 176, 176), 0.5))
