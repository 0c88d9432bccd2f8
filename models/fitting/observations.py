"""What the views saw of the hands: all that a fit is held against."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.cameras import Cameras
from utils.captures import Capture
from utils.keypoints.search import match_detections

Photo = Callable[[int], np.ndarray | None]  # view -> (H, W, 3) RGB in [0, 1]; None: not used


@dataclass(frozen=True)
class Observations:
    """N views of one or two hands; arrays hold the left hand, then the right one.

    Detections stand with the hand of `points` that they show, whatever the detector named them.
    """

    points: np.ndarray  # (2, 21, 3) keypoints in 3D, world units; nan where not seen
    cameras: Cameras  # N
    xy: np.ndarray  # (N, 2, 21, 2) detected keypoints, pixels; nan where not seen
    confidence: np.ndarray  # (N, 2, 21) in [0, 1]; 0 where not seen
    masks: Sequence[np.ndarray | None]  # N of (H, W) bool; None: there is none
    photo: Photo | None = None  # photos, from which masks can be made; None: there are none
    detected: Collection[int] = ()  # views whose masks the suite made from the photos before

    @staticmethod
    def of(
        capture: Capture,
        points: np.ndarray,
        options: Mapping[str, Any],
        masks: Sequence[np.ndarray | None] | None = None,
    ) -> Observations:
        """A capture's detections, masks (or those given here) and photos, and points (2, 21, 3).

        options: the config's section `pose_optim`, which says when a detection shows a hand.
        Raises UserError where a file of the capture is missing or broken.
        """
        xy, confidence = capture.keypoints
        xy, confidence = match_detections(points, capture.cameras, xy, confidence, options)
        if masks is None:
            masks = [capture.mask(view) for view in range(len(capture))]
        return Observations(
            points=points,
            cameras=capture.cameras,
            xy=xy,
            confidence=confidence,
            masks=masks,
            photo=lambda view: None if view in capture.left_out else capture.image(view),
            detected=capture.detected_masks,
        )
