"""How surely a calibration by hands knows what it found: covariances, and pixels at the hands."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.calibration.problem import CalibrationProblem
from utils.keypoints import KEYPOINTS


def covariance_of(problem: CalibrationProblem, x: Tensor) -> Tensor:
    """Covariance (P, P) of the unknowns, 0 for the fixed ones; residuals tell the noise."""
    blocks = problem(x)
    H = sum(block.normal_equations()[0] for block in blocks)
    data = [block for block in blocks if block.name == "keypoints_2d"]
    count = sum(len(block.value) * 2 for block in data)
    free = problem.free(True)
    noise = 2 * sum(block.cost() for block in data) / max(count - int(free.sum()) // 2, 1)
    covariance = torch.zeros_like(H)
    inside = torch.linalg.pinv(H[free][:, free], hermitian=True) * noise
    covariance[free.nonzero(), free.nonzero().T] = inside
    return covariance


def hand_sigmas(problem: CalibrationProblem, x: Tensor, covariance: Tensor) -> np.ndarray:
    """How well each view's picture of the hands is known (V,), pixels, rms of its keypoints."""
    cameras, total, count = problem.zoomed(x), 0.0, 0
    views = len(problem.pixels)
    for k, hand in enumerate(problem.hands):
        points, by_hand = hand.keypoints(problem.hand(k, x))
        view = torch.arange(views).repeat_interleave(KEYPOINTS)
        keypoint = torch.arange(KEYPOINTS).repeat(views)
        pixel, by_point, by_view = cameras.project(view, points[keypoint], problem.corrections(x))
        jacobian = problem.pixel_jacobian(k, view, cameras, pixel, by_view)
        jacobian[..., problem.columns(k)] += by_point @ by_hand[keypoint][..., :-1]
        spread = torch.einsum("ncp,pq,ncq->n", jacobian, covariance, jacobian)
        total, count = total + spread.reshape(views, KEYPOINTS).sum(1), count + KEYPOINTS
    return (total / count / 2).clamp(min=0).sqrt().numpy()
