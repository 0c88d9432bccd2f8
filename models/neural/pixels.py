"""The photos' covered pixels as a training set, and which of the views are held out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from utils.errors import UserError
from utils.photos.crops import Photos
from utils.render import Fragments, Renderer
from utils.render.samples import interpolate_at

if TYPE_CHECKING:
    from models.neural.mesh import NeuralMesh

FEWEST_PIXELS = 256  # fewer comparable pixels of the hands are no capture of hands
PROBE_SHARE = 6  # one view of so many is held out at once
FOLDS = 3  # times, of other views each time
FEWEST_PROBED = 4  # of fewer views none can be spared


@dataclass(frozen=True)
class TrainingPixels:
    """N comparable covered pixels of all views, which stay where they are while the mesh does.

    corners (N, 3) vertices and bary (N, 3) of each pixel's point; view, y, x (N,) in the crops;
    color (N, 3) of the photo; centers (views, 3) of the cameras, hand units.
    """

    corners: Tensor
    bary: Tensor
    view: Tensor
    y: Tensor
    x: Tensor
    color: Tensor
    centers: Tensor

    def __len__(self) -> int:
        return len(self.view)

    @staticmethod
    def of(mesh: NeuralMesh, photos: Photos) -> TrainingPixels:
        """The covered pixels that may be compared with the photos: of the skin, seen from outside.

        Raises UserError where hardly any are.
        """
        verts, faces, _ = mesh.closed()
        with torch.no_grad():
            fragments = Renderer(faces).rasterize(photos.cameras, verts)
            return TrainingPixels.from_fragments(fragments, photos, len(mesh.faces))

    @staticmethod
    def from_fragments(fragments: Fragments, photos: Photos, faces: int) -> TrainingPixels:
        """The same from what is drawn already; the first `faces` faces are skin."""
        rows = photos.at(fragments.view, fragments.y, fragments.x)
        skin = fragments.front_facing() & (fragments.face < faces)
        kept = torch.nonzero((rows.photometric > 0) & skin)[:, 0]
        if len(kept) < FEWEST_PIXELS:
            raise UserError(
                f"the photos show {len(kept)} comparable pixels of the hands; look at the overlays "
                "of mesh_sfs_optim.py and at the masks"
            )
        return TrainingPixels(
            corners=fragments.faces.long()[fragments.face[kept].long()],
            bary=fragments.bary.detach()[kept],
            view=fragments.view[kept].long(),
            y=fragments.y[kept].long(),
            x=fragments.x[kept].long(),
            color=rows.color[kept],
            centers=photos.cameras.centers().to(rows.color),
        )

    def part(self, chosen: Tensor) -> TrainingPixels:
        """The pixels chosen (n,) by number or mask."""
        return TrainingPixels(
            corners=self.corners[chosen],
            bary=self.bary[chosen],
            view=self.view[chosen],
            y=self.y[chosen],
            x=self.x[chosen],
            color=self.color[chosen],
            centers=self.centers,
        )

    def of_views(self, views: list[int]) -> TrainingPixels:
        """The pixels of some views, which may be none."""
        return self.part(torch.isin(self.view, torch.tensor(views).to(self.view)))

    def interpolate(self, values: Tensor) -> Tensor:
        """Values (V, C) of vertices at the pixels (N, C), differentiable in the values."""
        return interpolate_at(self.corners, self.bary, values)


def folds(pixels: TrainingPixels) -> list[list[int]]:
    """Views to hold out together, one list after another: a sixth of them each, evenly spread.

    Empty where fewer than four views show the hands.
    """
    counts = torch.bincount(pixels.view, minlength=len(pixels.centers))
    useful = torch.nonzero(counts >= FEWEST_PIXELS)[:, 0].tolist()
    if len(useful) < FEWEST_PROBED:
        return []
    number = max(1, round(len(useful) / PROBE_SHARE))
    apart = len(useful) / number
    shifts = [(fold + 0.5) / FOLDS for fold in range(FOLDS)]
    return [[useful[int((k + shift) * apart)] for k in range(number)] for shift in shifts]
