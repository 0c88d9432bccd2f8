"""Scores of a reconstruction in each view, and against a known surface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.appearance import Appearance
from models.forearm_direction import covered_pixels
from models.own_light import image_in_own_light
from models.reconstruction import Reconstruction
from models.rerender import Rendering
from models.unseen_light import light_for_unseen
from utils.cameras import Cameras
from utils.captures.evaluation_views import EvaluationViews
from utils.errors import UserError
from utils.metrics.comparison import Comparison, check_place, check_size, compare_surfaces
from utils.metrics.image import (
    NO_FLIP,
    ColorAlignment,
    Lpips,
    align_colors,
    flip_available,
    image_scores,
    psnr,
)
from utils.metrics.keypoints import keypoint_scores, world_unit
from utils.metrics.masks import evaluation_region, mask_scores, wrist_pixels

KEYPOINTS = "set of true keypoints"
SMALLEST_REGION = 64  # pixels: fewer say nothing, and a window of SSIM does not fit in


@dataclass(frozen=True)
class Truth:
    """What is known of the scene: mesh (V, 3), (F, 3) and keypoints (2, 21, 3), world units."""

    mesh: tuple[np.ndarray, np.ndarray] | None = None
    keypoints: np.ndarray | None = None


@dataclass(frozen=True)
class ViewShape:
    """What a view shows of the mesh: covered and ignored (the wrist's end) (H, W) bool."""

    covered: np.ndarray
    ignored: np.ndarray


@dataclass
class ViewResult:
    """One view: its renderings by name, what they were compared with, and the scores.

    masks: scores of the mask, empty without one; images: for each renderer its scores, empty
    without a photo or where the region is empty; status says why, or 'ok'. alignment is that of
    the mesh shading.
    """

    view: int
    renderings: dict[str, Rendering]
    shape: ViewShape
    region: np.ndarray
    status: str = "ok"
    masks: dict[str, float | None] = field(default_factory=dict)
    images: dict[str, dict[str, float | None]] = field(default_factory=dict)
    alignment: ColorAlignment | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "view": self.view,
            "status": self.status,
            "region_pixels": int(self.region.sum()),
            "mask": self.masks or None,
            **self.images,
        }


@dataclass
class Evaluation:
    """metrics, plain data; the views' results; the comparison with the true surface, if any."""

    metrics: dict[str, Any]
    views: list[ViewResult]
    surface: Comparison | None


def shape_in_view(
    reconstruction: Reconstruction, camera: Cameras, forearms: tuple[Tensor, Tensor] | None
) -> ViewShape:
    """Where one camera shows the hands, and which pixels are about the wrist's end.

    forearms are those that `find_forearms` found in the masks.
    """
    covered, wrist = reconstruction.covered_and_wrist(camera)
    forearm = covered_pixels(*forearms, camera)[0] if forearms else np.zeros_like(covered)
    return ViewShape(covered, wrist_pixels(covered, wrist, forearm))


def score_view(
    view: int,
    renderings: dict[str, Rendering],
    shape: ViewShape,
    photo: np.ndarray | None,
    mask: np.ndarray | None,
    lpips: Lpips | str = "",
) -> ViewResult:
    """Compare renderings (name -> image; the first is the mesh shading) with photo and mask.

    `lpips` is the function for it, or in words why there is none.
    """
    measure = None if isinstance(lpips, str) else lpips
    main = next(iter(renderings.values()))
    region = evaluation_region(shape.covered, mask)
    result = ViewResult(view, renderings, shape, region)
    if not shape.covered.any():
        result.status = "no hand in this view"
        return result
    if mask is not None:
        nowhere = np.zeros_like(mask)
        result.masks = mask_scores(shape.covered, mask, shape.ignored)
        result.masks["iou_with_forearm"] = mask_scores(shape.covered, mask, nowhere)["iou"]
        if not mask.any():
            result.status = "the mask is empty"
            return result
    if region.sum() < SMALLEST_REGION:
        result.status = "the mask does not overlap the rendered hand"
        return result
    if photo is None:
        result.status = "no photo"
        return result
    result.alignment = align_colors(main.image, photo, region)
    for name, rendering in renderings.items():
        result.images[name] = image_scores(rendering.image, photo, region, measure)
    return result


def judge_view(
    reconstruction: Reconstruction,
    views: EvaluationViews,
    view: int,
    appearance: Appearance,
    forearms: tuple[Tensor, Tensor] | None,
    renderers: Mapping[str, Callable[[Cameras], Sequence[np.ndarray]]],
    lpips: Lpips | str,
) -> ViewResult:
    """Draw one view, with mesh shading and with all renderers, and score it."""
    camera, photo = views.cameras[view], views.image(view)
    shape = shape_in_view(reconstruction, camera, forearms)
    renderings = {"mesh": reconstruction.render(camera, appearance)[0]}
    for name, draw in renderers.items():
        renderings[name] = Rendering(draw(camera)[0], shape.covered)
    result = score_view(view, renderings, shape, photo, views.mask(view), lpips)
    if "mesh" in result.images:
        ideal = image_in_own_light(reconstruction, camera, photo, result.region)
        result.images["mesh"]["psnr_own_light"] = psnr(ideal, photo, result.region)
    return result


