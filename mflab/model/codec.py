"""Codecs between images and the latents that the diffusion model sees."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from einops import rearrange
from jaxtyping import Float
from torch import Tensor


class CodecKind(Enum):
    """space_to_depth needs no weights; it is the miniature's stand-in for the variational auto-encoder."""

    space_to_depth = "space_to_depth"


@runtime_checkable
class Codec(Protocol):
    """Maps images in [0, 1] to latents and back."""

    @property
    def channels(self) -> int: ...

    @property
    def downsampling(self) -> int: ...

    def encode(self, image: Float[Tensor, "*batch 3 height width"]) -> Float[Tensor, "*batch channel h w"]: ...

    def decode(self, latent: Float[Tensor, "*batch channel h w"]) -> Float[Tensor, "*batch 3 height width"]: ...


@dataclass(frozen=True)
class SpaceToDepth:
    """z = scale (x - background), then each patch x patch block becomes one pixel of 3 patch^2 channels.

    A white background becomes exactly zero, the mean of the diffusion prior.

    Attributes:
        patch: side of a block in pixels, at least 1; it must divide height and width.
        background: image value that maps to latent 0, in [0, 1].
        scale: latent units per unit of image value, positive.
    """

    patch: int = 8
    background: float = 1.0
    scale: float = 6.0

    @property
    def channels(self) -> int:
        return 3 * self.patch**2

    @property
    def downsampling(self) -> int:
        return self.patch

    def encode(self, image: Float[Tensor, "*batch 3 height width"]) -> Float[Tensor, "*batch channel h w"]:
        centred = self.scale * (image - self.background)
        return rearrange(centred, "... c (h p) (w q) -> ... (c p q) h w", p=self.patch, q=self.patch)

    def decode(self, latent: Float[Tensor, "*batch channel h w"]) -> Float[Tensor, "*batch 3 height width"]:
        """Images clamped to [0, 1]."""
        image = rearrange(latent, "... (c p q) h w -> ... c (h p) (w q)", p=self.patch, q=self.patch)
        return (image / self.scale + self.background).clamp(0.0, 1.0)
