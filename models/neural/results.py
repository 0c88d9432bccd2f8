"""Opens what neural_render.py needs, and writes what it made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.appearance.shading import Rendering
from models.ham.reconstruction import Reconstruction
from models.neural.checkpoint import TrainedHands
from models.neural.painter import WorldPainter, world_verts
from utils.draw import comparison
from utils.io.images import save_image
from utils.io.meshes import save_mesh
from utils.photos.crops import ViewCrop
from utils.pictures import save_picture


def save_training_pictures(
    folder: Path, hands: TrainedHands, reconstruction: Reconstruction, crops: Sequence[ViewCrop]
) -> list[Path]:
    """rerender/nr_%02d.png of every view in its own exposure, and neural/%02d.png beside photos."""
    painter, paths = WorldPainter(hands, reconstruction), []
    for view, crop in enumerate(crops):
        rendering = painter.render(reconstruction.cameras[view])
        covered = rendering.covered
        own = torch.from_numpy(rendering.image[covered]).to(hands.mesh.verts)
        with torch.no_grad():
            where = torch.full((len(own),), view, device=own.device)
            as_photographed = hands.trained.exposure(own, where)
        rendering.image[covered] = as_photographed.clamp(0, 1).cpu().numpy()
        paths.append(folder / "rerender" / f"nr_{view:02d}.png")
        save_image(paths[-1], rendering.image)
        x0, y0, x1, y1 = crop.box
        image, covered = rendering.image[y0:y1, x0:x1], covered[y0:y1, x0:x1]
        seen = crop.image, image, covered, covered
        draw = partial(comparison, *seen, f"view {view}")
        save_picture(folder / "neural" / f"{view:02d}.png", draw)
    return paths


def save_refined_mesh(path: Path, hands: TrainedHands, reconstruction: Reconstruction) -> None:
    """The mesh that the renderer draws, world units, with its albedo."""
    verts = world_verts(hands, reconstruction)
    albedo = hands.mesh.appearance.albedo.cpu().clamp(0, 1).numpy()
    save_mesh(path, verts, reconstruction.faces, albedo)


def save_pictures(folder: Path, renderings: Iterable[Rendering]) -> list[Path]:
    """%02d.png, RGB on black, and mask_%02d.png."""
    paths = []
    for view, rendering in enumerate(renderings):
        paths += [folder / f"{view:02d}.png", folder / f"mask_{view:02d}.png"]
        save_image(paths[-2], rendering.image)
        save_image(paths[-1], rendering.covered)
    return paths


def summary(report: dict[str, Any]) -> str:
    """What the held-out views said, in a few lines."""
    lines = []
    if report["tried"]:
        tried = report["tried"]
        gains = np.subtract(tried["neural"], tried["mesh"])
        lines.append(
            f"in {len(gains)} views, held out in turn: mesh shading {np.mean(tried['mesh']):.2f} "
            f"dB, neural renderer {np.mean(tried['neural']):.2f} dB ({gains.min():+.2f} to "
            f"{gains.max():+.2f}; colours aligned)"
        )
    if report["stage_2"]:
        before, after = report["stage_2"]["before"], report["stage_2"]["after"]
        verdict = "kept" if report["stage_2"]["kept"] else "not kept: the mesh stays as it was"
        lines.append(
            f"stage 2 in some of them: {before['psnr']:.2f} -> {after['psnr']:.2f} dB"
            + ("" if before["iou"] is None else f", IoU {before['iou']:.4f} -> {after['iou']:.4f}")
            + f"; {verdict}"
        )
    return "\n".join(lines) or "too few views to hold one out: nothing was chosen by them"