def appearance_in_views(
    reconstruction: Reconstruction, views: EvaluationViews
) -> tuple[list[Appearance], str]:
    """How the hands look in each view, and in words which light that is."""
    found, words = reconstruction.appearance, "each view's own, as fitted"
    if not views.fitted:
        found, words = light_for_unseen(found, len(views)), "that of the fitted views on average"
    pairs = zip(found.sh_coeff[:, None], found.gain[:, None])
    return [replace(found, sh_coeff=light, gain=gain) for light, gain in pairs], words


def check_visible(
    results: list[ViewResult], views: EvaluationViews, reconstruction: Reconstruction
) -> None:
    """Raise UserError where no view shows the hands: the cameras are of another convention."""
    if any(result.shape.covered.any() for result in results):
        return
    centre = torch.from_numpy((reconstruction.verts.min(0) + reconstruction.verts.max(0)) / 2)
    depth = views.cameras.px_from_world(centre[None])[:, 0, 2]
    where = "beside every image"
    if (depth <= 0).all():
        where = "behind every camera (cameras that look along -z, or world_from_cam matrices?)"
    raise UserError(
        f"{views.origin}: the hands are {where}; expected OpenCV's K [R | t], x right, y down, "
        "z forward, world -> camera, in the world frame and unit of the capture"
    )


def score_truth(
    reconstruction: Reconstruction,
    truth: Truth,
    samples: int,
    seed: int,
    meshes: Mapping[str, np.ndarray],
) -> tuple[dict[str, Any], Comparison | None]:
    """Scores against the truth as plain data, and the surfaces' comparison if there is one.

    meshes: renderer -> vertices (V, 3), world units, of its mesh of the same faces; their scores
    follow. Raises UserError where the truth is of another size or elsewhere.
    """
    unit = world_unit(reconstruction.scale)
    scores: dict[str, Any] = {"unit_note": unit.note, "unit": unit.name}
    scores["mm_per_unit"] = unit.mm
    surface = None
    if truth.mesh is not None:
        rest = truth.mesh, unit.mm, reconstruction.sides, samples, seed
        surface = compare_surfaces(reconstruction.verts, reconstruction.faces, *rest)
        scores["surface"] = {"all": surface.scores, **surface.hands}
        for name, verts in meshes.items():
            own = compare_surfaces(verts, reconstruction.faces, *rest)
            scores["surface"][f"{name}'s mesh"] = own.scores
    if truth.keypoints is not None:
        scores["keypoints"] = _keypoint_scores(reconstruction, truth.keypoints, unit.mm)
    return scores, surface


def _keypoint_scores(reconstruction: Reconstruction, truth: np.ndarray, mm: float) -> dict:
    own = reconstruction.keypoints()
    both = np.isfinite(own).all(-1) & np.isfinite(truth).all(-1)
    if not both.any():
        raise UserError(
            f"the true keypoints hold none of the {' and '.join(reconstruction.sides)} hand; "
            "expected 42 rows, left hand first, nan or zeros for a hand that is absent"
        )
    centred = [points[both] - points[both].mean(0) for points in (own, truth)]
    own_size, true_size = (float(np.sqrt(np.square(x).sum(1).mean())) for x in centred)
    check_size(true_size / own_size, KEYPOINTS)
    apart = float(np.median(np.linalg.norm(own - truth, axis=-1)[both]))
    check_place(apart, 2 * own_size, KEYPOINTS)
    return keypoint_scores(own, truth, mm)


def summarise(
    reconstruction: Reconstruction,
    views: EvaluationViews,
    results: list[ViewResult],
    truth: tuple[dict[str, Any], Comparison | None] | None,
    light: str,
    lpips: Lpips | str,
) -> Evaluation:
    """Everything in one place."""
    scores, surface = truth if truth else ({}, None)
    metrics = {
        "cameras": views.origin,
        "image_size_from": views.size_origin,
        "light": light,
        "hands": reconstruction.sides,
        "flip": "LDR-FLIP, 67 pixels a degree" if flip_available() else NO_FLIP,
        "lpips": lpips if isinstance(lpips, str) else "AlexNet",
        "mean": mean_scores(results, views.believed),
        "truth": scores or None,
        "views": [result.as_dict() for result in results],
    }
    return Evaluation(metrics, results, surface)


def mean_scores(results: list[ViewResult], believed: list[bool] | None = None) -> dict[str, Any]:
    """Means over the views that have a number: of the mask's scores and of each renderer's.

    Where it is known which masks are believed, also of those alone (`mask_believed`).
    """
    names = dict.fromkeys(name for result in results for name in result.images)
    means: dict[str, Any] = {"mask": _means([r.masks for r in results])}
    if believed is not None and not all(believed):
        means["mask_believed"] = _means([r.masks for r, b in zip(results, believed) if b])
    for name in names:
        means[name] = _means([r.images[name] for r in results if name in r.images])
    return means


def _means(scores: list[dict[str, float | None]]) -> dict[str, Any] | None:
    keys = dict.fromkeys(key for each in scores for key in each)
    means: dict[str, Any] = {}
    for key in keys:
        known = [each[key] for each in scores if each.get(key) is not None]
        means[key] = float(np.mean(known)) if known else None
    if not means:
        return None
    return means | {"views": len([each for each in scores if each])}
