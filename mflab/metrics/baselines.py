"""Predictions that need no trained model; a number without them beside it says little.

On a white background the white image alone scores -10 log10(f m) dB, with f the foreground share and m the mean squared
distance of the foreground to white.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from mflab.errors import MflabError


def white_image(target: Float[Tensor, "*batch 3 height width"]) -> Float[Tensor, "*batch 3 height width"]:
    """Returns all-white images of the shape of `target`.

    >>> white_image(torch.rand(6, 3, 2, 2)).unique()
    tensor([1.])
    """
    return torch.ones_like(target)


def copy_input(
    target: Float[Tensor, "*batch view 3 height width"], reference: Shaped[Tensor, "..."]
) -> Float[Tensor, "*batch view 3 height width"]:
    """Returns the input view as the prediction of every view.

    Args:
        target: views in [0, 1], shape [..., V, 3, H, W]; only its shape is used.
        reference: the input view of each scene in [0, 1], shape [..., 3, H, W].

    Raises:
        MflabError: `reference` is not one image per scene of `target`.

    >>> copy_input(torch.zeros(6, 3, 4, 4), torch.rand(3, 4, 4)).shape
    torch.Size([6, 3, 4, 4])
    """
    expected = target.shape[:-4] + target.shape[-3:]
    if reference.shape != expected:
        raise MflabError(
            f"reference must be one image per scene, shape {list(expected)}, but got {list(reference.shape)}; "
            "pass the input view of each scene."
        )
    return reference.unsqueeze(-4).expand(target.shape)


def mean_image(
    target: Float[Tensor, "*batch view 3 height width"], training: Iterable[Shaped[Tensor, "..."]]
) -> Float[Tensor, "*batch view 3 height width"]:
    """Returns, for every view slot, the mean image of the training scenes: what a model that ignores its input can do.

    Args:
        target: views in [0, 1], shape [..., V, 3, H, W]; only its shape is used, so nothing leaks from it.
        training: training scenes in [0, 1], each of shape [V, 3, H, W], on the background of `target`; read one by one.

    Raises:
        MflabError: a training scene has other views or pixels than `target`, or there is none.

    >>> mean_image(torch.zeros(5, 6, 3, 4, 4), torch.full((2, 6, 3, 4, 4), 0.25)).unique()
    tensor([0.2500])
    """
    total, num_scenes = torch.zeros(target.shape[-4:], dtype=torch.float64, device=target.device), 0
    for scene in training:
        if scene.shape != target.shape[-4:]:
            raise MflabError(
                f"A training scene must have the views and pixels of the target, shape {list(target.shape[-4:])}, but "
                f"got {list(scene.shape)}; pass training scenes of the same rig and size."
            )
        total += scene
        num_scenes += 1
    if num_scenes == 0:
        raise MflabError("A mean image needs at least one training scene, but got none; pass the training scenes.")
    return (total / num_scenes).to(target.dtype).expand(target.shape)
