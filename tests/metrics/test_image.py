"""PSNR and SSIM: properties, closed forms, published values and scikit-image as oracle."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import skimage.data
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics.image import mse, psnr, psnr_fg, ssim, ssim_fg, ssim_map
from mflab.metrics.similarity import for_each_chunk

Metric = Callable[..., Tensor]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smooth(*shape: int, seed: int = 0) -> Tensor:
    """Images with structure on several scales, unlike white noise."""
    coarse = noise(*shape[:-2], shape[-2] // 8, shape[-1] // 8, seed=seed).reshape(
        -1, 3, shape[-2] // 8, shape[-1] // 8
    )
    fine = torch.nn.functional.interpolate(coarse, size=shape[-2:], mode="bicubic").clamp(0, 1)
    return (0.8 * fine.reshape(shape) + 0.2 * noise(*shape, seed=seed + 1)).clamp(0, 1)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's thread count for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def formula_images() -> tuple[Tensor, Tensor]:
    c, i, j = torch.meshgrid(torch.arange(3), torch.arange(48), torch.arange(64), indexing="ij")
    base = 7 * i + 13 * j + 29 * c
    return (base % 256).double() / 255, ((base + 3 * ((i * j + 5 * c) % 17)) % 256).double() / 255


class TestProperties:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_identical_images_have_infinite_psnr_and_ssim_one(self, dtype: torch.dtype) -> None:
        x = smooth(2, 3, 32, 40).to(dtype)
        alpha = torch.ones(2, 1, 32, 40)
        assert psnr(x, x).tolist() == [math.inf] * 2
        assert psnr_fg(x, x, alpha).tolist() == [math.inf] * 2
        assert ssim(x, x).tolist() == ssim_fg(x, x, alpha).tolist() == [1.0] * 2

    @pytest.mark.parametrize("metric", [psnr, ssim])
    def test_more_noise_scores_lower(self, metric: Metric) -> None:
        x = 0.25 + 0.5 * smooth(3, 64, 64)
        direction = noise(3, 64, 64, seed=5) - 0.5
        scores = [float(metric(x + level * direction, x)) for level in (0.01, 0.03, 0.1, 0.2, 0.5)]
        assert scores == sorted(scores, reverse=True)

    @pytest.mark.parametrize("metric", [mse, psnr, ssim])
    def test_symmetric(self, metric: Metric) -> None:
        x, y = smooth(4, 3, 24, 24), smooth(4, 3, 24, 24, seed=7)
        torch.testing.assert_close(metric(x, y), metric(y, x), rtol=0, atol=1e-12)

    @pytest.mark.parametrize("variant", ["wang", "official"])
    def test_ssim_lies_between_minus_one_and_one(self, variant: str) -> None:
        x = noise(8, 3, 24, 24)
        y = torch.cat([1 - x[:4], noise(4, 3, 24, 24, seed=3)])
        values = ssim(y, x, variant)
        assert values.min() >= -1 and values.max() <= 1
        assert values[:4].max() < 0, "an inverted image is anticorrelated"

    def test_leading_axes_are_kept_and_images_do_not_mix(self) -> None:
        x, y = smooth(2, 5, 3, 24, 32), smooth(2, 5, 3, 24, 32, seed=9)
        alpha = torch.cat([torch.ones(2, 5, 1, 24, 16), torch.zeros(2, 5, 1, 24, 16)], dim=-1)
        for metric in (mse, psnr, ssim):
            single = torch.stack(
                [torch.stack([metric(a, b) for a, b in zip(*pair, strict=True)]) for pair in zip(x, y, strict=True)]
            )
            assert torch.equal(metric(x, y), single)
        assert torch.equal(ssim_fg(x, y, alpha)[1, 3], ssim_fg(x[1, 3], y[1, 3], alpha[1, 3]))
        assert torch.equal(psnr_fg(x, y, alpha)[1, 3], psnr_fg(x[1, 3], y[1, 3], alpha[1, 3]))

    def test_large_batches_are_filtered_in_chunks_with_equal_result(self, monkeypatch: pytest.MonkeyPatch) -> None:
        x, y = smooth(3, 3, 24, 32), smooth(3, 3, 24, 32, seed=9)
        whole = ssim_map(x, y)
        monkeypatch.setattr("mflab.metrics.similarity.CHUNK_ELEMENTS", 24 * 32 * 2)
        assert torch.equal(ssim_map(x, y), whole)

    def test_threads_share_the_chunks_without_changing_a_bit(
        self, monkeypatch: pytest.MonkeyPatch, threads: Callable[[int], None]
    ) -> None:
        x, y = smooth(5, 3, 24, 32), smooth(5, 3, 24, 32, seed=9)
        whole = ssim(x, y), ssim_map(x, y)
        monkeypatch.setattr("mflab.metrics.similarity.CHUNK_ELEMENTS", 24 * 32 * 2)
        for number in (1, 2, 3):
            threads(number)
            assert torch.equal(ssim(x, y), whole[0]) and torch.equal(ssim_map(x, y), whole[1])
            assert torch.get_num_threads() == number

    def test_an_error_in_a_thread_is_raised_and_the_thread_count_kept(self, threads: Callable[[int], None]) -> None:
        threads(2)
        channels = noise(4, 16, 16)

        def fail(*_: Tensor) -> None:
            raise ArithmeticError

        with pytest.raises(ArithmeticError):
            for_each_chunk(channels, channels, 1.0, channels.new_empty(4), fail)
        assert torch.get_num_threads() == 2

    def test_inference_mode_and_gradients_make_no_difference(
        self, monkeypatch: pytest.MonkeyPatch, threads: Callable[[int], None]
    ) -> None:
        monkeypatch.setattr("mflab.metrics.similarity.CHUNK_ELEMENTS", 24 * 32 * 2)
        x, y = smooth(3, 24, 32), smooth(3, 24, 32, seed=9)
        expected = ssim(x, y)
        threads(2)
        with torch.inference_mode():
            assert torch.equal(ssim(x.clone(), y), expected)
        found = ssim(x.clone().requires_grad_(), y)
        assert torch.equal(found, expected) and not found.requires_grad

    def test_precision_of_the_input_is_kept(self) -> None:
        x, y = smooth(3, 24, 24), smooth(3, 24, 24, seed=2)
        for metric in (psnr, ssim):
            assert metric(x, y).dtype == torch.float64
            assert metric(x.float(), y.float()).dtype == torch.float32
            assert metric(x.bfloat16(), y.bfloat16()).dtype == torch.float32
            torch.testing.assert_close(metric(x.float(), y.float()).double(), metric(x, y), rtol=0, atol=2e-6)

    def test_float32_ssim_is_accurate_on_a_white_background(self) -> None:
        x, y = torch.ones(3, 64, 64, dtype=torch.float64), torch.ones(3, 64, 64, dtype=torch.float64)
        x[:, 20:40, 20:40], y[:, 20:40, 20:40] = smooth(3, 24, 24)[:, :20, :20], 0.3
        y += 0.001 * (noise(3, 64, 64) - 1)
        assert abs(float(ssim(x.float(), y.float())) - float(ssim(x, y))) < 2e-6


class TestClosedForms:
    @pytest.mark.parametrize("offset", [0.01, 0.1, 0.5])
    def test_constant_offset(self, offset: float) -> None:
        x = 0.5 * smooth(3, 16, 16)
        assert float(psnr(x + offset, x)) == pytest.approx(-20 * math.log10(offset), abs=1e-9)

    @pytest.mark.parametrize("a, b", [(0.5, 0.6), (0.0, 1.0), (0.2, 0.9)])
    def test_ssim_of_constants(self, a: float, b: float) -> None:
        x, y = torch.full((3, 16, 16), a, dtype=torch.float64), torch.full((3, 16, 16), b, dtype=torch.float64)
        assert float(ssim(x, y)) == pytest.approx((2 * a * b + 1e-4) / (a * a + b * b + 1e-4), abs=1e-9)

    def test_white_prediction_scores_foreground_share_times_its_distance_to_white(self) -> None:
        target, alpha = torch.ones(3, 20, 20, dtype=torch.float64), torch.zeros(1, 20, 20)
        alpha[:, 4:10, 5:15] = 1
        target[:, 4:10, 5:15] = noise(3, 6, 10)
        share = float(alpha.double().mean())
        distance = float((1 - target[:, 4:10, 5:15]).square().mean())
        white = torch.ones_like(target)
        assert float(psnr(white, target)) == pytest.approx(-10 * math.log10(share * distance), abs=1e-9)
        assert float(psnr_fg(white, target, alpha)) == pytest.approx(-10 * math.log10(distance), abs=1e-9)

    @pytest.mark.parametrize(
        "share, distance, expected", [(0.054, 0.60, 14.9), (0.054, 0.75, 13.9), (0.094, 0.45, 13.75)]
    )
    def test_white_prediction_on_the_shares_of_mouse_images(
        self, share: float, distance: float, expected: float
    ) -> None:
        target = torch.ones(3, 500, 2, dtype=torch.float64)
        target[:, : round(share * 500)] = 1 - math.sqrt(distance)
        assert float(psnr(torch.ones_like(target), target)) == pytest.approx(expected, abs=0.06)

    def test_foreground_metrics_ignore_errors_far_from_the_mask(self) -> None:
        x, alpha = smooth(3, 48, 48), torch.zeros(1, 48, 48)
        alpha[:, 10:20, 10:20] = 1
        y = (x * 0.9 + 0.02).clamp(0, 1)
        spoiled = y.clone()
        spoiled[:, 30:, 30:] = 0
        assert torch.equal(psnr_fg(spoiled, x, alpha), psnr_fg(y, x, alpha))
        assert torch.equal(ssim_fg(spoiled, x, alpha), ssim_fg(y, x, alpha))
        assert psnr(spoiled, x) < psnr(y, x) and ssim(spoiled, x) < ssim(y, x)

    def test_full_mask_gives_the_full_frame_value(self) -> None:
        x, y, alpha = smooth(3, 24, 24), smooth(3, 24, 24, seed=4), torch.ones(1, 24, 24)
        torch.testing.assert_close(psnr_fg(x, y, alpha), psnr(x, y))
        torch.testing.assert_close(ssim_fg(x, y, alpha), ssim(x, y))


class TestPublishedValues:
    def test_psnr_of_the_torchmetrics_example(self) -> None:
        x, y = torch.tensor([[0.0, 1.0], [2.0, 3.0]]) / 3, torch.tensor([[3.0, 2.0], [1.0, 0.0]]) / 3
        assert float(psnr(x.expand(3, 2, 2), y.expand(3, 2, 2))) == pytest.approx(2.5527, abs=5e-5)

    def test_noisy_camera_image_of_scikit_image(self) -> None:
        clean = skimage.data.camera()
        legacy = np.random.RandomState(5)  # the published values were made with this generator
        noisy = np.clip(clean + 20.0 * legacy.randn(*clean.shape), 0, 255).astype(clean.dtype)
        x, y = (torch.from_numpy(image).double().expand(3, -1, -1) / 255 for image in (clean, noisy))
        assert float(psnr(y, x)) == pytest.approx(22.40935, abs=1e-4)
        assert float(ssim(y, x)) == pytest.approx(0.357964, abs=1e-5)

    def test_formula_images(self) -> None:
        x, y = formula_images()
        c, i, j = torch.meshgrid(torch.arange(3.0), torch.arange(48.0), torch.arange(64.0), indexing="ij")
        i, j, c = i.double(), j.double(), c.double()
        w = 0.5 + 0.5 * torch.sin(i / 5 + c) * torch.cos(j / 7)
        u = (w + 0.05 * torch.sin(1.7 * i + 2.3 * j)).clamp(0, 1)
        for a, b, decibels, similarity in (
            (x, y, 11.064104, 0.471040),
            (x, 0.8 * x + 0.1, 24.776960, 0.969713),
            (w, u, 29.103143, 0.910787),
        ):
            assert float(psnr(b, a)) == pytest.approx(decibels, abs=1e-6)
            assert float(ssim(b, a)) == pytest.approx(similarity, abs=1e-6)

    def test_disc_mask_divides_by_its_area(self) -> None:
        x, y = formula_images()
        i, j = torch.meshgrid(torch.arange(48), torch.arange(64), indexing="ij")
        alpha = ((i - 24) ** 2 + (j - 32) ** 2 < 225).double()[None]
        assert int(alpha.sum()) == 697
        assert float(psnr_fg(y, x, alpha)) == pytest.approx(10.353066, abs=1e-6)
        # What multiplying by the mask and dividing by the frame would flatter it to.
        assert float(psnr(y * alpha, x * alpha)) == pytest.approx(16.794950, abs=1e-6)

    def test_mean_of_decibels_is_not_the_decibels_of_the_mean_error(self) -> None:
        errors = 10 ** (-torch.tensor([45.0, 40.0, 34.0, 30.0, 26.0, 19.0], dtype=torch.float64) / 10)
        x = torch.full((6, 3, 4, 4), 0.25, dtype=torch.float64)
        y = x + errors.sqrt().reshape(6, 1, 1, 1)
        assert float(psnr(y, x).mean()) == pytest.approx(194 / 6, abs=1e-9)
        assert float(-10 * mse(y, x).mean().log10()) == pytest.approx(-10 * math.log10(errors.mean()), abs=1e-9)
        assert float(psnr(y, x).mean()) > float(-10 * mse(y, x).mean().log10()) + 6


class TestScikitImageOracle:
    @pytest.mark.parametrize("height, width", [(11, 11), (11, 40), (64, 64), (37, 50)])
    @pytest.mark.parametrize("variant, is_sample", [("wang", False), ("official", True)])
    def test_ssim_and_its_map(self, height: int, width: int, variant: str, is_sample: bool) -> None:
        x, y = noise(3, height, width), noise(3, height, width, seed=1)
        y = 0.7 * x + 0.3 * y
        result = structural_similarity(
            x.numpy(),
            y.numpy(),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=is_sample,
            data_range=1,
            channel_axis=0,
            full=True,
        )
        expected, full = result[0], result[1]
        assert float(ssim(x, y, variant)) == pytest.approx(float(expected), abs=1e-9)
        assert float(ssim(x.float(), y.float(), variant)) == pytest.approx(float(expected), abs=1e-5)
        torch.testing.assert_close(ssim_map(x, y, variant), torch.from_numpy(full)[:, 5:-5, 5:-5], rtol=0, atol=1e-9)

    def test_options_that_are_not_ours_give_other_values(self) -> None:
        x, y = formula_images()
        default = structural_similarity(x.numpy(), y.numpy(), data_range=1, channel_axis=0)
        assert float(default) == pytest.approx(0.507553, abs=1e-6)
        assert abs(float(ssim(y, x)) - float(default)) > 0.03
        _, full = structural_similarity(
            x.numpy(),
            y.numpy(),
            gaussian_weights=True,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=0,
            full=True,
        )
        assert float(full.mean()) == pytest.approx(0.481907, abs=1e-6)

    def test_psnr(self) -> None:
        x, y = noise(3, 20, 30), noise(3, 20, 30, seed=1)
        assert float(psnr(x, y)) == pytest.approx(peak_signal_noise_ratio(x.numpy(), y.numpy(), data_range=1), abs=1e-9)


GOOD = torch.full((2, 3, 16, 16), 0.5)
NAN = GOOD.clone()
NAN[1, 2, 3, 4] = math.nan


class TestBadInput:
    @pytest.mark.parametrize("metric", [mse, psnr, ssim])
    @pytest.mark.parametrize(
        "pred, target, message",
        [
            (GOOD * 255, GOOD, r"pred must lie in \[0, 1\], but got values from 127.5 to 127.5"),
            (GOOD, GOOD * 2 - 1.5, r"target must lie in \[0, 1\], but got values from -0.5"),
            (GOOD, GOOD + math.inf, r"target must lie in \[0, 1\], but got values from inf"),
            (NAN, GOOD, "pred must be finite, but got NaN"),
            (GOOD.byte(), GOOD.byte(), "pred must be floating point.*torch.uint8"),
            (GOOD, GOOD[:1], r"same shape, but got \[2, 3, 16, 16\] and \[1, 3, 16, 16\]"),
            (GOOD.movedim(1, -1), GOOD.movedim(1, -1), r"pred must have shape \[\.\.\., 3, height, width\]"),
            (GOOD[:0], GOOD[:0], "without an empty axis"),
        ],
        ids=["bytes_as_float", "minus_one_to_one", "infinite", "nan", "uint8", "shapes", "channels_last", "no_images"],
    )
    def test_one_clear_error(self, metric: Metric, pred: Tensor, target: Tensor, message: str) -> None:
        with pytest.raises(MflabError, match=message):
            metric(pred, target)

    def test_rounding_of_compositing_is_not_an_error(self) -> None:
        assert psnr(GOOD * 2 + 1e-7, GOOD).isfinite().all()

    def test_image_below_the_window(self) -> None:
        with pytest.raises(MflabError, match=r"at least 11 x 11 px .* got 10 x 16"):
            ssim(GOOD[..., :10, :], GOOD[..., :10, :])

    def test_unknown_variant(self) -> None:
        with pytest.raises(MflabError, match="Unknown SSIM variant 'box'; choose one of wang, official"):
            ssim(GOOD, GOOD, "box")

    @pytest.mark.parametrize("metric", [psnr_fg, ssim_fg])
    def test_mask(self, metric: Metric) -> None:
        alpha = torch.ones(2, 1, 16, 16)
        empty = alpha.clone()
        empty[1] = 0.5
        with pytest.raises(MflabError, match=r"1 of 2 images have none \(first at index \[1\]\)"):
            metric(GOOD, GOOD, empty)
        with pytest.raises(MflabError, match="alpha must have the batch and pixels"):
            metric(GOOD, GOOD, alpha[:1])
        with pytest.raises(MflabError, match="alpha must be floating point"):
            metric(GOOD, GOOD, alpha.bool())
        with pytest.raises(MflabError, match=r"alpha must have shape \[\.\.\., 1, height, width\]"):
            metric(GOOD, GOOD, alpha.expand(2, 4, 16, 16))

    def test_foreground_only_in_the_border_has_no_ssim(self) -> None:
        alpha = torch.zeros(2, 1, 16, 16)
        alpha[..., :5, :] = 1
        assert psnr_fg(GOOD, GOOD, alpha).shape == (2,)
        with pytest.raises(MflabError, match="inside the 5 px border"):
            ssim_fg(GOOD, GOOD, alpha)
