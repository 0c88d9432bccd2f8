"""Calibrated cameras, lenses included, written as the cameras.json that is read back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.cameras.calibrated import CalibratedCamera
from utils.io.files import save_json


def save_calibrated(path: Path, cameras: Sequence[CalibratedCamera], unit: str | None) -> None:
    """Write cameras with their lenses to a cameras.json; unit "m", "cm", "mm" or None."""
    entries = []
    for camera in cameras:
        entry = {"name": camera.name}
        if camera.photo is not None:
            entry["file"] = camera.photo
        entry |= {"size": list(camera.size[::-1]), "K": camera.K}
        if not camera.lens.is_none:
            entry |= {"model": camera.lens.model, "dist": list(camera.lens.numbers)}
        entries.append({**entry, "R": camera.R, "t": camera.t})
    head = {"unit": unit} if unit else {}
    save_json(path, {**head, "pixel_center": 0, "cameras": entries})
