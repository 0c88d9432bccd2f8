"""Cameras: the suite's one place for projection, crops, normalised frames and clip space.

Conventions, here and everywhere:
- OpenCV axes: x right, y down, z forward; `x_cam = R X_world + t`.
- `K` is in pixels and the centre of the top-left pixel is (0, 0): an image of width W spans
  [-0.5, W - 0.5]. Only `clip_from_px` knows clip space and the half pixel.
- Matrices act on column vectors; names say the frames (`world_from_norm`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from utils.cameras.arrays import CameraArrays


@dataclass(frozen=True)
class Similarity:
    """x_to = scale * x_from + offset: a uniform scale (float) and an offset (3,)."""

    scale: float
    offset: Tensor  # (3,)

    def apply(self, points: Tensor) -> Tensor:
        """Map points (..., 3) into the target frame, in the points' own precision."""
        return points * self.scale + self.offset.to(points)

    def inverse(self) -> Similarity:
        """The map back: x_from = (x_to - offset) / scale."""
        return Similarity(1.0 / self.scale, -self.offset / self.scale)

    def matrix(self) -> np.ndarray:
        """The map (4, 4), float64, of homogeneous points."""
        matrix = np.diag([self.scale, self.scale, self.scale, 1.0])
        matrix[:3, 3] = self.offset.cpu().numpy()
        return matrix


@dataclass(frozen=True)
class Cameras:
    """B pinhole cameras without distortion.

    K (B, 3, 3) pixels; R (B, 3, 3) and t (B, 3) cam_from_world, world units;
    sizes (B, 2) int64, (height, width), always on the CPU.
    """

    K: Tensor
    R: Tensor
    t: Tensor
    sizes: Tensor

    @staticmethod
    def of(K: np.ndarray, R: np.ndarray, t: np.ndarray, sizes: Tensor) -> Cameras:
        """Cameras of arrays K, R (B, 3, 3) and t (B, 3), on the CPU."""
        return Cameras(torch.from_numpy(K), torch.from_numpy(R), torch.from_numpy(t), sizes)

    @staticmethod
    def of_arrays(arrays: CameraArrays) -> Cameras:
        """The same cameras as tensors, on the CPU."""
        return Cameras.of(arrays.K, arrays.R, arrays.t, torch.from_numpy(arrays.sizes))

    def arrays(self) -> CameraArrays:
        """The same cameras as arrays."""
        return CameraArrays(*(x.cpu().numpy() for x in (self.K, self.R, self.t, self.sizes)))

    def __len__(self) -> int:
        return len(self.K)

    def __getitem__(self, index: int | slice | list[int] | Tensor) -> Cameras:
        """Choose cameras by index, slice, list or boolean mask; the batch dimension stays."""
        if isinstance(index, int):
            index = [index]
        cpu_index = index.cpu() if isinstance(index, Tensor) else index
        return Cameras(self.K[index], self.R[index], self.t[index], self.sizes[cpu_index])

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Cameras:
        """Move and cast K, R and t; sizes stay where they are."""
        K, R, t = (x.to(device=device, dtype=dtype) for x in (self.K, self.R, self.t))
        return Cameras(K, R, t, self.sizes)

    def px_from_world(self, points: Tensor) -> Tensor:
        """Homogeneous pixels (B, V, 3) = (x z, y z, z) of points (V, 3) or (B, V, 3).

        z is the depth in the points' unit; differentiable in points, K, R and t.
        """
        KR, Kt = self.px_matrices()
        return points @ KR.transpose(1, 2) + Kt[:, None]

    def px_matrices(self) -> tuple[Tensor, Tensor]:
        """K R (B, 3, 3) and K t (B, 3): homogeneous pixels are K R point + K t."""
        return self.K @ self.R, (self.K @ self.t[..., None])[..., 0]

    def project(self, points: Tensor) -> Tensor:
        """Pixels (B, V, 2) of points (V, 3) or (B, V, 3). Points behind a camera make no sense."""
        px = self.px_from_world(points)
        return px[..., :2] / px[..., 2:]

    def project_visible(self, points: Tensor) -> Tensor:
        """Pixels as `project`, nan for points that are not in front of a camera."""
        px = self.px_from_world(points)
        in_front = px[..., 2:] > 0
        return torch.where(in_front, px[..., :2] / px[..., 2:], torch.nan)

    def centers(self) -> Tensor:
        """Camera centres (B, 3) in world units."""
        return -(self.R.transpose(1, 2) @ self.t[..., None])[..., 0]

    def crop(self, boxes: Tensor) -> Cameras:
        """Cameras of the sub-images `boxes` (B, 4) = x0, y0, x1, y1 (x1, y1 not included)."""
        shift = torch.zeros_like(self.K)
        shift[:, :2, 2] = boxes[:, :2].to(self.K)
        boxes = boxes.cpu().long()
        sizes = torch.stack([boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], 1)
        return replace(self, K=self.K - shift, sizes=sizes)

    def resize(self, sizes: Tensor) -> Cameras:
        """Cameras of the images resampled to `sizes` (B, 2) height, width.

        Image borders stay image borders: x' + 0.5 = (x + 0.5) W' / W.
        """
        factor = (sizes / self.sizes).flip(1).to(self.K)  # (B, 2) x, y
        A = torch.diag_embed(torch.cat([factor, torch.ones_like(factor[:, :1])], 1))
        A[:, :2, 2] = (factor - 1) / 2
        return replace(self, K=A @ self.K, sizes=sizes.cpu().long())

    def normalised(self, world_from_norm: Similarity) -> Cameras:
        """The same cameras seen from the normalised frame; depths come in its unit."""
        offset = world_from_norm.offset.to(self.t)
        t = ((self.R @ offset[:, None])[..., 0] + self.t) / world_from_norm.scale
        return replace(self, t=t)


def clip_from_px(
    points_px: Tensor,
    size: tuple[int, int],
    near: float | Tensor = 0.01,
    far: float | Tensor = 100.0,
) -> Tensor:
    """OpenGL-like clip coordinates (B, V, 4) of homogeneous pixels (B, V, 3).

    Clip x, y in [-w, w] span the image of `size` (height, width), y pointing down as in the
    image's rows; z in [-w, w] spans depths `near` to `far`, of all views or (B, 1) one
    each; w is the depth.
    """
    height, width = size
    x, y, w = points_px.unbind(-1)
    clip_x = (2 * x + w) / width - w
    clip_y = (2 * y + w) / height - w
    clip_z = ((far + near) * w - 2 * far * near) / (far - near)
    return torch.stack([clip_x, clip_y, clip_z, w], -1)


def clip_from_world(
    cameras: Cameras, points: Tensor, size: tuple[int, int], near: float = 0.01, far: float = 100.0
) -> Tensor:
    """Clip coordinates (B, V, 4) of world points (V, 3) or (B, V, 3); see `clip_from_px`."""
    return clip_from_px(cameras.px_from_world(points), size, near, far)
