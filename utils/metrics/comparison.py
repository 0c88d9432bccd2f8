"""A reconstructed surface against the true one: distances both ways, Chamfer, F-score, normals.

Against a cloud of points, distances go from the points to the surface alone.

Both surfaces are sampled uniformly by area. A sample whose nearest point lies on an open border of
the other surface (a hand's wrist) is left out: it tells where that surface ends, not how good it
is. How many were left out is part of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from utils.errors import UserError
from utils.metrics.surface import Nearest, Surface

THRESHOLDS_MM = (0.5, 1.0, 2.0)
PERCENTILES = (50, 90, 95, 99)
SAME_SIZE = (0.4, 2.5)  # true over own size: beyond, no missing hand and no forearm explains it
UNITS = {1000: "millimetres for metres", 100: "centimetres for metres"}
UNITS |= {10: "millimetres for centimetres"}
SAME_UNIT = (0.5, 2.0)
FARTHEST = 0.25  # of a hand's size: what is typically farther away is another thing


@dataclass(frozen=True)
class OneWay:
    """Samples (N,) of one surface against the other: mm and degrees, and which are left out.

    Points of a cloud have no normals, and so no angle.
    """

    distance: np.ndarray
    angle: np.ndarray | None
    left_out: np.ndarray

    @staticmethod
    def of(nearest: Nearest, normals: np.ndarray | None, mm_per_unit: float) -> OneWay:
        """From the nearest points to samples with unit normals (N, 3), if they have any."""
        if normals is None:
            return OneWay(mm_per_unit * nearest.distance, None, nearest.on_border)
        cosine = np.clip((nearest.normal * normals).sum(1), -1, 1)
        angle = np.degrees(np.arccos(cosine))
        return OneWay(mm_per_unit * nearest.distance, angle, nearest.on_border)

    def part(self, chosen: np.ndarray) -> OneWay:
        """The samples chosen (N,) bool."""
        angle = None if self.angle is None else self.angle[chosen]
        return OneWay(self.distance[chosen], angle, self.left_out[chosen])

    def within(self, threshold: float) -> float:
        """The share of samples that are not left out within `threshold` mm."""
        return float((self.distance[~self.left_out] <= threshold).mean())

    def scores(self) -> dict[str, float]:
        """Distance (mean, RMS, percentiles, maximum), normal angle, and what was left out."""
        kept = self.part(~self.left_out)
        quantiles = np.percentile(kept.distance, PERCENTILES)
        angles = {}
        if kept.angle is not None:
            angles["normal_deg"] = float(kept.angle.mean())
            angles["normal_median_deg"] = float(np.median(kept.angle))
        return {
            "mean_mm": float(kept.distance.mean()),
            "rms_mm": float(np.sqrt(np.square(kept.distance).mean())),
            **{f"p{q}_mm": float(x) for q, x in zip(PERCENTILES, quantiles)},
            "max_mm": float(kept.distance.max()),
            **angles,
            "left_out": float(self.left_out.mean()),
            "mean_all_mm": float(self.distance.mean()),
        }


@dataclass(frozen=True)
class Comparison:
    """scores of all hands together and of each; error (V,) of the mesh's vertices, mm.

    error is above 0 outside the true surface, nan where the nearest point is on its open border;
    None where the truth is a cloud of points.
    """

    scores: dict[str, Any]
    hands: dict[str, dict[str, Any]]
    error: np.ndarray | None


def compare_surfaces(
    verts: np.ndarray,
    faces: np.ndarray,
    truth: tuple[np.ndarray, np.ndarray],
    mm_per_unit: float,
    hands: Sequence[str] = ("hand",),
    samples: int = 50_000,
    seed: int = 0,
) -> Comparison:
    """Compare a mesh verts (V, 3), faces (F, 3) with the true one, both in world units.

    `hands` names the hands that share the mesh's vertices equally; samples of the true surface
    belong to the hand that they are nearest to. A hand that the true surface lacks is named and
    left out. Raises UserError where the true mesh is of another size or elsewhere.
    """
    own, true = Surface(verts, faces), _true_surface(*truth)
    check_size(np.sqrt(true.area.sum() / own.area.sum()))
    hand_size, per_hand = float(np.sqrt(own.area.sum() / len(hands))), len(verts) // len(hands)
    (points, face), (true_points, true_face) = own.sample(samples, seed), true.sample(samples, seed)
    forth, back = true.nearest(points), own.nearest(true_points)
    hand, true_hand = own.faces[face, 0] // per_hand, own.faces[back.face, 0] // per_hand
    apart = [np.median(forth.distance[hand == k]) for k in range(len(hands))]
    check_place(min(apart), hand_size)
    absent = [k for k, distance in enumerate(apart) if distance > FARTHEST * hand_size]
    flip = -1 if np.median((forth.normal * own.normals[face]).sum(1)) < 0 else 1
    to_truth = OneWay.of(forth, flip * own.normals[face], mm_per_unit)
    from_truth = OneWay.of(back, flip * true.normals[true_face], mm_per_unit)

    per_hand_scores = {
        name: _scores(to_truth.part(hand == k), from_truth.part(true_hand == k))
        for k, name in enumerate(hands)
        if k not in absent
    }
    scores = _scores(to_truth.part(~np.isin(hand, absent)), from_truth) | {
        "samples": samples,
        "absent_in_truth": [hands[k] for k in absent],
        "missed_truth": float((back.distance > FARTHEST * hand_size).mean()),
        "truth_turned_inside_out": flip < 0,
    }
    return Comparison(scores, per_hand_scores, _vertex_error(verts, true, flip) * mm_per_unit)


def _true_surface(verts: np.ndarray, faces: np.ndarray) -> Surface:
    try:
        return Surface(verts, faces)
    except ValueError as error:
        raise UserError(
            f"the ground truth is no surface ({error}); give a mesh of triangles, or points"
        ) from error


def compare_points(
    verts: np.ndarray,
    faces: np.ndarray,
    points: np.ndarray,
    mm_per_unit: float,
    hands: Sequence[str] = ("hand",),
    samples: int = 50_000,
    seed: int = 0,
) -> Comparison:
    """Compare a mesh with a cloud of points (N, 3) of the true surface, both in world units.

    Distances go from the points (at most `samples` of them, at random) to the mesh: where a cloud
    has no points tells nothing. Otherwise as `compare_surfaces`.
    """
    own = Surface(verts, faces)
    check_size(_extent(points) / _extent(verts))
    hand_size, per_hand = float(np.sqrt(own.area.sum() / len(hands))), len(verts) // len(hands)
    to_cloud = cKDTree(points).query(verts)[0]
    apart = [np.median(to_cloud[k * per_hand : (k + 1) * per_hand]) for k in range(len(hands))]
    check_place(min(apart), hand_size)
    absent = [k for k, distance in enumerate(apart) if distance > FARTHEST * hand_size]
    if len(points) > samples:
        points = np.random.default_rng(seed).choice(points, samples, replace=False)
    back = own.nearest(points)
    from_truth, hand = OneWay.of(back, None, mm_per_unit), own.faces[back.face, 0] // per_hand
    scores = _one_way_scores(from_truth) | {
        "samples": len(points),
        "absent_in_truth": [hands[k] for k in absent],
        "missed_truth": float((back.distance > FARTHEST * hand_size).mean()),
        "truth_turned_inside_out": False,
    }
    per_hand_scores = {
        name: _one_way_scores(from_truth.part(hand == k))
        for k, name in enumerate(hands)
        if k not in absent
    }
    return Comparison(scores, per_hand_scores, None)


def _extent(points: np.ndarray) -> float:
    """Root mean square distance of points (N, 3) from their middle."""
    return float(np.sqrt(np.square(points - points.mean(0)).sum(1).mean()))


def _one_way_scores(from_truth: OneWay) -> dict[str, Any]:
    scores = None if from_truth.left_out.all() else from_truth.scores()
    nothing = dict.fromkeys(("to_truth", "chamfer_mm", "normal_deg", "f_score"))
    return {"from_truth": scores, **nothing}


def _scores(to_truth: OneWay, from_truth: OneWay) -> dict[str, Any]:
    if any(way.left_out.all() for way in (to_truth, from_truth)):  # also where there are none
        return {"to_truth": None, "from_truth": None, "chamfer_mm": None, "f_score": None}
    forth, back = to_truth.scores(), from_truth.scores()
    pairs = {mm: (to_truth.within(mm), from_truth.within(mm)) for mm in THRESHOLDS_MM}
    return {
        "to_truth": forth,
        "from_truth": back,
        "chamfer_mm": (forth["mean_mm"] + back["mean_mm"]) / 2,
        "normal_deg": (forth["normal_deg"] + back["normal_deg"]) / 2,
        "f_score": {
            f"{mm:g}_mm": 2 * p * r / (p + r) if p + r else 0.0 for mm, (p, r) in pairs.items()
        },
    }


def _vertex_error(verts: np.ndarray, true: Surface, flip: int) -> np.ndarray:
    nearest = true.nearest(verts)
    outside = ((verts - nearest.point) * nearest.normal).sum(1) * flip >= 0
    error = np.where(outside, nearest.distance, -nearest.distance)
    return np.where(nearest.on_border, np.nan, error)


def check_size(ratio: float, what: str = "ground truth") -> None:
    """Raise UserError where what is true is `ratio` times as large as what was found, in words."""
    if SAME_SIZE[0] <= ratio <= SAME_SIZE[1]:
        return
    hint = "bring it into the unit of the cameras' translations"
    for factor, words in UNITS.items():
        if SAME_UNIT[0] < ratio / factor < SAME_UNIT[1]:
            hint = f"it looks like {words}, divide it by {factor}"
        elif SAME_UNIT[0] < ratio * factor < SAME_UNIT[1]:
            hint = f"it looks like the reverse of {words}, multiply it by {factor}"
    raise UserError(
        f"the {what} is {ratio:.4g} times as large as the reconstruction, expected about 1: {hint}"
    )


def check_place(distance: float, size: float, what: str = "ground truth") -> None:
    """Raise UserError where a typical distance to what is true is not small against a hand."""
    if distance > FARTHEST * size:
        raise UserError(
            f"the {what} lies {distance:.3g} world units from the reconstruction, whose hands are "
            f"about {size:.2g} large; expected it in the world frame of the capture's cameras"
        )
