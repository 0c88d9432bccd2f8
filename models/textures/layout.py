"""Where the surface of the hands lies in the texture: a square tile a hand, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.hand import HandModel
from utils.errors import UserError
from utils.render import Renderer

NO_UNWRAP = "textures of MANO hands need xatlas: pip install -r requirements-export.txt"


@dataclass(frozen=True)
class TextureLayout:
    """uv (T, 2) in [0, 1] of each hand's own tile, u right and v up, and face_uv (F, 3) of all
    hands' faces in the reconstruction's order; tile (F,) the number of each face's hand."""

    uv: np.ndarray
    face_uv: np.ndarray
    tile: np.ndarray

    @property
    def tiles(self) -> int:
        """Number of hands."""
        return int(self.tile.max()) + 1

    def corners_px(self, size: int) -> np.ndarray:
        """Pixels (F, 3, 2) of the faces' corners in a texture of `size` rows; x over all tiles."""
        corners = self.uv[self.face_uv]
        x = (corners[..., 0] + self.tile[:, None]) * size - 0.5
        return np.stack([x, (1 - corners[..., 1]) * size - 0.5], -1)


@dataclass(frozen=True)
class Texels:
    """The texels that lie on the surface: row y, column x (N,), face (N,), bary (N, 3) float32."""

    y: np.ndarray
    x: np.ndarray
    face: np.ndarray
    bary: np.ndarray
    shape: tuple[int, int]

    def at(self, values: np.ndarray, faces: np.ndarray) -> np.ndarray:
        """Values (V, C) of a mesh's vertices at the texels (N, C), float32; faces (F, 3)."""
        corners = np.asarray(values, np.float32)
        total = np.zeros((len(self.face), corners.shape[1]), np.float32)
        for k in range(3):
            total += self.bary[:, k, None] * corners[faces[self.face, k]]
        return total


def texture_layout(models: Sequence[HandModel], subdivisions: int) -> TextureLayout:
    """The layout of hands after `subdivisions`, in order; the model's own UVs.

    Raises UserError for models without UVs where xatlas, which makes some, is missing.
    """
    uvs, faces, tiles, count = [], [], [], 0
    for number, model in enumerate(models):
        levels = unwrapped(model).subdivide(subdivisions)
        assert levels.uv is not None and levels.face_uv is not None
        uvs.append(levels.uv)
        faces.append(levels.face_uv + count)
        tiles.append(np.full(len(levels.faces), number))
        count += len(levels.uv)
    return TextureLayout(np.concatenate(uvs), np.concatenate(faces), np.concatenate(tiles))


def unwrapped(model: HandModel) -> HandModel:
    """The model with UVs: its own, or for a model without any those that xatlas makes."""
    if model.uv is not None:
        return model
    try:
        import xatlas
    except ImportError as error:
        raise UserError(NO_UNWRAP) from error
    mirrored = model.v_template.double().numpy() * ([-1, 1, 1] if model.side == "left" else 1)
    faces = model.faces.cpu().numpy()
    faces = faces[:, ::-1] if model.side == "left" else faces  # both sides are cut alike
    _, face_uv, uv = xatlas.parametrize(mirrored.astype(np.float32), faces.astype(np.uint32))
    face_uv = face_uv[:, ::-1] if model.side == "left" else face_uv
    model.uv = torch.from_numpy(uv.copy()).to(model.v_template)
    model.face_uv = torch.from_numpy(face_uv.astype(np.int64))
    return model


def surface_texels(layout: TextureLayout, size: int) -> Texels:
    """The texels whose centres lie on a face, of a texture of `size` rows."""
    corners = layout.corners_px(size).reshape(-1, 2)
    verts = torch.from_numpy(np.column_stack([corners, np.ones(len(corners))])).float()
    faces = torch.arange(len(corners), dtype=torch.int32).reshape(-1, 3)
    sizes = torch.tensor([[size, size * layout.tiles]])
    fragments = Renderer(faces, "cpu").rasterize_px(verts[None], sizes, torch.tensor([1e6]))
    y, x, face = (value.numpy() for value in (fragments.y, fragments.x, fragments.face))
    shape = (size, size * layout.tiles)
    return Texels(y, x, face, fragments.bary.numpy(), shape)


class AlbedoTexture:
    """Albedo (H, W, 3) over a layout, sampled as finely as the pixels ask for.

    image: float tensor, on the device of what is drawn; its averages by 2, 4, ... (mipmaps) keep
    fine texels from glittering.
    """

    def __init__(self, image: Tensor, layout: TextureLayout):
        corners = torch.from_numpy(layout.corners_px(len(image))).float()
        self.layout, self.corners = layout, corners.to(image.device)
        levels = [image.movedim(-1, 0)[None].float()]
        while min(levels[-1].shape[2:]) > 64:
            levels.append(torch.nn.functional.avg_pool2d(levels[-1], 2))
        self.levels = levels
        (ax, ay), (bx, by) = ((self.corners[:, k] - self.corners[:, 0]).unbind(1) for k in (1, 2))
        self.face_area = (ax * by - ay * bx).abs() / 2  # texels

    def __call__(self, face: Tensor, bary: Tensor, pixel_area: Tensor) -> Tensor:
        """Albedo (N, 3) at barycentrics (N, 3) of faces (N,) whose areas in the image are
        pixel_area (N,), square pixels."""
        face = face.long()
        place = (bary[..., None] * self.corners[face]).sum(1)  # (N, 2)
        finer = 0.5 * (self.face_area[face] / pixel_area.clamp(min=1e-6)).clamp(min=1).log2()
        finer = finer.clamp(max=len(self.levels) - 1.001)
        values = torch.zeros(len(face), 3, device=bary.device)
        for number in range(len(self.levels)):
            weight = (1 - (finer - number).abs()).clamp(min=0)
            chosen = torch.nonzero(weight)[:, 0]
            if len(chosen):
                values[chosen] += weight[chosen, None] * self._sample(number, place[chosen])
        return values

    def _sample(self, number: int, place: Tensor) -> Tensor:
        level = self.levels[number]
        size = place.new_tensor([self.levels[0].shape[3], self.levels[0].shape[2]])
        grid = (2 * (place + 0.5) / size - 1)[None, None]
        found = torch.nn.functional.grid_sample(
            level, grid, align_corners=False, padding_mode="border"
        )
        return found[0, :, 0].T
