"""The image embedding that enters the UNet through its class embedding."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class PooledPixels:
    """Mean colours of a side x side grid over the input view, centred on the background: no weights, 3 side^2 numbers.

    It takes the place of the CLIP image embedding in the miniature.

    Attributes:
        side: cells per image side, at least 1.
        background: image value that becomes 0, in [0, 1].
    """

    side: int = 4
    background: float = 1.0

    @property
    def width(self) -> int:
        return 3 * self.side**2

    def __call__(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch number"]:
        return F.adaptive_avg_pool2d(image - self.background, self.side).flatten(1)
