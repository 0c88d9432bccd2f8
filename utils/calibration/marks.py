"""The scale by two points that somebody marked in the photos, a measured distance apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.calibration.points import triangulate
from utils.cameras.calibrated import CalibratedCamera
from utils.errors import UserError
from utils.io.files import load_json

FORM = '{"a": {"IMG_1.jpg": [x, y], ...}, "b": {...}}, pixels, each in two photos or more'
MOST_MISS = 0.01  # of the photo's longer side: a mark farther off is not the same point
MM = 1e-3


def marks_scale(
    cameras: Sequence[CalibratedCamera], path: Path, millimetres: float
) -> tuple[float, float]:
    """Metres a unit of the cameras' world, and one standard deviation of that, relative.

    path: a JSON file of two points' pixels by photo (FORM). Raises UserError on other files, photos
    that have no camera, and marks that do not agree.
    """
    data = load_json(path, f"write it as {FORM}")
    if not isinstance(data, dict) or len(data) != 2:
        raise UserError(f"{path}: expected two points, {FORM}")
    by_photo = {camera.photo: camera for camera in cameras}
    by_photo |= {camera.name: camera for camera in cameras}
    points, errors = [], []
    for name, marks in data.items():
        seen = _seen(path, name, marks, by_photo)
        point, miss = triangulate(seen)
        size = max(seen[0][0].size)
        if miss.max() > MOST_MISS * size:
            raise UserError(
                f"{path}: the marks of point {name} miss each other by {miss.max():.1f} px; are "
                "they of one spot?"
            )
        depth = np.mean([(camera.R @ point + camera.t)[2] for camera, _ in seen])
        points.append(point)
        errors.append(np.sqrt((miss**2).mean()) * depth / seen[0][0].K[0, 0])
    apart = float(np.linalg.norm(points[0] - points[1]))
    return millimetres * MM / apart, float(np.hypot(*errors) / apart)


def _seen(
    path: Path, name: str, marks: object, by_photo: dict[str, CalibratedCamera]
) -> list[tuple[CalibratedCamera, np.ndarray]]:
    if not isinstance(marks, dict) or len(marks) < 2:
        raise UserError(f"{path}: point {name} is marked in fewer than two photos; {FORM}")
    unknown = [photo for photo in marks if photo not in by_photo]
    if unknown:
        raise UserError(
            f"{path}: point {name} is marked in {unknown[0]}, which has no camera; photos with one "
            f"are {', '.join(sorted(by_photo)[:6])} ..."
        )
    try:
        return [(by_photo[k], np.array(xy, float).reshape(2)) for k, xy in marks.items()]
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: point {name}: expected [x, y]; {FORM}") from error
