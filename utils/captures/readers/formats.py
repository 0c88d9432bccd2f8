"""The formats of rigs' calibrations by `data_type`."""

from __future__ import annotations

from utils.captures.calibrations import (
    cameras_json,
    colmap,
    nerfstudio,
    neus,
)
from utils.captures.calibrations.format import CalibrationFormat

FORMATS: dict[str, CalibrationFormat] = {
    "colmap": colmap.FORMAT,
    "nerfstudio": nerfstudio.FORMAT,
    "neus": neus.FORMAT,
    "cameras_json": cameras_json.FORMAT,
}
