"""Writes an evaluation: renderings, comparisons, the error on the mesh, the table, the numbers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from models.evaluation.error_picture import error_colors, error_picture
from models.evaluation.judge import Evaluation
from models.evaluation.report import table_text, view_comparison
from models.evaluation.views import ViewResult
from models.ham.reconstruction import Reconstruction
from utils import draw
from utils.captures.evaluation_views import EvaluationViews
from utils.io.files import check_folder_name, save_json, save_text
from utils.io.images import save_image
from utils.io.meshes import save_mesh
from utils.pictures import save_picture


def save_evaluation(
    folder: Path, reconstruction: Reconstruction, views: EvaluationViews, evaluation: Evaluation
) -> list[Path]:
    """Write all files into `folder` and print the table; returns the paths."""
    outputs, sheet = [], []
    for result in evaluation.views:
        outputs += _save_renderings(folder, result)
        seen = views.image(result.view), views.mask(result.view)
        if any(each is not None for each in seen):
            path = folder / f"compare_{result.view:02d}.png"
            outputs += save_picture(path, partial(_comparison, result, *seen, sheet))
    if sheet:
        outputs += save_picture(folder / "sheet.png", lambda: draw.contact_sheet(sheet, width=960))
    outputs += _save_error(folder, reconstruction, evaluation)
    table = table_text(evaluation.metrics)
    print(table, end="")
    outputs += [folder / "table.txt", folder / "metrics.json"]
    save_text(outputs[-2], table)
    save_json(outputs[-1], evaluation.metrics)
    return outputs


def _save_renderings(folder: Path, result: ViewResult) -> list[Path]:
    number = f"{result.view:02d}.png"
    paths = [folder / f"{name}_{number}" for name in result.renderings]
    for path, rendering in zip(paths, result.renderings.values()):
        save_image(path, np.where(rendering.covered[..., None], rendering.image, 0))
    paths.append(folder / f"mesh_mask_{number}")
    save_image(paths[-1], result.shape.covered)
    return paths


def _comparison(
    result: ViewResult,
    photo: np.ndarray | None,
    mask: np.ndarray | None,
    sheet: list[np.ndarray],
) -> np.ndarray:
    """The view's picture, which the sheet gets, too."""
    if photo is None:
        photo = np.zeros((*result.shape.covered.shape, 3), np.float32)
    image = result.renderings["mesh"].image
    if result.alignment is not None:
        image = result.alignment.apply(image)
    shape = result.shape
    covered, title = shape.covered, title_of(result)
    sheet.append(view_comparison(photo, image, covered, mask, shape.ignored, title))
    return sheet[-1]


def title_of(result: ViewResult) -> str:
    """One line above a view's comparison."""
    facts = []
    if result.status != "ok":
        facts.append(result.status)
    if result.masks.get("iou") is not None:
        facts.append(f"IoU {result.masks['iou']:.3f}")
    if "mesh" in result.images:
        scores = result.images["mesh"]
        facts.append(f"PSNR {scores['psnr']:.1f} dB, colours aligned {scores['psnr_aligned']:.1f}")
    return f"view {result.view}: {', '.join(facts)}"


def _save_error(folder: Path, reconstruction: Reconstruction, evaluation: Evaluation) -> list[Path]:
    if evaluation.surface is None or evaluation.surface.error is None:
        return []
    error = evaluation.surface.error
    colors, limit = error_colors(error)
    paths = [folder / "error.ply", folder / "error.png"]
    save_mesh(paths[0], reconstruction.verts, reconstruction.faces, colors)
    drawn = save_picture(paths[1], lambda: error_picture(paths[1], reconstruction, colors, limit))
    return [paths[0], *drawn]


def result_name(name: str | None, cameras: Path | None) -> str:
    """The folder of the results: `name`, else after the cameras' file or its folder."""
    if name is not None:
        return check_folder_name(name)
    if cameras is None:
        return "fitted"
    return cameras.resolve().parent.name if cameras.stem == "param" else cameras.stem
