"""A reconstruction judged in views and against the truth: everything that evaluate.py does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from models.appearance.model import Appearance, light_for_unseen
from models.evaluation.forearms import find_forearms
from models.evaluation.truth import Truth, score_truth
from models.evaluation.views import ViewResult, judge_view
from models.ham.reconstruction import Reconstruction
from models.textures.layout import AlbedoTexture
from utils.cameras import Cameras
from utils.captures.evaluation_views import EvaluationViews
from utils.errors import UserError
from utils.metrics.comparison import Comparison
from utils.metrics.image import NO_FLIP, Lpips, flip_available, load_lpips
from utils.progress_bar import progress


@dataclass
class Evaluation:
    """metrics, plain data; the views' results; the comparison with the true surface, if any."""

    metrics: dict[str, Any]
    views: list[ViewResult]
    surface: Comparison | None


def evaluate_reconstruction(
    reconstruction: Reconstruction,
    views: EvaluationViews,
    truth: Truth | None = None,
    renderers: Mapping[str, Callable[[Cameras], Sequence[np.ndarray]]] | None = None,
    samples: int = 50_000,
    seed: int = 0,
    meshes: Mapping[str, np.ndarray] | None = None,
    texture: AlbedoTexture | None = None,
) -> Evaluation:
    """All scores of a reconstruction in `views` and against `truth`.

    renderers: more ways to draw it than mesh shading, name -> function of a camera (world units)
    to its images (H, W, 3) RGB in [0, 1]; they are scored where the mesh is seen. `samples` are
    drawn from each surface. meshes: name -> vertices (V, 3), world units, of the meshes of the same
    faces that renderers draw, which are held against the truth, too. texture: with which mesh
    shading is drawn; None: with the vertices' colours. Raises UserError where no view
    shows the hands, and where the truth is of another size or place.
    """
    lpips = load_lpips()
    appearances, light = appearance_in_views(reconstruction, views)
    surface = score_truth(reconstruction, truth, samples, seed, meshes or {}) if truth else None
    forearms = find_forearms(reconstruction, views.cameras, views.masks())
    results = [
        judge_view(
            reconstruction,
            views,
            view,
            appearances[view],
            forearms,
            renderers or {},
            lpips,
            texture,
        )
        for view in progress(range(len(views)), "views")
    ]
    check_visible(results, views, reconstruction)
    return summarise(reconstruction, views, results, surface, light, lpips)


def appearance_in_views(
    reconstruction: Reconstruction, views: EvaluationViews
) -> tuple[list[Appearance], str]:
    """How the hands look in each view, and in words which light that is."""
    appearance, words = reconstruction.appearance, "each view's own, as fitted"
    if not views.fitted:
        appearance = light_for_unseen(appearance, len(views))
        words = "that of the fitted views on average"
    pairs = zip(appearance.sh_coeff[:, None], appearance.gain[:, None])
    return [replace(appearance, sh_coeff=light, gain=gain) for light, gain in pairs], words


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
