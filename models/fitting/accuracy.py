"""How far fitted hands miss what was detected."""

from __future__ import annotations

from torch import Tensor

from models.fitting.problem import FitProblem
from utils.cameras import Cameras

NOISE_FLOOR = 0.0015  # metres of the model: no detector is better, nor is any hand model


def keypoint_errors(
    problem: FitProblem, keypoints: Tensor, cameras: Cameras
) -> tuple[float, float]:
    """Median distances of fitted keypoints (hands, 21, 3), the fit's frame, from those detected.

    In millimetres of the model, and in pixels of the cameras as the fit has them.
    """
    apart = (keypoints - problem.points).norm(dim=2)
    projected = cameras.project(keypoints.flatten(0, 1)).unflatten(1, keypoints.shape[:2])
    pixels = (projected - problem.pixels).norm(dim=3)
    return float(apart.nanmedian()) * 1000, float(pixels.nanmedian())


def error_over_noise(problem: FitProblem, error_px: float) -> float:
    """An error in pixels over how far the views' 3D keypoints miss the detections.

    Views that agree to less than NOISE_FLOOR count as if they did so.
    """
    given = problem.cameras.cameras.project(problem.points.flatten(0, 1))
    noise = (given.unflatten(1, problem.points.shape[:2]) - problem.pixels).norm(dim=3)
    floor = NOISE_FLOOR * float(problem.cameras.px_per_unit().median())
    return error_px / max(float(noise.nanmedian()), floor)
