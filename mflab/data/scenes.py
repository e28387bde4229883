"""What a scene is, and how its transparent images become pixels on a stated background."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, UInt8
from torch import Tensor

from mflab.errors import MflabError
from mflab.geometry import Cameras

BACKGROUNDS: dict[str, float] = {"white": 1.0, "black": 0.0, "gray": 0.5}


@dataclass(frozen=True)
class Scene:
    """One object at one moment, seen from every view of a rig.

    Attributes:
        name: unique within its source.
        rgba: images with straight (not premultiplied) alpha, shape [V, 4, H, W], 0 to 255.
        view_names: one name per view, in slot order.
        cameras: cameras of the views for this image size, or None where the data has none.
    """

    name: str
    rgba: UInt8[Tensor, "view 4 height width"]
    view_names: tuple[str, ...]
    cameras: Cameras | None


@runtime_checkable
class SceneSource(Protocol):
    """A fixed sequence of scenes that share one rig and one image size."""

    @property
    def name(self) -> str: ...

    @property
    def view_names(self) -> tuple[str, ...]: ...

    @property
    def azimuths_deg(self) -> tuple[float, ...]:
        """Rig azimuth of each view, degrees, clockwise from the front."""
        ...

    @property
    def elevations_deg(self) -> tuple[float, ...]: ...

    @property
    def fingerprint(self) -> str:
        """Hash of the content, hexadecimal."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Scene: ...


def background_value(background: float | str) -> float:
    """The grey level in [0, 1] of a background given by name or by number.

    Raises:
        MflabError: unknown name, or a number outside [0, 1].

    Example:
        >>> background_value("gray"), background_value(0.25)
        (0.5, 0.25)
    """
    if isinstance(background, str):
        if background not in BACKGROUNDS:
            raise MflabError(
                f"Unknown background {background!r}; choose one of {', '.join(BACKGROUNDS)} or a number from 0 to 1."
            )
        return BACKGROUNDS[background]
    if not 0.0 <= background <= 1.0:
        raise MflabError(f"background must lie in [0, 1], but got background={background}; 1 is white.")
    return float(background)


def as_float(rgba: UInt8[Tensor, "*batch 4 height width"]) -> Float[Tensor, "*batch 4 height width"]:
    """The same images in [0, 1], single precision."""
    return rgba.float() / 255.0


def composite(
    rgba: UInt8[Tensor, "*batch 4 height width"] | Float[Tensor, "*batch 4 height width"], background: float | str
) -> tuple[Float[Tensor, "*batch 3 height width"], Float[Tensor, "*batch 1 height width"]]:
    """Colours over a uniform background, alpha * rgb + (1 - alpha) * background, and the alpha itself.

    Args:
        rgba: images with straight alpha; 0 to 255 if integer, [0, 1] if floating.
        background: white, black, gray or a grey level in [0, 1].

    Returns:
        rgb: composited colours, [..., 3, H, W], in [0, 1].
        alpha: opacity, [..., 1, H, W], in [0, 1].
    """
    images = rgba if rgba.is_floating_point() else as_float(rgba)
    colour, alpha = images[..., :3, :, :], images[..., 3:, :, :]
    return alpha * colour + (1.0 - alpha) * background_value(background), alpha
