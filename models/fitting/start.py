"""Where a fit of a hand starts: closed-form scale and rigid motion from 3D keypoints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from models.hand.kinematics import LAYOUT, SIZE, HandKinematics
from utils.cameras import Similarity
from utils.keypoints.order import PALM, bone_lengths

MIN_POINTS = 3


def natural_scale(hands: list[HandKinematics], points: np.ndarray) -> float:
    """World units per metre of the model: the median ratio of bone lengths over all hands.

    points (hands, 21, 3), nan where not seen. nan when no bone was seen with both ends.
    """
    ratios = []
    for hand, seen in zip(hands, points):
        rest, _ = hand.keypoints(torch.zeros(SIZE, dtype=torch.float64))
        ratios.append(bone_lengths(seen) / bone_lengths(rest.numpy()))
    ratios = np.concatenate(ratios)
    ratios = ratios[np.isfinite(ratios)]
    return float(np.median(ratios)) if len(ratios) else float("nan")


def fit_frame(hands: Sequence[HandKinematics], points: np.ndarray) -> Similarity:
    """world_from_fit about points (hands, 21, 3), world units: there hands are of natural size."""
    centre = np.nanmean(points.reshape(-1, 3), 0)
    return Similarity(natural_scale(list(hands), points), torch.from_numpy(centre))


def rigid_start(hand: HandKinematics, points: np.ndarray) -> Tensor:
    """Unknowns (62,) of the mean pose moved rigidly onto points (21, 3), nan where not seen.

    The palm decides where at least three of its points were seen, else all points.
    """
    x = torch.zeros(SIZE, dtype=torch.float64)
    rest = hand.keypoints(x)[0].numpy()
    seen = np.isfinite(points).all(1)
    palm = np.isin(np.arange(len(points)), PALM) & seen
    rows = palm if palm.sum() >= MIN_POINTS else seen
    source, target = rest[rows], points[rows]
    turn, _ = Rotation.align_vectors(target - target.mean(0), source - source.mean(0))
    x[LAYOUT["rotation"]] = torch.from_numpy(turn.as_rotvec())
    moved = hand.keypoints(x)[0].numpy()
    x[LAYOUT["trans"]] = torch.from_numpy((points - moved)[rows].mean(0))
    return x
