"""The refinement's pictures of every view, once more: with the texture that was made after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from models.appearance.shading import Rendering, each_cover
from models.ham.reconstruction import Reconstruction
from models.ham.results import save_view_pictures, view_pictures
from models.textures.layout import AlbedoTexture
from models.textures.painting import TexturePainter
from utils.memory import release_memory
from utils.parallel import mapped, threads_for
from utils.photos.crops import ViewCrop
from utils.progress_bar import progress


def save_textured_pictures(
    folder: Path,
    reconstruction: Reconstruction,
    reference: np.ndarray,
    crops: Sequence[ViewCrop],
    names: Sequence[str],
    texture: AlbedoTexture,
) -> list[Path]:
    """Write rerender/mesh_%02d.png and overlay/%02d.png of every fitted view with the texture, in
    the light of its photo; returns the files.

    reference (V, 3): the parametric hands, world units; crops: the photos; names: of the views.
    """
    verts, cameras = reconstruction.in_hand_units(reconstruction.cameras)
    start = reconstruction.frame.inverse().apply(torch.from_numpy(reference)).float()
    faces = torch.from_numpy(reconstruction.faces)
    painter = TexturePainter(verts, faces, reconstruction.appearance, texture)
    starts = each_cover(start, reconstruction.faces, cameras)

    def save(drawn: tuple[int, np.ndarray, Rendering]) -> tuple[Path, Path]:
        view, at_start, end = drawn
        save_view_pictures(folder, view, names[view], crops[view], end, at_start)
        return view_pictures(folder, view)

    views = progress(range(len(cameras)), "overlays")
    drawn = ((view, next(starts), painter.render(cameras[view], view)) for view in views)
    paths = list(mapped(save, drawn, threads_for(float(cameras.sizes.prod(1).max()))))
    release_memory()
    return [path for pair in paths for path in pair]
