"""Undistorted cameras as a model of COLMAP, in text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from utils.cameras import Cameras
from utils.captures.convert.pinholes import HALF_PIXEL, check_no_skew, digits
from utils.io.files import save_text

FOLDER = "sparse/0"
CAMERAS = "# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n# Number of cameras: {count}\n"
IMAGES = (
    "# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME\n"
    "# POINTS2D[] as (X, Y, POINT3D_ID)\n# Number of images: {count}\n"
)
POINTS = "# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)\n"


def write(
    folder: Path, cameras: Cameras, names: Sequence[str], photos: Sequence[str], unit: str | None
) -> list[Path]:
    """Write cameras.txt, images.txt and an empty points3D.txt to folder/sparse/0; returns them.

    cameras: B, undistorted, world units; names (B) of cameras and `unit` ("m", "cm", "mm" or None)
    have no place in COLMAP but as a comment; photos (B): file names in folder/images. Each image
    has a camera of its own, PINHOLE. Raises UserError on a K with skew.
    """
    check_no_skew(cameras, names, "COLMAP's PINHOLE")
    K, R, t = (x.double().cpu().numpy() for x in (cameras.K, cameras.R, cameras.t))
    quaternions = np.roll(Rotation.from_matrix(R).as_quat(canonical=True), 1, axis=1)  # w x y z
    camera_lines, image_lines = [], []
    for view, photo in enumerate(photos):
        height, width = cameras.sizes[view].tolist()
        parameters = digits(
            [K[view, 0, 0], K[view, 1, 1], *(K[view, :2, 2] + HALF_PIXEL)]  # fx fy cx cy
        )
        camera_lines.append(f"{view + 1} PINHOLE {width} {height} {parameters}\n")
        pose = digits([*quaternions[view], *t[view]])
        image_lines.append(f"{view + 1} {pose} {view + 1} {photo}\n\n")
    comment = f"# Unit: {unit}\n" if unit else ""
    texts = {
        "cameras.txt": CAMERAS.format(count=len(cameras)) + "".join(camera_lines),
        "images.txt": comment + IMAGES.format(count=len(cameras)) + "".join(image_lines),
        "points3D.txt": POINTS,
    }
    for name, text in texts.items():
        save_text(folder / FOLDER / name, text)
    return [folder / FOLDER / name for name in texts]
