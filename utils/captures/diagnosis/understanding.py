"""A capture as it is meant: mended, and triangulated from the views that agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.captures.capture import Capture
from utils.captures.diagnosis.diagnose import Diagnosis, diagnose
from utils.captures.mends import mended
from utils.errors import UserError
from utils.keypoints.triangulation import HandKeypoints, triangulate_hands
from utils.verdict import FailedVerdictError


@dataclass(frozen=True)
class Understanding:
    """capture: with keypoints mended; hands: from it without the views that are left out, None
    where there are none to be had, and `error` says why."""

    capture: Capture
    hands: HandKeypoints | None
    diagnosis: Diagnosis
    error: UserError | None = None

    def checked_hands(self, force: bool = False) -> HandKeypoints:
        """The hands. Raises UserError where there are none, and FailedVerdictError with the
        diagnosis' cause where that says that the stages would fail; force: not then."""
        if self.error is not None and not self.diagnosis.explained:
            raise self.error
        if self.hands is None or (self.diagnosis.failed and not force):
            raise FailedVerdictError(f"{self.capture.name}: {self.diagnosis.line}")
        return self.hands


def understand(capture: Capture, options: Mapping[str, Any], seed: int = 0) -> Understanding:
    """Triangulate, diagnose and mend. options: the config's `pose_optim`."""
    hands, error = _triangulated(capture, (), options, seed)
    try:
        diagnosis = diagnose(capture, hands, options, seed)
    except UserError as unreadable:
        return Understanding(capture, None, Diagnosis(), unreadable)
    if diagnosis.failed or not (diagnosis.mend.needed or diagnosis.left_out):
        return Understanding(capture, hands, diagnosis, error)
    capture = mended(capture, diagnosis.mend)
    hands, error = _triangulated(capture, diagnosis.left_out, options, seed)
    return Understanding(capture, hands, diagnosis, error)


def _triangulated(
    capture: Capture, left_out: tuple[int, ...], options: Mapping[str, Any], seed: int
) -> tuple[HandKeypoints | None, UserError | None]:
    try:
        xy, confidence = capture.keypoints
        confidence = confidence.copy()
        confidence[list(left_out)] = 0.0
        return triangulate_hands(capture.camera_arrays, xy, confidence, options, seed), None
    except UserError as error:
        return None, error
    except np.linalg.LinAlgError:
        return None, UserError("pose: no keypoint fits two views; check the cameras")
