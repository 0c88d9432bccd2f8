"""Entries of OpenCV's files by what they mean, whatever their writers called them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras.lens import Lens
from utils.captures.calibrations.reading import image_size, lens, rotation_matrix, shaped
from utils.errors import UserError

# Names without case and signs; a stereo file adds a side before or after them.
MATRIX = ("cameramatrix", "intrinsicmatrix", "intrinsics", "intrinsic", "matrix", "mtx", "k", "m")
DISTORTION = (
    "distortioncoefficients",
    "distortioncoeffs",
    "distcoeffs",
    "distcoeff",
    "distcoef",
    "distortion",
    "distortions",
    "dist",
    "d",
)
ROTATION = ("rotationmatrix", "rotation", "rvec", "rmat", "r", "om")
TRANSLATION = ("translationvector", "translation", "tvec", "t")
RIGID = ("cameramatrix", "extrinsicmatrix", "extrinsics", "extrinsic", "worldtocamera", "rt")
SIDES = (("1", "2"), ("left", "right"), ("l", "r"))
FISHEYE_FLAGS = ("fisheye", "fisheyemodel", "isfisheye")
MODEL = ("distortionmodel", "model", "cameramodel", "cameratype")
FISHEYE_MODELS = ("fisheye", "equidistant", "kannalabrandt")
BROWN_MODELS = (
    "plumbbob",
    "rationalpolynomial",
    "radtan",
    "brown",
    "opencv",
    "pinhole",
    "standard",
)
WIDTH, HEIGHT = ("imagewidth", "width"), ("imageheight", "height")
SIZE = ("imagesize", "size", "resolution", "framesize")


class Entries:
    """What one table of a file holds of a camera, or of a stereo pair; keeps notes as it reads."""

    def __init__(self, path: Path, where: str, table: dict[str, Any]) -> None:
        self.path, self.where, self.notes = path, where, []
        self._table = {re.sub(r"[^a-z0-9]", "", key.lower()): table[key] for key in table}

    def _find(self, names: tuple[str, ...], side: str = "", sizes: tuple[int, ...] = ()) -> Any:
        """The first entry of one of `names` that has one of `sizes` numbers (any, if empty)."""
        for name in names:
            for key in (name + side, side + name) if side else (name,):
                value = self._table.get(key)
                if value is not None and (not sizes or _count(value) in sizes):
                    return value
        return None

    def sides(self) -> tuple[str, str] | None:
        """The names of a stereo pair's sides, None where the table holds no pair."""
        for pair in SIDES:
            if all(self._find(MATRIX, side, (9,)) is not None for side in pair):
                return pair
        return None

    def has_optics(self) -> bool:
        """Whether there is a camera matrix."""
        return self._find(MATRIX, sizes=(9,)) is not None

    def has_pose(self) -> bool:
        """Whether there are a rotation and a translation, or both in one matrix."""
        vectors = self._find(ROTATION, sizes=(3, 9)), self._find(TRANSLATION, sizes=(3,))
        return self._rigid() is not None or all(value is not None for value in vectors)

    def matrix(self, side: str = "") -> tuple[np.ndarray, bool]:
        """K (3, 3), and whether the file holds it transposed, as JARVIS writes it."""
        value = self._find(MATRIX, side, (9,))
        if value is None:
            raise UserError(f"{self.path}: {self.where} has no 3 x 3 camera matrix")
        K = shaped(self.path, f"the camera matrix of {self.where}", value, 3, 3)
        transposed = bool((K[2, :2] != 0).any() and (K[:2, 2] == 0).all())
        if transposed:
            self.notes.append("camera matrices and rotations are stored transposed (JARVIS)")
        return (K.T if transposed else K), transposed

    def lens(self, side: str = "") -> Lens:
        """The distortion; OpenCV's fisheye where the file says so."""
        value = self._find(DISTORTION, side)
        build = Lens.fisheye if self._is_fisheye() else Lens.brown
        return lens(self.path, self.where, build, [] if value is None else value)

    def _is_fisheye(self) -> bool:
        flag = self._find(FISHEYE_FLAGS)
        if isinstance(flag, float | str) and flag not in (0.0, "0", "false", "False"):
            return True
        model = self._find(MODEL)
        word = re.sub(r"[^a-z]", "", model.lower()) if isinstance(model, str) else ""
        if word and word not in FISHEYE_MODELS + BROWN_MODELS:
            raise UserError(
                f"{self.path}: {self.where} has the distortion model {model}; known are "
                f"{', '.join(FISHEYE_MODELS + BROWN_MODELS)}"
            )
        return word in FISHEYE_MODELS

    def pose(self, transposed: bool) -> tuple[np.ndarray, np.ndarray]:
        """R (3, 3), t (3,); `transposed`: JARVIS' row vectors, x_cam = x R + T."""
        rigid = self._rigid()
        if rigid is not None:
            return rigid[:3, :3], rigid[:3, 3]
        rotation = self._find(ROTATION, sizes=(3, 9))
        translation = self._find(TRANSLATION, sizes=(3,))
        R = rotation_matrix(self.path, f"the rotation of {self.where}", rotation)
        t = shaped(self.path, f"the translation of {self.where}", translation, 3)
        return (R.T if transposed else R), t

    def _rigid(self) -> np.ndarray | None:
        """[R|t] (3 or 4, 4) in one matrix, world to camera, such as OpenPose's CameraMatrix."""
        value = self._find(RIGID, sizes=(12, 16))
        if value is None:
            return None
        rows = _count(value) // 4
        return shaped(self.path, f"[R|t] of {self.where}", value, rows, 4)

    def size(self) -> tuple[int, int] | None:
        """(height, width) where the file has them."""
        width, height = self._find(WIDTH), self._find(HEIGHT)
        both = self._find(SIZE, sizes=(2,))
        if width is not None and height is not None:
            return image_size(self.path, self.where, width, height)
        return None if both is None else image_size(self.path, self.where, *np.ravel(both))


def _count(value: Any) -> int:
    """How many numbers an entry holds; 0 for text and tables."""
    try:
        return int(np.asarray(value, float).size)
    except (ValueError, TypeError):
        return 0
