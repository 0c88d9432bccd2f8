"""How much a phone kept adjusting its exposure, told by points that many photos see."""

from __future__ import annotations

import numpy as np

from utils.calibration.photos import PhotoSet
from utils.calibration.structure import Structure

VARIES = 1.25  # ratio of the light that photos take in, beyond which that is said
ENCODING = 2.2  # exponent of what is stored


def exposures(photos: PhotoSet, structure: Structure) -> np.ndarray:
    """Light that each camera's photo took in (views,), relative to their geometric mean."""
    order = {name: k for k, name in enumerate(photos.names)}
    grey = np.empty(len(structure.xy))
    for view, camera in enumerate(structure.cameras):
        rows = structure.view_of == view
        image = photos.grey(order[camera.photo])
        x, y = np.round(structure.xy[rows]).astype(int).T
        height, width = image.shape
        grey[rows] = image[y.clip(0, height - 1), x.clip(0, width - 1)]
    light = ENCODING * np.log((grey + 1) / 256)
    count = np.bincount(structure.point_of, minlength=len(structure.points)).clip(1)
    gains = np.zeros(len(structure.cameras))
    for _ in range(10):  # alternate: what a point's light is, what each photo made of it
        own = light - gains[structure.view_of]
        point = np.bincount(structure.point_of, own, len(structure.points)) / count
        over = light - point[structure.point_of]
        gains = np.array([np.median(over[structure.view_of == v]) for v in range(len(gains))])
        gains -= gains.mean()
    return np.exp(gains)


def exposure_note(gains: np.ndarray) -> str | None:
    """What to say of exposures (views,) that wander; None: they do not."""
    ratio = float(np.percentile(gains, 95) / np.percentile(gains, 5))
    if ratio < VARIES:
        return None
    return (
        f"the phone kept adjusting its exposure, by a factor of {ratio:.1f}; the mesh stages even "
        "it out, but lock it next time (hold a finger on the screen until it says AE/AF lock)"
    )
