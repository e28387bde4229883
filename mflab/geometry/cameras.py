"""Pinhole cameras in OpenCV axes and the checks that keep wrong ones out.

Axes: +x right, +y down, +z forward. World: z up, the subject faces -y, scene units. Intrinsics are in pixels of the
stated image size, with pixel (i, j) covering [j, j+1] x [i, i+1], so that its centre lies at +0.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mflab.errors import MflabError


@dataclass(frozen=True)
class Cameras:
    """Posed pinhole cameras of one or more sets of views.

    Attributes:
        c2w: camera-to-world, OpenCV axes, shape [..., V, 4, 4], scene units.
        K: intrinsics in pixels, shape [..., V, 3, 3].
        width: image width in pixels.
        height: image height in pixels.
    """

    c2w: Float[Tensor, "*batch view 4 4"]
    K: Float[Tensor, "*batch view 3 3"]
    width: int
    height: int

    @property
    def num_views(self) -> int:
        return self.c2w.shape[-3]

    @property
    def w2c(self) -> Float[Tensor, "*batch view 4 4"]:
        """World-to-camera matrices, by the inverse of a rigid motion."""
        rotation = self.c2w[..., :3, :3].mT
        translation = -rotation @ self.c2w[..., :3, 3:]
        return torch.cat([torch.cat([rotation, translation], dim=-1), self.c2w[..., 3:, :]], dim=-2)

    @property
    def position(self) -> Float[Tensor, "*batch view 3"]:
        return self.c2w[..., :3, 3]

    @staticmethod
    def stacked(sets: Sequence["Cameras"]) -> "Cameras":
        """Cameras of several sets of views of one image size, in a new leading axis."""
        c2w, K = torch.stack([one.c2w for one in sets]), torch.stack([one.K for one in sets])
        return Cameras(c2w, K, sets[0].width, sets[0].height)

    def select(self, order: Sequence[int]) -> "Cameras":
        """Cameras of the views `order`, in that order."""
        index = torch.as_tensor(list(order))
        return replace(self, c2w=self.c2w[..., index, :, :], K=self.K[..., index, :, :])

    def cropped(self, left: int, top: int, width: int, height: int) -> "Cameras":
        """Cameras of the image region that starts at pixel (left, top)."""
        K = self.K.clone()
        K[..., 0, 2] -= left
        K[..., 1, 2] -= top
        return Cameras(self.c2w, K, width, height)

    def resized(self, width: int, height: int) -> "Cameras":
        """Cameras of the same images scaled to `width` x `height` pixels."""
        K = self.K.clone()
        K[..., 0, :] *= width / self.width
        K[..., 1, :] *= height / self.height
        return Cameras(self.c2w, K, width, height)

    def to_frames(self) -> list[dict[str, Any]]:
        """Frames of an `opencv_cameras.json`: w, h, fx, fy, cx, cy, w2c; for one set of views.

        Source: layout of the FaceLift sample data (https://github.com/weijielyu/FaceLift).
        """
        frames = []
        for w2c, K in zip(self.w2c, self.K, strict=True):
            intrinsics = {"fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
            values = {name: float(value) for name, value in intrinsics.items()}
            frames.append({"w": self.width, "h": self.height, **values, "w2c": w2c.tolist()})
        return frames

    @staticmethod
    def from_frames(frames: Sequence[dict[str, Any]], source: str) -> "Cameras":
        """Cameras of the frames of an `opencv_cameras.json`, in double precision.

        Args:
            frames: one mapping per view with w, h, fx, fy, cx, cy and a 4x4 world-to-camera matrix.
            source: where the frames come from, for errors.

        Raises:
            MflabError: a field is missing, image sizes differ, or a matrix is not 4x4.
        """
        c2w, K, sizes = [], [], []
        for index, frame in enumerate(frames):
            missing = [name for name in ("w", "h", "fx", "fy", "cx", "cy", "w2c") if name not in frame]
            if missing:
                raise MflabError(f"Each camera frame must have {missing}, but frame {index} of {source} lacks them.")
            w2c = torch.tensor(frame["w2c"], dtype=torch.float64)
            if w2c.shape != (4, 4):
                raise MflabError(f"w2c must be 4x4, but got {tuple(w2c.shape)} in frame {index} of {source}.")
            rotation = w2c[:3, :3].T
            pose = torch.eye(4, dtype=torch.float64)
            pose[:3, :3] = rotation
            pose[:3, 3] = -rotation @ w2c[:3, 3]
            c2w.append(pose)
            fx, fy, cx, cy = (float(frame[name]) for name in ("fx", "fy", "cx", "cy"))
            K.append([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
            sizes.append((int(frame["w"]), int(frame["h"])))
        if len(set(sizes)) != 1:
            raise MflabError(f"All frames must have one image size, but got {sorted(set(sizes))} in {source}.")
        width, height = sizes[0]
        return Cameras(torch.stack(c2w), torch.tensor(K, dtype=torch.float64), width, height)


def orbit_c2w(azimuth_deg: float, elevation_deg: float, radius: float) -> Float[Tensor, "4 4"]:
    """Camera on a sphere around the origin that looks at it, upright.

    With p = r (cos e cos a, cos e sin a, sin e): forward = -p / |p|, right = forward x z, down = forward x right.

    Args:
        azimuth_deg: world azimuth a, atan2(y, x), degrees; -90 stands before the subject.
        elevation_deg: e in ]-90, 90[, degrees, positive above the subject.
        radius: distance to the origin, scene units, positive.

    Returns:
        Camera-to-world matrix, OpenCV axes, double precision.

    Source: the camera files of https://github.com/weijielyu/FaceLift, which it regenerates to 1e-6.
    """
    a = torch.deg2rad(torch.tensor(azimuth_deg, dtype=torch.float64))
    e = torch.deg2rad(torch.tensor(elevation_deg, dtype=torch.float64))
    position = radius * torch.stack([e.cos() * a.cos(), e.cos() * a.sin(), e.sin()])
    forward = -position / position.norm()
    right = torch.linalg.cross(forward, torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    right = right / right.norm()
    down = torch.linalg.cross(forward, right)
    c2w = torch.eye(4, dtype=torch.float64)
    c2w[:3, :4] = torch.stack([right, down, forward, position], dim=1)
    return c2w


def check_cameras(cameras: Cameras, source: str) -> None:
    """Refuses cameras that no photograph can have been taken with.

    Args:
        cameras: one set of views.
        source: where they come from, for errors.

    Raises:
        MflabError: a rotation is not orthonormal or is a reflection, the world origin (the object) is behind the
            camera or far outside its image, or the intrinsics are impossible (focal length not positive or not in
            pixels, principal point far outside).
    """
    for view in range(cameras.num_views):
        c2w, K = cameras.c2w[view].double(), cameras.K[view].double()
        where = f"view {view} of {source}"
        if not bool(torch.isfinite(c2w).all() and torch.isfinite(K).all()):
            raise MflabError(f"Camera matrices must be finite, but {where} is not; write the cameras again.")
        rotation = c2w[:3, :3]
        error = float((rotation @ rotation.T - torch.eye(3, dtype=torch.float64)).abs().max())
        if error > 1e-4:
            raise MflabError(f"A camera rotation must be orthonormal, but |R R^T - 1| = {error:.2g} in {where}.")
        determinant = float(torch.linalg.det(rotation))
        if determinant < 0:
            raise MflabError(
                f"A camera rotation must have determinant +1, but got {determinant:+.0f} (a reflection) in {where}; "
                "build right, down and forward by cross products."
            )
        depth = float(-rotation[:, 2] @ c2w[:3, 3])
        if depth <= 0:
            raise MflabError(
                f"The world origin must lie in front of the camera, but its depth is {depth:.2f} in {where}; "
                "check whether w2c and c2w are swapped."
            )
        fx, fy, cx, cy = (float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2]))
        width, height = cameras.width, cameras.height
        # A focal length below 5 % of the side, a field of view above 168 degrees: K in shares of the image.
        if fx < 0.05 * width or fy < 0.05 * height or not (-width < cx < 2 * width and -height < cy < 2 * height):
            raise MflabError(
                "Intrinsics must have positive focal lengths and a principal point near the image, but got "
                f"fx={fx:.1f}, fy={fy:.1f}, cx={cx:.1f}, cy={cy:.1f} for {width}x{height} pixels in {where}; give K in "
                "pixels of this image size."
            )
        local = -rotation.T @ c2w[:3, 3]
        u, v = fx * float(local[0]) / depth + cx, fy * float(local[1]) / depth + cy
        # One image side of tolerance: objects need not be centred. Swapped matrices of a raised camera fail here.
        if not (-width < u < 2 * width and -height < v < 2 * height):
            raise MflabError(
                f"A camera must look at the object, but the world origin projects to ({u:.0f}, {v:.0f}) in "
                f"{width}x{height} pixels for {where}; check whether w2c and c2w are swapped."
            )
