"""Sensors of Metashape's XML: pinhole and lens in the suite's conventions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from utils.cameras.lens import Lens
from utils.captures.calibrations.format import pinhole
from utils.captures.calibrations.reading import image_size, shaped
from utils.errors import UserError

HALF_PIXEL = 0.5  # the centre of Metashape's first pixel
FRAME = "frame"
FISHEYE = ("fisheye", "equidistant_fisheye")  # as versions before and after 1.7 call it
PINHOLE = ("f", "cx", "cy", "b1", "b2")
COEFFICIENTS = ("k1", "k2", "k3", "k4", "p1", "p2", "p3", "p4")


@dataclass(frozen=True)
class Sensor:
    """A sensor's K (3, 3), (height, width) and lens; adjusted: by the alignment, not a guess."""

    K: np.ndarray
    size: tuple[int, int]
    lens: Lens
    adjusted: bool


def read_sensor(path: Path, element: Element) -> Sensor | None:
    """The sensor's adjusted calibration, else its initial one, None where it has none.

    Raises UserError on projections other than frame and equidistant fisheye.
    """
    where = f"sensor {element.get('label') or element.get('id')}"
    calibrations = {item.get("class", "adjusted"): item for item in element.findall("calibration")}
    calibration = calibrations.get("adjusted", calibrations.get("initial"))
    if calibration is None:
        return None
    resolution = calibration.find("resolution")
    resolution = element.find("resolution") if resolution is None else resolution
    if resolution is None:
        raise UserError(f"{path}: {where} has no resolution; export it again")
    size = image_size(path, where, resolution.get("width"), resolution.get("height"))
    f, cx, cy, b1, b2 = (_number(path, where, calibration, tag) for tag in PINHOLE)
    if calibration.find("f") is None:
        raise UserError(f"{path}: {where} has no focal length f; export it with Metashape 1.2+")
    height, width = size
    K = pinhole(f + b1, f, width / 2 + cx - HALF_PIXEL, height / 2 + cy - HALF_PIXEL, skew=b2)
    kind = calibration.get("type") or element.get("type") or FRAME
    values = [_number(path, where, calibration, tag) for tag in COEFFICIENTS]
    lens = _lens(path, where, kind, values)
    return Sensor(K, size, lens, calibration.get("class", "adjusted") == "adjusted")


def _number(path: Path, where: str, calibration: Element, tag: str) -> float:
    """An entry that is 0 where it is not written."""
    return float(shaped(path, f"{tag} of {where}", calibration.findtext(tag, "0"), 1)[0])


def _lens(path: Path, where: str, kind: str, values: list[float]) -> Lens:
    """The frame camera's lens, or the fisheye's: the same polynomials on the angle's direction."""
    if kind == FRAME:
        return Lens("metashape", tuple(values)) if any(values) else Lens()
    k1, k2, k3, k4, p1, p2, p3, p4 = values
    if kind not in FISHEYE or p3 or p4:
        what = f"projection {kind}" if kind not in FISHEYE else "fisheye with p3 and p4"
        raise UserError(
            f"{path}: {where} has the {what}; frame and {FISHEYE[1]} are read (let Metashape "
            "undistort the photos: File, Export, Convert Images)"
        )
    return Lens("thin_prism_fisheye", (k1, k2, p2, p1, k3, k4, 0.0, 0.0))
