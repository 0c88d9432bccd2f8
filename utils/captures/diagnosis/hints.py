"""Small faults of all cameras alike that agreeing views still show: half a pixel, distortion."""

from __future__ import annotations

from typing import Any

import numpy as np

from utils.captures.diagnosis.intrinsics import (
    DIAGONAL,
    NOTHING,
    RADIAL,
    SHIFT_X,
    along,
    border_shift,
    estimate,
    most_radial,
)
from utils.captures.diagnosis.sightings import Fit, Sightings

# Standard errors from which a value is believed. Of 200 made-up captures without a fault, k1 is 3.5
# away from 0 at most, a shift 6.1; only a k1 beyond CERTAIN is refused.
SURE, CERTAIN, SURE_OF_SHIFT = 4.0, 5.0, 6.5
HALF_PIXEL = (0.3, 0.8)  # estimates that are said to be half a pixel
MATTERS = 0.002  # of a hand's size: distortion that moves keypoints by more makes a wrong mesh
FEWEST_VIEWS = 5  # for standard errors


def intrinsics_hint(sightings: Sightings, fit: Fit) -> dict[str, Any] | None:
    """Cause, remedy, evidence, certainty and whether the stages fail; None: nothing is sure."""
    if np.isfinite(fit.by_detection).any(1).sum() < FEWEST_VIEWS:
        return None
    radial = estimate(sightings, fit, along(RADIAL), NOTHING, spread=True)
    k1, error = float(radial.values[RADIAL]), float(radial.spread[0])
    if SURE * error < abs(k1) < most_radial(sightings):
        return _distorted(sightings, k1, error)
    half = estimate(sightings, fit, DIAGONAL, NOTHING, spread=True)
    shift, error = float(half.values[SHIFT_X]), float(half.spread[0])
    if abs(shift) > SURE_OF_SHIFT * error and HALF_PIXEL[0] < abs(shift) < HALF_PIXEL[1]:
        return _half_pixel(shift, error)
    return None


def _distorted(sightings: Sightings, k1: float, error: float) -> dict[str, Any]:
    moved = float(np.median(_displacements(sightings, k1)))
    cause = (
        f"the photos look distorted (k1 = {k1:.3g} +- {error:.2g}, "
        f"{border_shift(k1, sightings):.1f} px at the border)"
    )
    return {
        "cause": cause,
        "remedy": "undistort photos, masks and keypoints with the calibration's coefficients "
        "(cv2.undistort), and export K of the undistorted photos",
        "evidence": {"k1": k1, "k1_error": error, "relative_displacement": moved},
        "certainty": "clear" if abs(k1) > CERTAIN * error else "hint",
        "failed": moved > MATTERS and abs(k1) > CERTAIN * error,
        "doubts": (cause,) if moved > MATTERS else (),
    }


def _displacements(sightings: Sightings, k1: float) -> np.ndarray:
    """How far k1 moves each detection's outermost keypoint, in sizes of the detected hand."""
    K = sightings.K[:, None, None]
    focal = np.sqrt(K[..., 0, 0] * K[..., 1, 1])
    radius = np.linalg.norm(sightings.xy - K[..., :2, 2], axis=-1) / focal  # (N, 2, 21)
    moved = np.where(sightings.detected, np.abs(k1) * radius**3 * focal, -np.inf).max(-1)
    return (moved / sightings.hand_sizes)[np.isfinite(moved)]


def _half_pixel(shift: float, error: float) -> dict[str, Any]:
    verb = "add" if shift > 0 else "subtract"
    return {
        "cause": f"the principal points seem half a pixel off in all views ({-shift:+.2f} +- "
        f"{error:.2f} px): with pixel centres at .5, as COLMAP's, instead of 0?",
        "remedy": f"{verb} 0.5 px where the calibration's pixel centres are at .5; the centre of "
        "the top-left pixel is (0, 0) here",
        "evidence": {"offset": shift, "offset_error": error},
        "certainty": "hint",
        "failed": False,
    }
