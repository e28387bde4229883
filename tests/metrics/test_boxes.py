"""The foreground box, and metrics inside it."""

import pytest
import torch
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics import foreground_box, in_box, ms_ssim, psnr, psnr_box, ssim, ssim_box
from mflab.metrics.boxes import box_mask


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rectangle(height: int, width: int, top: int, left: int, bottom: int, right: int) -> Tensor:
    alpha = torch.zeros(1, height, width)
    alpha[:, top:bottom, left:right] = 1
    return alpha


@pytest.fixture
def pair() -> tuple[Tensor, Tensor, Tensor]:
    """Prediction, target and alpha of 2 x 3 images with objects of several sizes, some at the frame."""
    boxes = [(20, 10, 34, 40), (0, 0, 9, 9), (39, 59, 40, 60), (5, 50, 40, 60), (12, 20, 13, 21), (0, 0, 40, 60)]
    alpha = torch.stack([rectangle(40, 60, *box) for box in boxes]).reshape(2, 3, 1, 40, 60)
    return noise(2, 3, 3, 40, 60), noise(2, 3, 3, 40, 60, seed=1), alpha


class TestForegroundBox:
    def test_smallest_rectangle_around_the_mask(self) -> None:
        alpha = rectangle(64, 64, 20, 10, 34, 40)
        assert foreground_box(alpha, padding=0).tolist() == [20, 10, 34, 40]
        assert foreground_box(alpha).tolist() == [15, 5, 39, 45]
        assert foreground_box(alpha, padding=12).tolist() == [8, 0, 46, 52]

    def test_soft_edges_count_above_one_half(self) -> None:
        alpha = rectangle(64, 64, 20, 10, 34, 40)
        alpha[:, 19] = 0.5
        alpha[:, 34, 12] = 0.51
        assert foreground_box(alpha, padding=0).tolist() == [20, 10, 35, 40]

    def test_union_of_masks_and_order_of_masks(self) -> None:
        one, other = rectangle(64, 64, 20, 10, 34, 40), rectangle(64, 64, 30, 50, 50, 52)
        empty = torch.zeros(1, 64, 64)
        assert foreground_box(one, other, padding=0).tolist() == [20, 10, 50, 52]
        assert torch.equal(foreground_box(one, other), foreground_box(other, empty, one))

    def test_small_boxes_grow_around_their_centre_and_stay_in_the_frame(self, pair: tuple[Tensor, ...]) -> None:
        box = foreground_box(pair[2], padding=0, min_side=11)
        assert box[0, 1].tolist() == [0, 0, 11, 11]
        assert box[0, 2].tolist() == [29, 49, 40, 60]
        assert box[1, 1].tolist() == [7, 15, 18, 26]
        assert ((box[..., 2:] - box[..., :2]) >= 11).all()
        assert (box[..., :2] >= 0).all() and (box[..., 2:] <= torch.tensor([40, 60])).all()

    def test_contains_the_mask(self, pair: tuple[Tensor, ...]) -> None:
        alpha = pair[2]
        inside = box_mask(foreground_box(alpha, padding=0), alpha)
        assert (inside | (alpha <= 0.5)).all()
        wider = box_mask(foreground_box(alpha, padding=3), alpha)
        assert (wider | ~inside).all() and wider.sum() > inside.sum()

    @pytest.mark.parametrize(
        "masks, options, message",
        [
            ([torch.zeros(2, 1, 32, 32)], {}, "at least one pixel above 0.5 in every image"),
            ([torch.ones(1, 32, 32)], {"padding": -1}, "padding must be at least 0 .* got padding=-1"),
            ([torch.ones(1, 32, 20)], {"min_side": 32}, "between 1 and the image side 20, .* min_side=32"),
            ([torch.ones(1, 32, 32), torch.ones(1, 32, 16)], {}, "masks of one shape"),
            ([], {}, "masks of one shape"),
            ([torch.ones(1, 32, 32, dtype=torch.bool)], {}, "alpha must be floating point"),
            ([torch.full((1, 32, 32), torch.nan)], {}, "alpha must be finite"),
        ],
    )
    def test_bad_input(self, masks: list[Tensor], options: dict[str, int], message: str) -> None:
        with pytest.raises(MflabError, match=message):
            foreground_box(*masks, **options)


class TestMetricsInTheBox:
    def test_equal_to_the_metric_of_the_crop(self, pair: tuple[Tensor, ...]) -> None:
        prediction, target, alpha = pair
        box = foreground_box(alpha)
        assert in_box(psnr, prediction, target, box).shape == (2, 3)
        torch.testing.assert_close(psnr_box(prediction, target, box), in_box(psnr, prediction, target, box))
        torch.testing.assert_close(ssim_box(prediction, target, box), in_box(ssim, prediction, target, box))
        official = in_box(lambda x, y: ssim(x, y, "official"), prediction, target, box)
        torch.testing.assert_close(ssim_box(prediction, target, box, "official"), official)

    def test_box_of_the_frame_gives_the_full_frame_value(self, pair: tuple[Tensor, ...]) -> None:
        prediction, target, alpha = pair
        box = foreground_box(torch.ones_like(alpha))
        torch.testing.assert_close(psnr_box(prediction, target, box), psnr(prediction, target))
        torch.testing.assert_close(ssim_box(prediction, target, box), ssim(prediction, target))

    def test_pixels_outside_do_not_count_and_extra_parts_inside_do(self) -> None:
        target, alpha = noise(3, 64, 64), rectangle(64, 64, 20, 10, 34, 40)
        prediction, box = 0.9 * target, foreground_box(alpha)
        outside, inside = prediction.clone(), prediction.clone()
        outside[:, 50:] = 0
        inside[:, 36] = 0
        for metric in (psnr_box, ssim_box):
            assert torch.equal(metric(outside, target, box), metric(prediction, target, box))
            assert metric(inside, target, box) < metric(prediction, target, box)

    def test_any_metric_of_two_images(self) -> None:
        target, alpha = noise(2, 3, 256, 256), rectangle(256, 256, 40, 20, 240, 200).expand(2, 1, 256, 256)
        values = in_box(ms_ssim, 0.5 * target, target, foreground_box(alpha, padding=0))
        torch.testing.assert_close(values[1], ms_ssim(0.5 * target[1, :, 40:240, 20:200], target[1, :, 40:240, 20:200]))
        small = foreground_box(rectangle(256, 256, 10, 10, 20, 20).expand(2, 1, 256, 256))
        with pytest.raises(MflabError, match="MS-SSIM needs images of at least 176"):
            in_box(ms_ssim, target, target, small)

    def test_bad_boxes(self, pair: tuple[Tensor, ...]) -> None:
        prediction, target, alpha = pair
        box = foreground_box(alpha, padding=0, min_side=10)
        with pytest.raises(MflabError, match="one box per image"):
            psnr_box(prediction, target, box[:1])
        with pytest.raises(MflabError, match="one box per image"):
            in_box(psnr, prediction, target, box[0])
        with pytest.raises(MflabError, match="at least 11 px high and wide"):
            ssim_box(prediction, target, box)
