"""What the consistency measures look at: posed views of one object, with the coverage of every pixel."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Shaped
from torch import Tensor

from mflab.data.images import area_matrix
from mflab.errors import MflabError
from mflab.geometry import Cameras
from mflab.metrics.checks import check_images


@dataclass(frozen=True)
class ViewSet:
    """Posed square views of one object, or of several in leading axes.

    Attributes:
        images: colours in [0, 1], composited on white, shape [..., V, 3, H, W].
        alpha: coverage of each pixel in [0, 1], shape [..., V, 1, H, W]; a view without foreground is allowed.
        cameras: cameras of the views for this image size, with the same leading axes or without any.

    Raises:
        MflabError: another range, dtype or shape, NaN, fewer than two views, images that are not square, or cameras
            of another number of views, image size or batch.
    """

    images: Shaped[Tensor, "..."]
    alpha: Shaped[Tensor, "..."]
    cameras: Cameras

    def __post_init__(self) -> None:
        images, alpha = check_images(self.images, "images"), check_images(self.alpha, "alpha", channels=1)
        if images.ndim < 4 or images.shape[-4] < 2:
            raise MflabError(
                f"Consistency needs at least 2 views of shape [..., V, 3, height, width], but got images of shape "
                f"{list(images.shape)}; pass all views of an object together."
            )
        if images.shape[-1] != images.shape[-2]:
            raise MflabError(
                f"Consistency needs square images, but got {images.shape[-2]} x {images.shape[-1]} pixels; crop or pad "
                "the images and their cameras."
            )
        if alpha.shape != (*images.shape[:-3], 1, *images.shape[-2:]):
            raise MflabError(
                f"alpha must have the batch, views and pixels of the images, but got {list(alpha.shape)} for images "
                f"{list(images.shape)}; pass one mask per view, or estimate_alpha(images)."
            )
        if alpha.device != images.device:
            raise MflabError(
                f"images and alpha must be on one device, but got {images.device} and {alpha.device}; move one of them."
            )
        _check_cameras(self.cameras, tuple(images.shape))
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "alpha", alpha.to(images.dtype))

    @property
    def num_views(self) -> int:
        return self.images.shape[-4]

    @property
    def width(self) -> int:
        return self.images.shape[-1]

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return tuple(self.images.shape[:-4])

    def select(self, order: Sequence[int]) -> "ViewSet":
        """The views `order`, in that order, with their cameras."""
        index = torch.as_tensor(list(order), device=self.images.device)
        images, alpha = self.images.index_select(-4, index), self.alpha.index_select(-4, index)
        return ViewSet(images, alpha, self.cameras.select(list(order)))

    def resized(self, width: int) -> "ViewSet":
        """The same views at `width` pixels by box averages, cameras included.

        Colours over a uniform background average like premultiplied colours, so nothing has to be taken apart.

        Raises:
            MflabError: `width` is not positive or larger than the images.
        """
        if width == self.width:
            return self
        if not 1 <= width < self.width:
            raise MflabError(
                f"width must be between 1 and the image width, but got width={width} for {self.width} pixels; views "
                "are never enlarged."
            )
        weights = area_matrix(self.width, width).to(self.images)
        images, alpha = ((weights @ image @ weights.T).clamp(0.0, 1.0) for image in (self.images, self.alpha))
        return ViewSet(images, alpha, self.cameras.resized(width, width))

    def flattened(self) -> "ViewSet":
        """The same sets with exactly one leading axis, cameras repeated where they were shared; single precision."""
        num_views = self.num_views
        c2w = self.cameras.c2w.expand(*self.batch_shape, num_views, 4, 4).reshape(-1, num_views, 4, 4)
        K = self.cameras.K.expand(*self.batch_shape, num_views, 3, 3).reshape(-1, num_views, 3, 3)
        return ViewSet(
            self.images.reshape(-1, *self.images.shape[-4:]).float(),
            self.alpha.reshape(-1, *self.alpha.shape[-4:]).float(),
            replace(self.cameras, c2w=c2w.to(self.images.device), K=K.to(self.images.device)),
        )

    @staticmethod
    def stacked(sets: "Sequence[ViewSet]") -> "ViewSet":
        """Single sets of one rig and one size along a new leading axis."""
        images, alpha = torch.stack([one.images for one in sets]), torch.stack([one.alpha for one in sets])
        return ViewSet(images, alpha, Cameras.stacked([one.cameras for one in sets]))

    def take(self, sets: Sequence[int]) -> "ViewSet":
        """The sets of these numbers along the one leading axis of a flattened collection."""
        index = torch.as_tensor(list(sets), device=self.images.device)
        cameras = replace(self.cameras, c2w=self.cameras.c2w[index], K=self.cameras.K[index])
        return ViewSet(self.images[index], self.alpha[index], cameras)


def _check_cameras(cameras: Cameras, shape: tuple[int, ...]) -> None:
    batch, num_views, width = shape[:-4], shape[-4], shape[-1]
    if cameras.num_views != num_views:
        raise MflabError(
            f"Every view needs its camera, but got {cameras.num_views} cameras for {num_views} views; pass the cameras "
            "of these views in their order."
        )
    if (cameras.width, cameras.height) != (width, width):
        raise MflabError(
            f"Cameras must be for the size of the images, but got cameras of {cameras.width} x {cameras.height} and "
            f"images of {width} x {width} pixels; use cameras.resized."
        )
    if (
        cameras.c2w.shape[:-3] not in (torch.Size(), torch.Size(batch))
        or cameras.K.shape[:-3] != cameras.c2w.shape[:-3]
    ):
        raise MflabError(
            f"Cameras must have the batch {list(batch)} of the images or none, but got c2w {list(cameras.c2w.shape)} "
            f"and K {list(cameras.K.shape)}; pass one set of cameras per set of views."
        )
    rotation = cameras.c2w[..., :3, :3].double()
    error = (rotation @ rotation.mT - torch.eye(3, dtype=torch.float64, device=rotation.device)).abs().amax()
    focal = torch.minimum(cameras.K[..., 0, 0], cameras.K[..., 1, 1]).amin()
    is_finite = bool(torch.isfinite(cameras.c2w).all() and torch.isfinite(cameras.K).all())
    if not is_finite or float(error) > 1e-3 or float(focal) <= 0:
        raise MflabError(
            "Cameras must be finite with orthonormal rotations and positive focal lengths, but got "
            f"|R R^T - 1| = {float(error):.2g} and a smallest focal length of {float(focal):.3g} pixels; look at the "
            "cameras of this set."
        )
