"""A reconstruction judged in views and against the truth: everything that evaluate.py does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from tqdm import tqdm

from models.evaluation import (
    Evaluation,
    Truth,
    appearance_in_views,
    check_visible,
    judge_view,
    score_truth,
    summarise,
)
from models.forearm_direction import find_forearms
from models.reconstruction import Reconstruction
from utils.cameras import Cameras
from utils.captures.evaluation_views import EvaluationViews
from utils.metrics.image import load_lpips


def evaluate_reconstruction(
    reconstruction: Reconstruction,
    views: EvaluationViews,
    truth: Truth | None = None,
    renderers: Mapping[str, Callable[[Cameras], Sequence[np.ndarray]]] | None = None,
    samples: int = 50_000,
    seed: int = 0,
    meshes: Mapping[str, np.ndarray] | None = None,
) -> Evaluation:
    """All scores of a reconstruction in `views` and against `truth`.

    renderers: more ways to draw it than mesh shading, name -> function of a camera (world units)
    to its images (H, W, 3) RGB in [0, 1]; they are scored where the mesh is seen. `samples` are
    drawn from each surface. meshes: name -> vertices (V, 3), world units, of the meshes of the same
    faces that renderers draw, which are held against the truth, too. Raises UserError where no view
    shows the hands, and where the truth is of another size or place.
    """
    lpips = load_lpips()
    appearances, light = appearance_in_views(reconstruction, views)
    surface = score_truth(reconstruction, truth, samples, seed, meshes or {}) if truth else None
    forearms = find_forearms(reconstruction, views.cameras, views.masks())
    results = [
        judge_view(reconstruction, views, view, appearances[view], forearms, renderers or {}, lpips)
        for view in tqdm(range(len(views)), desc="views", leave=False)
    ]
    check_visible(results, views, reconstruction)
    return summarise(reconstruction, views, results, surface, light, lpips)
