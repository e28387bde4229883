"""What a view set is: selecting, shrinking, and one clear error for each kind of bad input."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mflab.errors import MflabError
from mflab.geometry import RIGS, Cameras
from mflab.metrics.consistency import ViewSet, drop_one_silhouette, estimate_alpha, leave_one_out, silhouette_coherence
from tests.metrics.consistency.conftest import procedural, sphere

CAMERAS = RIGS["even60_el20"].cameras(16)
IMAGES, ALPHA = torch.full((6, 3, 16, 16), 0.5), torch.ones(6, 1, 16, 16)
NAN = IMAGES.clone()
NAN[1, 2, 3, 4] = math.nan
NAN_CAMERAS = replace(CAMERAS, c2w=CAMERAS.c2w * math.nan)
SHEARED = replace(CAMERAS, c2w=CAMERAS.c2w * torch.tensor([2.0, 1.0, 1.0, 1.0]))


@pytest.mark.parametrize(
    "images, alpha, cameras, message",
    [
        (IMAGES * 255, ALPHA, CAMERAS, r"images must lie in \[0, 1\], but got values from 127.5"),
        (IMAGES * 2 - 1.5, ALPHA, CAMERAS, r"images must lie in \[0, 1\], but got values from -0.5"),
        (NAN, ALPHA, CAMERAS, "images must be finite, but got NaN"),
        (IMAGES.byte(), ALPHA, CAMERAS, "images must be floating point.*torch.uint8"),
        (IMAGES, ALPHA * 2, CAMERAS, r"alpha must lie in \[0, 1\]"),
        (IMAGES, ALPHA > 0, CAMERAS, "alpha must be floating point.*torch.bool"),
        (IMAGES, ALPHA[:5], CAMERAS, r"alpha must have the batch, views and pixels of the images, but got \[5, 1"),
        (IMAGES.movedim(1, -1), ALPHA, CAMERAS, r"images must have shape \[\.\.\., 3, height, width\]"),
        (IMAGES[0], ALPHA[0], CAMERAS, "at least 2 views"),
        (IMAGES[:1], ALPHA[:1], CAMERAS.select([0]), r"at least 2 views of shape .* \[1, 3, 16, 16\]"),
        (IMAGES[..., :12], ALPHA[..., :12], CAMERAS, "square images, but got 16 x 12 pixels"),
        (IMAGES, ALPHA, CAMERAS.select([0, 1, 2]), "got 3 cameras for 6 views"),
        (IMAGES, ALPHA, CAMERAS.resized(32, 32), "cameras of 32 x 32 and images of 16 x 16 pixels"),
        (
            IMAGES.expand(2, -1, -1, -1, -1),
            ALPHA.expand(2, -1, -1, -1, -1),
            replace(CAMERAS, c2w=CAMERAS.c2w.expand(3, 6, 4, 4), K=CAMERAS.K.expand(3, 6, 3, 3)),
            r"batch \[2\] of the images or none",
        ),
        (IMAGES, ALPHA, NAN_CAMERAS, "Cameras must be finite"),
        (IMAGES, ALPHA, SHEARED, "orthonormal rotations"),
        (IMAGES, ALPHA, replace(CAMERAS, K=-CAMERAS.K), "positive focal lengths"),
    ],
    ids=[
        "bytes_as_float",
        "minus_one_to_one",
        "nan",
        "uint8",
        "alpha_range",
        "alpha_bool",
        "alpha_views",
        "channels_last",
        "no_view_axis",
        "one_view",
        "not_square",
        "number_of_cameras",
        "size_of_cameras",
        "batch_of_cameras",
        "nan_cameras",
        "sheared_cameras",
        "negative_focal_length",
    ],
)
def test_one_clear_error(images: Tensor, alpha: Tensor, cameras: Cameras, message: str) -> None:
    with pytest.raises(MflabError, match=message):
        ViewSet(images, alpha, cameras)


@pytest.mark.parametrize(
    "images, message",
    [
        (IMAGES * 255, r"images must lie in \[0, 1\]"),
        (NAN, "images must be finite"),
        (IMAGES.byte(), "images must be floating point"),
        (IMAGES[..., :4, :4], "at least 5 x 5 pixels, but got 4 x 4"),
    ],
)
def test_mask_estimation_refuses_the_same(images: Tensor, message: str) -> None:
    with pytest.raises(MflabError, match=message):
        estimate_alpha(images)


def test_two_views_can_be_compared_but_not_told_apart() -> None:
    two = sphere(20).select([0, 1])
    assert float(silhouette_coherence(two).minimum) >= 0.9999
    with pytest.raises(MflabError, match="at least 3 views, but got 2"):
        leave_one_out(two)
    with pytest.raises(MflabError, match="at least 3 views, but got 2"):
        drop_one_silhouette(two)


def test_selected_views_keep_their_cameras() -> None:
    views = procedural("mice", "facelift6_el20", 64, 0)
    some = views.select([4, 1])
    assert torch.equal(some.images, views.images[[4, 1]]) and torch.equal(some.alpha, views.alpha[[4, 1]])
    assert torch.equal(some.cameras.c2w, views.cameras.c2w[[4, 1]]) and some.num_views == 2


def test_shrinking_averages_premultiplied_colours() -> None:
    views = procedural("mice", "facelift6_el20", 64, 0)
    small = views.resized(16)
    assert small.width == small.cameras.width == small.cameras.height == 16
    torch.testing.assert_close(small.cameras.K[:, :2], views.cameras.K[:, :2] / 4)
    boxes = views.alpha.unfold(-1, 4, 4).unfold(-3, 4, 4).mean((-1, -2))
    torch.testing.assert_close(small.alpha, boxes, rtol=0, atol=1e-6)
    premultiplied = views.images - (1 - views.alpha)
    boxes = premultiplied.unfold(-1, 4, 4).unfold(-3, 4, 4).mean((-1, -2))
    torch.testing.assert_close(small.images - (1 - small.alpha), boxes, rtol=0, atol=1e-6)
    assert views.resized(64) is views


@pytest.mark.parametrize("width", [0, 128])
def test_views_are_never_enlarged(width: int) -> None:
    with pytest.raises(MflabError, match=f"between 1 and the image width, but got width={width}"):
        procedural("mice", "facelift6_el20", 64, 0).resized(width)


def test_half_precision_is_widened() -> None:
    views = ViewSet(IMAGES.half(), ALPHA.half(), CAMERAS)
    assert views.images.dtype == views.alpha.dtype == torch.float32
