"""The formats of rigs' calibrations by `data_type`."""

from __future__ import annotations

from utils.captures.calibrations import (
    alicevision,
    anipose,
    assemblyhands,
    cameras_json,
    colmap,
    easymocap,
    goliath,
    kalibr,
    krt,
    metashape,
    multical,
    nerfstudio,
    neus,
    opencv,
    panoptic,
)
from utils.captures.calibrations.format import CalibrationFormat

FORMATS: dict[str, CalibrationFormat] = {
    "colmap": colmap.FORMAT,
    "nerfstudio": nerfstudio.FORMAT,
    "easymocap": easymocap.FORMAT,
    "opencv": opencv.FORMAT,
    "anipose": anipose.FORMAT,
    "alicevision": alicevision.FORMAT,
    "metashape": metashape.FORMAT,
    "kalibr": kalibr.FORMAT,
    "goliath": goliath.FORMAT,
    "krt": krt.FORMAT,
    "panoptic": panoptic.FORMAT,
    "multical": multical.FORMAT,
    "assemblyhands": assemblyhands.FORMAT,
    "neus": neus.FORMAT,
    "cameras_json": cameras_json.FORMAT,
}
