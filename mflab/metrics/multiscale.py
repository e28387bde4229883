"""MS-SSIM: structure compared at five scales, luminance at the coarsest.

The window of the last scale spans 176 pixels, so no mean over a mask is a value of the foreground alone. Use
`on_foreground`, which imposes the true silhouette, or `in_box`, where the box has that side.
"""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

from mflab.errors import MflabError
from mflab.metrics.checks import check_pair
from mflab.metrics.similarity import WINDOW, for_each_chunk
from mflab.metrics.threads import serial

# Exponents of the five scales, finest first, as published (they add up to 1.0001).
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# The window must fit into the coarsest scale.
MIN_SIDE = WINDOW * 2 ** (len(WEIGHTS) - 1)


@serial
def ms_ssim(pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch"]:
    """Returns the multi-scale structural similarity of each image in [0, 1], higher is better.

    MS-SSIM = S_5^w5 * prod_{j < 5} CS_j^wj per colour channel, then the mean over RGB. S is the mean of the SSIM map,
    CS the mean of its contrast-structure part, both as `ssim` of variant `wang`; weights .0448, .2856, .3001, .2363,
    .1333. Each scale halves the one before by 2 x 2 means (an odd last row or column counts by itself). A negative
    mean counts as 0, since its power does not exist.

    Args:
        pred: prediction in [0, 1], shape [..., 3, H, W].
        target: reference in [0, 1], same shape.

    Raises:
        MflabError: another range, shape or dtype, NaN, or a side below 176 pixels.

    Source: Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment", Asilomar 2003,
    equation 7, with the 2 x 2 mean and the minimum size of the authors' program.

    >>> black, white = torch.zeros(3, 176, 176), torch.ones(3, 176, 176)
    >>> round(float(ms_ssim(white, white)), 6), round(float(ms_ssim(black, white)), 3)
    (1.0, 0.293)
    """
    pred, target = check_pair(pred, target)
    height, width = pred.shape[-2:]
    if min(height, width) < MIN_SIDE:
        raise MflabError(
            f"MS-SSIM needs images of at least {MIN_SIDE} x {MIN_SIDE} px (its window at the fifth scale), but got "
            f"{height} x {width}; evaluate at a larger size, or use SSIM."
        )
    x, y = (images.detach().reshape(-1, height, width) for images in (pred, target))
    product = x.new_ones(len(x))
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            x, y = (functional.avg_pool2d(channels, 2, ceil_mode=True) for channels in (x, y))
        means = x.new_empty(len(x))
        is_last = scale == len(WEIGHTS) - 1
        for_each_chunk(x, y, 1.0, means, _write_similarity if is_last else _write_structure)
        product *= means.clamp_(min=0).pow_(weight)
    return product.reshape(pred.shape[:-2]).mean(-1)


def _write_structure(mean: Tensor, luminance: Tensor, structure: Tensor) -> None:
    torch.mean(structure, (1, 2), out=mean)


def _write_similarity(mean: Tensor, luminance: Tensor, structure: Tensor) -> None:
    torch.mean(luminance.mul_(structure), (1, 2), out=mean)
