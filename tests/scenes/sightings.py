"""Sightings of made-up hands by cameras on a ring, and what a diagnosis makes of them.

Keypoints have 1 px of noise; a hand is some 150 px large.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from tests.scenes.captures import project, ring_of_cameras, two_hands
from utils.cameras.arrays import CameraArrays
from utils.captures.diagnosis import diagnose
from utils.captures.diagnosis.sightings import Sightings
from utils.errors import UserError
from utils.keypoints.triangulation import triangulate_hands
from utils.stage.config import load_config

VIEWS, WIDTH, HEIGHT = 8, 800, 600


@dataclass
class Made:
    """What `diagnose` reads of a capture."""

    camera_arrays: CameraArrays
    keypoints: tuple
    masks: dict = field(default_factory=dict)

    def mask(self, view):
        return self.masks.get(view)


def scene(views=VIEWS, noise=1.0, seed=0):
    """Sightings of two hands that nothing is wrong with but noise."""
    rng = np.random.default_rng(seed)
    cameras = ring_of_cameras(views)
    xy = project(cameras, two_hands(rng))
    xy += noise * rng.normal(size=xy.shape)
    arrays = cameras.arrays()
    return Sightings(arrays.K, arrays.R, arrays.t, arrays.sizes, xy, np.ones(xy.shape[:3]))


def diagnosed(seen, masks=None):
    options = load_config().pose_optim
    try:
        hands = triangulate_hands(seen.cameras, seen.xy, seen.confidence, options)
    except UserError:
        hands = None
    return diagnose(Made(seen.cameras, (seen.xy, seen.confidence), masks or {}), hands, options)


def is_fine(diagnosis):
    return not (diagnosis.cause or diagnosis.notes or diagnosis.left_out or diagnosis.mend.needed)


def of_other_photos(seen, factor):
    """Photos (and keypoints) resampled to `factor` of the size that K belongs to."""
    sizes = np.round(seen.sizes * factor).astype(int)
    return replace(seen, xy=factor * (seen.xy + 0.5) - 0.5, sizes=sizes)
