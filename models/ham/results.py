"""Writes what HAM found: meshes, colours, T-poses, re-renderings, pictures and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.appearance.shading import Rendering, each_cover, each_rendering
from models.ham.state import HamState, LevelReport
from models.hand.fitted import FittedHand, HandsMesh
from utils.cameras import Cameras, Similarity
from utils.cameras.correction import CorrectableCameras
from utils.captures.capture import view_label
from utils.draw import comparison
from utils.io.files import atomic_path, save_json, save_torch
from utils.io.images import save_image
from utils.io.meshes import save_mesh
from utils.memory import release_memory
from utils.metrics.image import psnr
from utils.metrics.masks import iou
from utils.parallel import mapped, threads_for, together
from utils.photos.crops import ViewCrop
from utils.photos.masks import MaskVerdict
from utils.pictures import save_picture
from utils.stage.config import Config


def save_results(
    folder: Path,
    scan_id: str,
    hands: HandsMesh,
    result: HamResult,
    config: Config,
    rests: Sequence[RestSurface] | None = None,
    curve: bool = True,
) -> list[Path]:
    """Write the stage's whole contract into `folder`; returns the files that a rerun looks for.

    rests: the hands at rest, where they are known; curve: whether losses.png is drawn.
    """

    def save_shapes() -> list[Path]:
        own = _rest_surfaces(hands, result) if rests is None else rests
        outputs = _save_meshes(folder, scan_id, result)
        outputs += _save_rest_poses(folder, scan_id, own, result)
        outputs.append(_save_parameters(folder / f"{scan_id}.pt", hands, result))
        if curve:
            starts = np.cumsum([0] + [report.steps for report in result.reports])[:-1].tolist()
            path = folder / "losses.png"
            save_picture(path, lambda: save_loss_curve(path, result.state.history, starts))
        return outputs

    numbers, outputs = together(lambda: _save_pictures(folder, result), save_shapes)
    facts = {"photo_scale": result.photo_scale, "levels": [asdict(r) for r in result.reports]}
    save_json(folder / "metrics.json", {**facts, **numbers})
    save_json(folder / "config.json", config.plain())
    return [*outputs, folder / "metrics.json"]


def _save_meshes(folder: Path, scan_id: str, result: HamResult) -> list[Path]:
    verts, faces, colors = result.verts_world(), result.state.faces, _albedo(result)
    names = ("ori_{}.obj", "{}.obj", "{}_c.obj", "{}.ply")
    paths = [folder / name.format(scan_id) for name in names]
    save_mesh(paths[0], result.reference_world(), faces)
    save_mesh(paths[1], verts, faces)
    save_mesh(paths[2], verts, faces, colors)
    save_mesh(paths[3], verts, faces, colors)
    return paths


def _albedo(result: HamResult) -> np.ndarray:
    assert result.state.appearance is not None
    return result.state.appearance.albedo.detach().cpu().clamp(0, 1).numpy()


@dataclass(frozen=True)
class RestSurface:
    """One hand un-posed by its skinning: world units, the hand model's rest pose and origin."""

    side: str
    verts: np.ndarray  # (V', 3)
    faces: np.ndarray  # (F', 3)


def _rest_surfaces(hands: HandsMesh, result: HamResult) -> list[RestSurface]:
    verts, surfaces = torch.from_numpy(result.verts_world()), []
    subdivisions, size = result.state.subdivisions, len(verts) // len(hands)
    for k, hand in enumerate(hands.parameters):
        fitted = FittedHand.of_dict(hand)
        rest = fitted.unposed(verts[k * size : (k + 1) * size], subdivisions) * fitted.scale
        faces = fitted.model.subdivide(subdivisions).faces
        surfaces.append(RestSurface(hand["type"], rest.numpy(), faces))
    return surfaces


def _save_rest_poses(
    folder: Path, scan_id: str, rests: Sequence[RestSurface], result: HamResult
) -> list[Path]:
    colors, paths, first = _albedo(result), [], 0
    for rest in rests:
        paths.append(folder / f"{scan_id}_{rest.side}_tpose.obj")
        last = first + len(rest.verts)
        save_mesh(paths[-1], rest.verts, rest.faces, colors[first:last])
        first = last
    return paths


def _save_parameters(path: Path, hands: HandsMesh, result: HamResult) -> Path:
    """What repose.py and neural_render.py start from; loads with weights_only=True."""
    appearance, cameras = result.state.appearance, result.cameras
    assert appearance is not None
    save_torch(
        path,
        {
            **appearance.as_dict(),
            "verts": torch.from_numpy(result.verts_world()),
            "faces": torch.from_numpy(result.state.faces),
            "subdivisions": result.state.subdivisions,
            "hands": hands.parameters,
            "world_from_hand_units": [result.frame.scale, *result.frame.offset.tolist()],
            "view_names": result.view_names,
            "cameras": {"K": cameras.K, "R": cameras.R, "t": cameras.t, "sizes": cameras.sizes},
        },
    )
    return path


