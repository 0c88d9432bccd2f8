"""A scene's ground truth, mesh and keypoints, and how near a reconstruction comes to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluation.depth import depth_scores
from models.ham.reconstruction import Reconstruction
from utils.captures.truth import CaptureTruth, DepthMap
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
from utils.metrics.region import REACH_MM, HandRegion

TRUE_KEYPOINTS = "set of true keypoints"  # in messages


@dataclass(frozen=True)
class Truth:
    """What is known of the scene: its surface and keypoints (2, 21, 3), world units.

    is_partial: the surface is a scan with holes and with more than the hands, which are compared
    within the region that region_keypoints (2, 21, 3) tell, or where there are none the
    reconstruction's own; depth_maps in any cameras; notes for those who read the numbers.
    """

    mesh: Scan | None = None
    keypoints: np.ndarray | None = None
    is_partial: bool = False
    region_keypoints: np.ndarray | None = None
    depth_maps: Sequence[DepthMap] = ()
    notes: Sequence[str] = ()

    def region(self, reconstruction: Reconstruction, mm_per_unit: float) -> HandRegion | None:
        """Where a partial truth is compared; None: everywhere."""
        if not self.is_partial:
            return None
        points = self.region_keypoints
        return HandRegion.of(reconstruction.keypoints() if points is None else points, mm_per_unit)


def open_truth(
    mesh: Path | None,
    keypoints: Path | None,
    is_partial: bool = False,
    own: CaptureTruth | None = None,
) -> Truth | None:
    """The ground truth that the command line names, or else the capture's own, if any.

    A mesh that is named takes the place of all that the capture has. Its true keypoints, if they
    are named, tell the region of a partial truth, too. Raises UserError for a partial truth that is
    not named.
    """
    if is_partial and mesh is None:
        raise UserError("--gt_partial says what --gt_mesh is like: name that, too")
    points = None
    if keypoints is not None:
        points = present(load_keypoints(keypoints, "give the true keypoints, 42 rows x y z"))
    if mesh is not None:
        return Truth(load_scan(mesh), points, is_partial, points)
    if own is None:
        return None if points is None else Truth(keypoints=points)
    scan = load_scan(own.scan) if own.scan is not None else None
    if scan is not None:
        scan = replace(scan, verts=own.scale * scan.verts)
    region = own.keypoints if points is None else points
    return Truth(scan, points, True, region, own.depth_maps, own.notes)


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
    scores["notes"] = list(truth.notes)
    if truth.mesh is not None:
        region = truth.region(reconstruction, unit.mm)

        def compare(verts: np.ndarray) -> Comparison:
            faces, sides, scan = reconstruction.faces, reconstruction.sides, truth.mesh
            if scan.is_cloud:
                return compare_points(
                    verts, faces, scan.verts, unit.mm, sides, samples, seed, region
                )
            true = scan.verts, scan.faces
            return compare_surfaces(verts, faces, true, unit.mm, sides, samples, seed, region)

        surface = compare(reconstruction.verts)
        scores["notes"] += [*truth.mesh.notes, *_region_notes(truth)]
        scores["surface"] = {"all": surface.scores, **surface.hands}
        for name, verts in meshes.items():
            scores["surface"][f"{name}'s mesh"] = compare(verts).scores
    if truth.depth_maps:
        scores["depth"] = depth_scores(reconstruction, truth.depth_maps, unit.mm)
    if truth.keypoints is not None:
        scores["keypoints"] = _keypoint_scores(reconstruction, truth.keypoints, unit.mm)
    return scores, surface


def _region_notes(truth: Truth) -> list[str]:
    if not truth.is_partial:
        return []
    whose = "the true keypoints" if truth.region_keypoints is not None else "the fitted hands"
    return [
        f"compared within {REACH_MM:g} mm of the bones and the palm of {whose}, on the fingers' "
        "side of the wrist; left out: samples nearest to a border, a hole's or the wrist's, and "
        "those of the mesh nearest to what looks the other way"
    ]


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
