"""Opens what neural_render.py needs, and writes what it made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.neural.checkpoint import TrainedHands
from models.neural.painter import Painter
from models.neural.refinement import SurfaceStart
from models.reconstruction import Reconstruction, load_reconstruction
from models.rerender import Rendering
from utils.cameras import Cameras
from utils.captures import Capture, load_corrected_capture
from utils.config import Config
from utils.errors import UserError
from utils.files import load_mesh, save_image, save_mesh
from utils.masks import nearest
from utils.photos import Photos, ViewCrop, pack_photos
from utils.report import comparison
from utils.trusted_views import trusted_views


def open_start(folder: Path, scan_id: str, found: Reconstruction, device: str) -> SurfaceStart:
    """The reconstruction in hand units, with the parametric hand that it was refined from."""
    path = folder / f"ori_{scan_id}.obj"
    reference, _ = load_mesh(path, "run mesh_sfs_optim.py on this scan first")
    if len(reference) != len(found.verts):
        raise UserError(f"{path} is not of {scan_id}.pt's mesh; run mesh_sfs_optim.py again")
    to_hand = found.frame.inverse()
    verts, reference = (
        to_hand.apply(torch.as_tensor(x)).to(device, torch.float32)
        for x in (found.verts, reference)
    )
    faces, appearance = torch.from_numpy(found.faces).to(device), found.appearance.copy().to(device)
    return SurfaceStart(verts, reference, faces, appearance)


def open_photos(
    capture: Capture, found: Reconstruction, fit_folder: Path, scale: float, device: str
) -> tuple[list[ViewCrop], Photos]:
    """The capture's views around the hands, in the cameras that the reconstruction ended with.

    Raises UserError where the capture has another number of views.
    """
    if len(capture) != len(found.cameras):
        raise UserError(
            f"{capture.scan_dir} holds {len(capture)} photos, the reconstruction "
            f"{len(found.cameras)} views; run mesh_sfs_optim.py on this scan again"
        )
    cameras = found.cameras.normalised(found.frame)
    verts = found.frame.inverse().apply(torch.from_numpy(found.verts)).numpy()
    crops, _ = trusted_views(capture, cameras, verts, fit_folder)
    return crops, pack_photos(crops, cameras, scale, device)


@dataclass(frozen=True)
class TrainingScan:
    """One scan as training takes it; inputs are the files that it was read from."""

    found: Reconstruction
    start: SurfaceStart
    crops: list[ViewCrop]
    photos: Photos
    inputs: list[Path]


def open_scan(data: Path, out: Path, scan_id: str, config: Config, device: str) -> TrainingScan:
    """Scan `scan_id` of the folder `data` with what the stages before left in `out`."""
    folder = out / config.out_mesh_dire / scan_id
    found = load_reconstruction(folder, scan_id)
    capture = load_corrected_capture(data, out, scan_id, config)
    inputs = [folder / f"{scan_id}.pt", folder / f"ori_{scan_id}.obj", *capture.image_paths]
    inputs += [capture.mask_path(view) for view in range(len(capture))]
    start = open_start(folder, scan_id, found, device)
    scale = config.neural_render.image_scale
    crops, photos = open_photos(capture, found, out / config.input_mesh_dire, scale, device)
    return TrainingScan(found, start, crops, photos, inputs)


class WorldPainter:
    """Draws trained hands into cameras in world units."""

    def __init__(self, hands: TrainedHands, found: Reconstruction) -> None:
        self._hands, self._found = hands, found
        self._painter = Painter(hands.trained.model, hands.mesh)

    @property
    def verts(self) -> np.ndarray:
        """Vertices (V, 3) of what it draws, world units."""
        return world_verts(self._hands, self._found)

    def render(self, camera: Cameras) -> Rendering:
        """The picture of one camera, on black."""
        device = self._hands.mesh.verts.device
        own = camera.normalised(self._found.frame).to(device, torch.float32)
        return self._painter.render(own)

    def extended(self, camera: Cameras) -> list[np.ndarray]:
        """The picture with the hands' colours continued to every pixel around them.

        So it can be compared in a region that is not exactly the hands' own.
        """
        rendering = self.render(camera)
        return [extend_colors(rendering)]


def extend_colors(rendering: Rendering) -> np.ndarray:
    """The image (H, W, 3) with uncovered pixels coloured as the nearest covered one."""
    if not rendering.covered.any():
        return rendering.image
    return rendering.image.reshape(-1, 3)[nearest(rendering.covered)]


def save_training_pictures(
    folder: Path, hands: TrainedHands, found: Reconstruction, crops: Sequence[ViewCrop]
) -> list[Path]:
    """rerender/nr_%02d.png of every view in its own exposure, and neural/%02d.png beside photos."""
    painter, paths = WorldPainter(hands, found), []
    for view, crop in enumerate(crops):
        rendering = painter.render(found.cameras[view])
        covered = rendering.covered
        own = torch.from_numpy(rendering.image[covered]).to(hands.mesh.verts)
        with torch.no_grad():
            seen = hands.trained.exposure(own, torch.full((len(own),), view, device=own.device))
        rendering.image[covered] = seen.clamp(0, 1).cpu().numpy()
        paths.append(folder / "rerender" / f"nr_{view:02d}.png")
        save_image(paths[-1], rendering.image)
        x0, y0, x1, y1 = crop.box
        image, covered = rendering.image[y0:y1, x0:x1], covered[y0:y1, x0:x1]
        picture = comparison(crop.image, image, covered, covered, f"view {view}")
        save_image(folder / "neural" / f"{view:02d}.png", picture)
    return paths


def world_verts(hands: TrainedHands, found: Reconstruction) -> np.ndarray:
    """Vertices (V, 3) of the mesh that the renderer draws, world units."""
    return found.frame.apply(hands.mesh.verts.cpu().double()).numpy()


def save_refined_mesh(path: Path, hands: TrainedHands, found: Reconstruction) -> None:
    """The mesh that the renderer draws, world units, with its albedo."""
    verts = world_verts(hands, found)
    albedo = hands.mesh.appearance.albedo.cpu().clamp(0, 1).numpy()
    save_mesh(path, verts, found.faces, albedo)


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
