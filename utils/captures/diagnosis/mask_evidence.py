"""What a view's mask says where its keypoints contradict the other views' hands."""

from __future__ import annotations

import numpy as np

from utils.captures.capture import Capture
from utils.captures.diagnosis.sightings import Sightings
from utils.errors import UserError
from utils.keypoints.order import BONES

# Of the bones in the photo, by a mask that shows the hands where they are: 0.99 and more on
# made-up captures; 0.96 at most where the mask lies a tenth of a hand beside.
COVERED = 0.97
MOST_OF_PHOTO = 0.5  # a mask that covers more says nothing
SAMPLES_PER_BONE = 8
ENOUGH = 0.5  # of the samples must lie in the photo


def mask_shows(capture: Capture, sightings: Sightings, view: int, points: np.ndarray) -> bool:
    """Whether a view's mask covers the hands of points (2, 21, 3), nan: not known, as its camera
    sees them. Where it does, the camera is right and the keypoints show something else."""
    try:
        mask = capture.mask(view)
    except UserError:
        return False  # told when the mask is asked for
    if mask is None or mask.mean() > MOST_OF_PHOTO:
        return False
    along = np.linspace(0, 1, SAMPLES_PER_BONE)[:, None, None]
    samples = points[:, None, BONES[:, 0]] * (1 - along) + points[:, None, BONES[:, 1]] * along
    samples = samples.reshape(-1, 3)
    x = samples[np.isfinite(samples[:, 0])] @ sightings.R[view].T + sightings.t[view]
    px = x @ sightings.K[view].T
    xy = np.round(px[:, :2] / np.where(px[:, 2:] > 0, px[:, 2:], np.nan))
    inside = ((xy >= 0) & (xy < mask.shape[::-1])).all(1)
    columns, rows = xy[inside].astype(int).T
    return inside.mean() > ENOUGH and float(mask[rows, columns].mean()) >= COVERED
