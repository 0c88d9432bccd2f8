"""A scene's ground truth, mesh and keypoints, and how near a reconstruction comes to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.ham.reconstruction import Reconstruction
from utils.errors import UserError
from utils.io.scans import Scan, load_scan
from utils.keypoints.order import load_keypoints
from utils.metrics.comparison import (
    Comparison,
    check_place,
    check_size,
    compare_points,
    compare_surfaces,
)
from utils.metrics.keypoints import keypoint_scores, present, world_unit

TRUE_KEYPOINTS = "set of true keypoints"  # in messages


@dataclass(frozen=True)
class Truth:
    """What is known of the scene: its surface and keypoints (2, 21, 3), world units."""

    mesh: Scan | None = None
    keypoints: np.ndarray | None = None


def open_truth(mesh: Path | None, keypoints: Path | None) -> Truth | None:
    """The ground truth that the command line names, if any."""
    if mesh is None and keypoints is None:
        return None
    points = None
    if keypoints is not None:
        points = present(load_keypoints(keypoints, "give the true keypoints, 42 rows x y z"))
    return Truth(load_scan(mesh) if mesh is not None else None, points)


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

        def compare(verts: np.ndarray) -> Comparison:
            faces, sides, scan = reconstruction.faces, reconstruction.sides, truth.mesh
            if scan.is_cloud:
                return compare_points(verts, faces, scan.verts, unit.mm, sides, samples, seed)
            true = scan.verts, scan.faces
            return compare_surfaces(verts, faces, true, unit.mm, sides, samples, seed)

        surface = compare(reconstruction.verts)
        scores["notes"] = list(truth.mesh.notes)
        scores["surface"] = {"all": surface.scores, **surface.hands}
        for name, verts in meshes.items():
            scores["surface"][f"{name}'s mesh"] = compare(verts).scores
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
    check_size(true_size / own_size, TRUE_KEYPOINTS)
    apart = float(np.median(np.linalg.norm(own - truth, axis=-1)[both]))
    check_place(apart, 2 * own_size, TRUE_KEYPOINTS)
    return keypoint_scores(own, truth, mm)
