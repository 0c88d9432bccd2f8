"""The formats of rigs' calibrations by `data_type`."""

from __future__ import annotations

from utils.captures.calibrations.format import CalibrationFormat

FORMATS: dict[str, CalibrationFormat] = {}