def _save_pictures(folder: Path, result: HamResult) -> dict[str, Any]:
    """Re-renderings at the photos' size, comparisons, and the numbers of every view."""
    state, cameras = result.state, result.cameras.to(dtype=torch.float32)
    starts = each_cover(state.reference, state.faces, cameras)
    ends = each_rendering(state.verts, state.faces, state.appearance, cameras)

    def save(drawn: tuple[int, np.ndarray, Rendering]) -> dict[str, Any]:
        view, at_start, end = drawn
        return _save_view(folder, result, view, end, at_start)

    drawn = zip(range(len(cameras)), starts, ends)
    scores = list(mapped(save, drawn, threads_for(float(cameras.sizes.prod(1).max()))))
    release_memory()
    names = ("psnr", "iou", "iou_start")
    means = {name: _mean([score[name] for score in scores]) for name in names}
    moved = np.linalg.norm(result.verts_world() - result.reference_world(), axis=1)
    print(
        f"photos it was fitted to: PSNR {means['psnr']:.2f} dB, mask IoU "
        f"{means['iou_start']:.3f} -> {means['iou']:.3f}"
    )
    return {
        "fitted_views": means,
        "camera_shift_px": result.camera_shift_px(),
        "displacement_world_units": {"mean": moved.mean(), "max": moved.max()},
        "views": scores,
    }


def _save_view(
    folder: Path, result: HamResult, view: int, end: Rendering, at_start: np.ndarray
) -> dict[str, Any]:
    """One view's re-rendering and comparison; returns its numbers.

    at_start (H, W) bool: the pixels that the parametric hand covers.
    """
    name, verdict = result.view_names[view], result.verdicts[view]
    numbers = save_view_pictures(folder, view, name, result.crops[view], end, at_start)
    return {"view": view, "name": name, **numbers, "mask": verdict.as_dict()}


def save_view_pictures(
    folder: Path, view: int, name: str, crop: ViewCrop, end: Rendering, at_start: np.ndarray
) -> dict[str, float]:
    """Write rerender/mesh_%02d.png and overlay/%02d.png of a view; returns the latter's numbers.

    end: the refined hands at the photo's size; at_start (H, W) bool: where the parametric ones are.
    """
    rerendering, overlay = view_pictures(folder, view)
    save_image(rerendering, end.image)
    x0, y0, x1, y1 = crop.box
    image, covered, at_start = (x[y0:y1, x0:x1] for x in (end.image, end.covered, at_start))
    numbers = _view_numbers(crop, image, covered, at_start)
    label = view_label(view, name)
    title = f"view {label}: PSNR {numbers['psnr']:.1f} dB, IoU {numbers['iou']:.3f}"
    save_picture(overlay, partial(comparison, crop.image, image, covered, at_start, title))
    return numbers


def view_pictures(folder: Path, view: int) -> tuple[Path, Path]:
    """A view's re-rendering and comparison, in the stage's folder."""
    return folder / "rerender" / f"mesh_{view:02d}.png", folder / "overlay" / f"{view:02d}.png"


def _view_numbers(
    crop: ViewCrop, image: np.ndarray, covered: np.ndarray, at_start: np.ndarray
) -> dict[str, float]:
    """PSNR in pixels both covered and comparable; IoU in pixels whose mask is believed."""
    mask = crop.mask & crop.silhouette
    return {
        "psnr": psnr(image, crop.image, covered & crop.photometric),
        "iou": iou(covered & crop.silhouette, mask),
        "iou_start": iou(at_start & crop.silhouette, mask),
    }


def _mean(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


@dataclass
class HamResult:
    """The refined hands: final state, world_from_hand_units and the evidence.

    given_cameras are those of the full photos in hand units, before HAM's own corrections;
    photo_scale is what the photos were shrunk by.
    """

    state: HamState
    frame: Similarity
    given_cameras: Cameras
    crops: Sequence[ViewCrop]
    verdicts: list[MaskVerdict]
    reports: list[LevelReport]
    view_names: list[str]
    photo_scale: float = 1.0

    @property
    def cameras(self) -> Cameras:
        """The full photos' cameras in hand units, corrected."""
        return self._correctable().corrected(self.state.correction.cpu().double())

    def camera_shift_px(self) -> list[float]:
        """How far HAM moved the hands in each photo, pixels."""
        return self._correctable().shift_px(self.state.correction.cpu().double()).tolist()

    def _correctable(self) -> CorrectableCameras:
        return CorrectableCameras(self.given_cameras, torch.zeros(3, dtype=torch.float64))

    def verts_world(self) -> np.ndarray:
        """Refined vertices (V, 3) float64, world units."""
        return self.frame.apply(self.state.verts.cpu().double()).numpy()

    def reference_world(self) -> np.ndarray:
        """The parametric hand's vertices (V, 3) on the same mesh, world units."""
        return self.frame.apply(self.state.reference.cpu().double()).numpy()


def save_loss_curve(
    path: Path, history: Sequence[dict[str, float]], level_starts: Sequence[int]
) -> None:
    """Draw every term of `history` (one dict a step) over the steps; levels are marked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # pyplot takes longer to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.08, 0.11, 0.9, 0.86))  # to lay it out anew takes longer than to draw
    for name in history[0] if history else ():
        if name != "seconds":
            values = np.array([step[name] for step in history])
            width = 2.5 if name == "total" else 1.2
            axes.plot(np.maximum(values, 1e-8), label=name, linewidth=width)
    for start in level_starts:
        axes.axvline(start, color="0.8", zorder=0)
    axes.set(xlabel="step", ylabel="weighted term", yscale="log")
    if history:
        axes.legend(ncols=4, fontsize="small")
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=110)
