"""A reconstructed surface against the true one: distances both ways, Chamfer, F-score, normals.

Against a cloud of points, distances go from the points to the surface alone.

Both surfaces are sampled uniformly by area. A sample whose nearest point lies on an open border of
the other surface (a hand's wrist) is left out: it tells where that surface ends, not how good it
is. How many were left out is part of the result.

A partial truth, a scan with holes and with more than the hands, is compared within a region:
samples of both surfaces count where they are in it. A sample of the mesh is then left out, too,
where what is nearest to it looks the other way: beside a hole, that is the hand's other side. The
share that stays is how much of the mesh the scan covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from utils.errors import UserError
from utils.metrics.one_way import OneWay
from utils.metrics.region import HandRegion
from utils.metrics.surface import Surface

THRESHOLDS_MM = (0.5, 1.0, 2.0)
SAME_SIZE = (0.4, 2.5)  # true over own size: beyond, no missing hand and no forearm explains it
UNITS = {1000: "millimetres for metres", 100: "centimetres for metres"}
UNITS |= {10: "millimetres for centimetres"}
SAME_UNIT = (0.5, 2.0)
FARTHEST = 0.25  # of a hand's size: what is typically farther away is another thing
FEWEST = 100  # samples in a region that say something


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
    region: HandRegion | None = None,
) -> Comparison:
    """Compare a mesh verts (V, 3), faces (F, 3) with the true one, both in world units.

    `hands` names the hands that share the mesh's vertices equally; samples of the true surface
    belong to the hand that they are nearest to. A hand that the true surface lacks is named and
    left out. region: of a truth that is partial, see above. Raises UserError where the true mesh is
    of another size or elsewhere.
    """
    own, true = Surface(verts, faces), _true_surface(*truth)
    hand_size, per_hand = float(np.sqrt(own.area.sum() / len(hands))), len(verts) // len(hands)
    drawn = _drawn(own, true, samples, seed, region)
    face = drawn.face
    forth, back = true.nearest(drawn.points), own.nearest(drawn.true_points)
    hand, true_hand = own.faces[face, 0] // per_hand, own.faces[back.face, 0] // per_hand
    apart = [_median(forth.distance[hand == k]) for k in range(len(hands))]
    check_place(min(apart), hand_size)
    absent = [k for k, distance in enumerate(apart) if distance > FARTHEST * hand_size]
    flip = -1 if np.median((forth.normal * own.normals[face]).sum(1)) < 0 else 1
    to_truth = OneWay.of(forth, flip * own.normals[face], mm_per_unit, holes=region is not None)
    from_truth = OneWay.of(back, flip * true.normals[drawn.true_face], mm_per_unit)
    per_hand_scores = {
        name: _scores(to_truth.part(hand == k), from_truth.part(true_hand == k))
        for k, name in enumerate(hands)
        if k not in absent
    }
    scores = _scores(to_truth.part(~np.isin(hand, absent)), from_truth)
    scores |= _facts(samples, [hands[k] for k in absent], back.distance / hand_size, flip < 0)
    scores |= drawn.shares
    error = _vertex_error(own, true, flip, region) * mm_per_unit
    return Comparison(scores, per_hand_scores, error)


@dataclass(frozen=True)
class _Drawn:
    """Samples (N, 3) of a mesh and (M, 3) of the truth, their faces, the shares in a region."""

    points: np.ndarray
    face: np.ndarray
    true_points: np.ndarray
    true_face: np.ndarray
    shares: dict[str, float]


def _drawn(
    own: Surface, true: Surface, samples: int, seed: int, region: HandRegion | None
) -> _Drawn:
    (points, face), (true_points, true_face) = own.sample(samples, seed), true.sample(samples, seed)
    if region is None:
        check_size(np.sqrt(true.area.sum() / own.area.sum()))
        return _Drawn(points, face, true_points, true_face, {})
    inside, true_inside = _inside(region, points, true_points)
    shares = {"mesh_in_region": inside.mean(), "truth_in_region": true_inside.mean()}
    return _Drawn(
        points[inside],
        face[inside],
        true_points[true_inside],
        true_face[true_inside],
        {name: float(share) for name, share in shares.items()},
    )


def _median(distances: np.ndarray) -> float:
    """Of no distances: far away."""
    return float(np.median(distances)) if len(distances) else np.inf


def _inside(
    region: HandRegion, points: np.ndarray, true_points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which samples of mesh and truth are in the region; UserError where hardly any are."""
    if not region.hands():
        raise UserError(
            "the keypoints that tell the hands' region hold no wrist with a finger's root; give "
            "--gt_keypoints"
        )
    inside, true_inside = region.contains(points), region.contains(true_points)
    if true_inside.sum() < FEWEST:
        check_size(_extent(true_points) / _extent(points))
    for what, chosen in (("ground truth", true_inside), ("reconstruction", inside)):
        if chosen.sum() < FEWEST:
            raise UserError(
                f"hardly anything of the {what} ({chosen.sum()} of {len(chosen)} samples) is in "
                "the hands' region, which the keypoints tell; expected both in the world frame of "
                "the capture's cameras"
            )
    return inside, true_inside


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
    region: HandRegion | None = None,
) -> Comparison:
    """Compare a mesh with a cloud of points (N, 3) of the true surface, both in world units.

    Distances go from the points (at most `samples` of them, at random) to the mesh: where a cloud
    has no points tells nothing. Otherwise as `compare_surfaces`.
    """
    own = Surface(verts, faces)
    if region is None:
        check_size(_extent(points) / _extent(verts))
    else:
        points = points[_inside(region, verts, points)[1]]
    hand_size, per_hand = float(np.sqrt(own.area.sum() / len(hands))), len(verts) // len(hands)
    to_cloud = cKDTree(points).query(verts)[0]
    apart = [np.median(to_cloud[k * per_hand : (k + 1) * per_hand]) for k in range(len(hands))]
    check_place(min(apart), hand_size)
    absent = [k for k, distance in enumerate(apart) if distance > FARTHEST * hand_size]
    if len(points) > samples:
        points = np.random.default_rng(seed).choice(points, samples, replace=False)
    back = own.nearest(points)
    from_truth, hand = OneWay.of(back, None, mm_per_unit), own.faces[back.face, 0] // per_hand
    scores = _one_way_scores(from_truth)
    scores |= _facts(len(points), [hands[k] for k in absent], back.distance / hand_size, False)
    per_hand_scores = {
        name: _one_way_scores(from_truth.part(hand == k))
        for k, name in enumerate(hands)
        if k not in absent
    }
    return Comparison(scores, per_hand_scores, None)


def _facts(
    samples: int, absent: Sequence[str], distance: np.ndarray, inside_out: bool
) -> dict[str, Any]:
    """What qualifies the scores; distance (N,) of the truth from the mesh, in sizes of a hand."""
    return {
        "samples": samples,
        "absent_in_truth": list(absent),
        "missed_truth": float((distance > FARTHEST).mean()),
        "truth_turned_inside_out": inside_out,
    }


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


def _vertex_error(own: Surface, true: Surface, flip: int, region: HandRegion | None) -> np.ndarray:
    nearest = true.nearest(own.verts)
    outside = ((own.verts - nearest.point) * nearest.normal).sum(1) * flip >= 0
    unknown = nearest.on_border
    if region is not None:
        normals = np.zeros_like(own.verts)
        normals[own.faces.ravel()] = np.repeat(own.normals, 3, axis=0)  # of one of its faces
        turned = flip * (normals * nearest.normal).sum(1) < 0
        unknown = unknown | turned | ~region.contains(own.verts)
    return np.where(unknown, np.nan, np.where(outside, nearest.distance, -nearest.distance))


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
