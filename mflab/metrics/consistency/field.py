"""Images that can be looked up between pixels and outside their frame, and the silhouettes made of them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

IS_INSIDE = 0.5
# Coverage below which a thin structure is lost: it is never raised by more than 1 / 0.25.
FAINTEST = 0.25


@dataclass(frozen=True)
class Field:
    """Images padded by one pixel, as tables for bilinear interpolation.

    f(x + a, y + b) = t0 + a t1 + b (t2 + a t3) with a, b in [0, 1] between the pixel centres; where the four corners
    are equal the result is exactly their value.

    Attributes:
        tables: t0 to t3 of each channel over the pixels of all images, shape [4, C, N * side * side].
        side: pixels of a padded row and of a padded column.
    """

    tables: Tensor
    side: int

    @staticmethod
    def of(padded: Tensor) -> "Field":
        """The field of images [N, C, side, side] that already have their border of one pixel."""
        flat = padded.transpose(0, 1).flatten(1)
        side = padded.shape[-1]
        right, below, across = flat.roll(-1, 1), flat.roll(-side, 1), flat.roll(-side - 1, 1)
        return Field(torch.stack([flat, right - flat, below - flat, across - right - below + flat]), side)

    def at(self, image: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Values of all channels, shape [C, *u.shape]; positions outside the border take the border's value.

        Args:
            image: image number, integer, broadcastable to `u`.
            u: horizontal position in pixels of the image without border, centres at +0.5, finite.
            v: vertical position likewise.
        """
        x, y = (u + 0.5).clamp(0.0, self.side - 1.0), (v + 0.5).clamp(0.0, self.side - 1.0)
        left, top = x.floor().clamp(max=self.side - 2.0), y.floor().clamp(max=self.side - 2.0)
        a, b = x - left, y - top
        index = ((top * self.side + left).long() + image * (self.side * self.side)).flatten()
        channels = []
        for channel in range(self.tables.shape[1]):
            t0, t1, t2, t3 = (table[channel].index_select(0, index).view(u.shape) for table in self.tables)
            channels.append(t0 + a * t1 + b * (t2 + a * t3))
        return torch.stack(channels)


@dataclass(frozen=True)
class Silhouettes:
    """Coverage of views, with what is known beyond their frames.

    Attributes:
        field: coverage in [0, 1], one channel.
        boxes: bounds of what can be covered (left, top, right, bottom) in pixels, infinite at a side beyond which the
            object may go on; left > right for an empty view; shape [N, 4].
    """

    field: Field
    boxes: Tensor

    def at(self, image: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Coverage at positions in pixels, shape of `u`."""
        return self.field.at(image, u, v)[0]


def silhouettes(alpha: Tensor, tolerance: int) -> Silhouettes:
    """Coverage [N, H, W] for lookups, grown by a square of `tolerance` pixels to each side.

    Beyond a side that cuts the object off coverage is unknown and counts as 1, beyond the other sides as 0.
    """
    padded = _padded(alpha, tolerance)
    return Silhouettes(Field.of(padded[:, None]), _boxes(padded))


def bounding_boxes(alpha: Tensor) -> Tensor:
    """The boxes of `silhouettes(alpha, 0)` alone, shape [N, 4]."""
    return _boxes(_padded(alpha, 0))


def cut_sides(alpha: Tensor) -> Tensor:
    """Whether left, top, right and bottom of each mask [N, H, W] touch the object, shape [N, 4].

    One pixel is enough: a tail is cut off by two, and an unknown side that is not needed costs nothing, since the hull
    of the other views seldom leaves the frame there.
    """
    is_covered = alpha > IS_INSIDE
    edges = (is_covered[:, :, 0], is_covered[:, 0, :], is_covered[:, :, -1], is_covered[:, -1, :])
    return torch.stack([edge.any(1) for edge in edges], dim=1)


def restore_thin(alpha: Tensor) -> Tensor:
    """Coverage [N, H, W] in shares of the largest within one pixel, so that thin parts reach 1 as thick ones do.

    A tail that fills half a pixel in a far view and three pixels in a near one is consistent, but its coverage 0.5
    would leave the near pixels half uncovered. At the outline of anything thicker than a pixel nothing changes.
    """
    largest = functional.max_pool2d(alpha[:, None], 3, 1, 1)[:, 0]
    return (alpha / largest.clamp(min=FAINTEST)).clamp(max=1.0)


def _padded(alpha: Tensor, tolerance: int) -> Tensor:
    beyond = cut_sides(alpha).T.to(alpha)
    pad = tolerance + 1
    padded = functional.pad(alpha, (pad, pad, pad, pad))
    _fill_border(padded, pad, beyond)
    if tolerance:
        window = 2 * tolerance + 1
        padded = functional.max_pool2d(functional.max_pool2d(padded, (window, 1), 1), (1, window), 1)
        # What grew across a known side must not go on beyond the frame for ever.
        _fill_border(padded, 1, beyond)
    return padded


def _fill_border(padded: Tensor, pad: int, beyond: Tensor) -> None:
    """Writes the values [4, N] of left, top, right, bottom into the outer `pad` pixels, where two meet the larger."""
    left, top, right, bottom = beyond[:, :, None, None]
    ends = (slice(0, pad), slice(-pad, None))
    for rows, vertical in zip(ends, (top, bottom), strict=True):
        padded[:, rows, :] = vertical
    for columns, horizontal in zip(ends, (left, right), strict=True):
        padded[:, :, columns] = horizontal
        for rows, vertical in zip(ends, (top, bottom), strict=True):
            padded[:, rows, columns] = torch.maximum(horizontal, vertical)


def _boxes(padded: Tensor) -> Tensor:
    """Bounds of where the interpolated coverage can be positive, shape [N, 4]."""
    side = padded.shape[-1]
    lows, highs = [], []
    for axis in (1, 2):
        is_hit = (padded > 0).any(dim=axis)
        is_empty = ~is_hit.any(1)
        first = is_hit.int().argmax(1).to(padded)
        last = side - 1 - is_hit.flip(1).int().argmax(1).to(padded)
        # Pixel k of the padded image is centred at k - 0.5 and reaches one pixel to each side.
        low = torch.where(is_hit[:, 0], -torch.inf, first - 1.5)
        high = torch.where(is_hit[:, -1], torch.inf, last + 0.5)
        lows.append(torch.where(is_empty, 1.0, low))
        highs.append(torch.where(is_empty, -1.0, high))
    return torch.stack([*lows, *highs], dim=1)
