"""The two maps of structural similarity, of many single channels at once: the window and the arithmetic.

With s = x + y - 1 and d = x - y: x^2 + y^2 = (s'^2 + d^2) / 2 and 2 x y = (s'^2 - d^2) / 2, where s' = s + 1. So four
filtered maps do, not five; identical images give exactly 1; and the centred s lessens the cancellation in float32.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mflab.metrics.threads import share_out

WINDOW = 11
BORDER = WINDOW // 2
SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2
# Elements of a map that are filtered at once; on a CPU the maps of a chunk then stay in the cache.
CHUNK_ELEMENTS = 2**18
CHUNK_ELEMENTS_GPU = 2**22

_WEIGHTS = [math.exp(-0.5 * ((i - BORDER) / SIGMA) ** 2) for i in range(WINDOW)]
TAPS = [weight / sum(_WEIGHTS) for weight in _WEIGHTS]

# Writes what is kept of the luminance and the structure map of a chunk, [n, H - 10, W - 10], into its part of the
# output; both maps are buffers, free to be overwritten.
Writer = Callable[[Tensor, Tensor, Tensor], None]


def for_each_chunk(x: Tensor, y: Tensor, factor: float, output: Tensor, write: Writer) -> None:
    """Calls `write` with the luminance and the structure map of every chunk of channels.

    luminance = (2 mx my + C1) / (mx^2 + my^2 + C1) and structure = (2 cov + C2) / (var x + var y + C2); their product
    is SSIM. Maps exist only where the window fits.

    Args:
        x: single channels in [0, 1], shape [N, H, W].
        y: channels to compare with, same shape, dtype and device.
        factor: of the population covariance: 1, or n / (n - 1) for the sample covariance of n pixels.
        output: one entry per channel in its first axis.
        write: called once per chunk, possibly from several threads, each with its own part of `output`.
    """
    x, y = x.detach(), y.detach()
    size = max(1, (CHUNK_ELEMENTS if x.device.type == "cpu" else CHUNK_ELEMENTS_GPU) // x[0].numel())
    chunks = list(zip(x.split(size), y.split(size), output.split(size), strict=True))

    def work(share: Sequence[tuple[Tensor, Tensor, Tensor]]) -> None:
        maps = _Maps(len(share[0][0]), x)
        for a, b, kept in share:
            write(kept, *maps(a, b, factor))

    if x.device.type == "cpu":
        share_out(chunks, work)
    else:
        work(chunks)


class _Maps:
    """Buffers of one thread: without them, memory that is asked for and given back costs more than the arithmetic."""

    def __init__(self, num_channels: int, like: Tensor) -> None:
        height, width = like.shape[-2:]
        inner_height, inner_width = height - 2 * BORDER, width - 2 * BORDER
        # Each step reads one and writes the other: two that stay in the cache serve all four.
        one, other = like.new_empty(2, 4 * num_channels * height * width)
        self.moments = _view(one, num_channels, height, width)
        self.rows = _view(other, num_channels, inner_height, width)
        self.filtered = _view(one, num_channels, inner_height, inner_width)
        self.ratios = _view(other, num_channels, inner_height, inner_width)

    def __call__(self, x: Tensor, y: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        """Returns luminance and structure of channels [n, H, W], in buffers that the next call overwrites."""
        n = len(x)
        moments, rows, filtered, ratios = (
            buffer[:, :n] for buffer in (self.moments, self.rows, self.filtered, self.ratios)
        )
        total, difference = moments[0], moments[1]
        torch.add(x, y, out=total).sub_(1)
        torch.sub(x, y, out=difference)
        torch.square(moments[:2], out=moments[2:])
        _filter(moments, rows, axis=2)
        _filter(rows, filtered, axis=3)
        mean_s, mean_d, square_s, square_d = filtered
        above_l, below_l, above_s, below_s = ratios
        var_s = square_s.sub_(torch.square(mean_s, out=above_l))
        power_d = torch.square(mean_d, out=mean_d)
        var_d = square_d.sub_(power_d)
        if factor != 1:
            filtered[2:].mul_(factor)
        power_s = torch.square(mean_s.add_(1), out=mean_s)
        torch.sub(power_s, power_d, out=above_l).add_(2 * C1)
        torch.add(power_s, power_d, out=below_l).add_(2 * C1)
        torch.sub(var_s, var_d, out=above_s).add_(2 * C2)
        torch.add(var_s, var_d, out=below_s).add_(2 * C2)
        return above_l.div_(below_l), above_s.div_(below_s)


def _view(buffer: Tensor, *shape: int) -> Tensor:
    """Returns four maps of `shape` in the memory of `buffer`."""
    return buffer[: 4 * math.prod(shape)].view(4, *shape)


def _filter(source: Tensor, target: Tensor, axis: int) -> None:
    """Writes `source` filtered along `axis` with the Gaussian, where it fits.

    Shifted sums, since single-channel convolutions are slower on a CPU and less exact on CUDA (TF32).
    """
    size = target.shape[axis]
    torch.mul(source.narrow(axis, 0, size), TAPS[0], out=target)
    for i in range(1, WINDOW):
        target.add_(source.narrow(axis, i, size), alpha=TAPS[i])
