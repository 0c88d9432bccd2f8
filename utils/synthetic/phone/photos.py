"""From radiance to the photos of a phone: its lens, shake, exposure, noise and JPEG."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from utils.calibration.photos import EXIF_IFD, FILM, FOCAL_IN_FILM
from utils.cameras.calibrated import CalibratedCamera
from utils.io.files import atomic_path
from utils.io.images import to_bytes
from utils.synthetic.fields import srgb_from_linear

MARGIN = 0.02  # of the longer side: what a shaken photo sees beyond its border
SHUTTER_POSES = 7  # that a shaken photo is the mean of
SHAKEN = (0.006, 0.02)  # radians that a spoilt photo turns while it is exposed
NOISE = 0.007  # of the encoded values
DRIFT, DRIFT_SMOOTH = 0.22, 0.08  # of the logarithm of exposure; share of the session
JPEG_QUALITY = 95
MAKE = 0x010F  # in EXIF


class PhoneLens:
    """What a phone's lens makes of pinhole pictures; all photos share it.

    camera: K, size and lens of any photo. `K` and `size` are of the pinhole picture that a photo
    is made from, which sees a little more.
    """

    def __init__(self, camera: CalibratedCamera):
        height, width = camera.size
        y, x = np.mgrid[:height, :width].astype(float)
        rays = camera.rays(np.stack([x, y], -1).reshape(-1, 2))
        self._rays = np.column_stack([rays, np.ones(len(rays))])
        self._shape = height, width
        margin = MARGIN * max(height, width)
        focal = camera.K[0, 0]
        low = np.floor(rays.min(0) * focal - margin)
        high = np.ceil(rays.max(0) * focal + margin)
        self.K = np.array([[focal, 0, -low[0]], [0, focal, -low[1]], [0, 0, 1.0]])
        self.size = int(high[1] - low[1]), int(high[0] - low[0])

    def expose(self, picture: np.ndarray, turns: np.ndarray) -> np.ndarray:
        """The photo (h, w, C) of a pinhole picture (H, W, C), the mean over `turns` (N, 3).

        turns: rotation vectors of the camera while the shutter is open.
        """
        total = 0.0
        for turn in turns:
            rays = self._rays @ Rotation.from_rotvec(turn).as_matrix().T
            px = (rays[:, :2] / rays[:, 2:] * self.K[0, 0] + self.K[:2, 2]).astype(np.float32)
            grid = px.reshape(*self._shape, 2)
            total = total + cv2.remap(picture, grid[..., 0], grid[..., 1], cv2.INTER_CUBIC)
        return total / len(turns)


def shutter_turns(count: int, share: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Turns of the camera in each of `count` photos: `share` of them are spoilt."""
    spoilt = rng.permutation(count) < round(share * count)
    open_for = np.linspace(-0.5, 0.5, SHUTTER_POSES)[:, None]
    turns = []
    for photo in range(count):
        axis = rng.normal(size=3) * [1, 1, 0.3]
        axis = axis / np.linalg.norm(axis) * rng.uniform(*SHAKEN)
        turns.append(open_for * axis if spoilt[photo] else np.zeros((1, 3)))
    return turns


def exposures(count: int, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Gains (count, 3) of the photos: 1, or a phone that adjusts exposure and white balance."""
    if kind == "fixed":
        return np.ones((count, 3))
    wander = gaussian_filter1d(rng.normal(size=(count, 4)), DRIFT_SMOOTH * count, axis=0)
    wander /= np.maximum(wander.std(0), 1e-9)
    return np.exp(DRIFT * wander[:, :1] + DRIFT / 8 * wander[:, 1:])


def develop(radiance: np.ndarray, gain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """8-bit sRGB (H, W, 3) of linear radiance times gain (3,), with a sensor's noise."""
    encoded = srgb_from_linear((radiance * gain).clip(0, 1))
    return to_bytes(encoded + rng.normal(0, NOISE, encoded.shape))


def save_photo(path: Path, image: np.ndarray, focal: float) -> None:
    """Write a JPEG (H, W, 3) uint8 whose EXIF states the focal length `focal` (pixels)."""
    from PIL import Image

    exif = Image.Exif()
    exif[MAKE] = "make_demo"
    exif.get_ifd(EXIF_IFD)[FOCAL_IN_FILM] = round(focal / max(image.shape) * FILM)
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=JPEG_QUALITY, subsampling=0, exif=exif)
    with atomic_path(path) as beside:
        beside.write_bytes(data.getvalue())
