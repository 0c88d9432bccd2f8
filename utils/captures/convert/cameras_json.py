"""Undistorted cameras as cameras.json, the suite's own plain form (docs/captures.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.cameras import Cameras
from utils.captures.convert import PHOTOS
from utils.io.files import save_json

FILE = "cameras.json"


def write(
    folder: Path, cameras: Cameras, names: Sequence[str], photos: Sequence[str], unit: str | None
) -> list[Path]:
    """Write folder/cameras.json; arguments as of `utils.captures.convert.colmap.write`.

    Names of cameras and the unit are kept, and a skew is.
    """
    entries = [
        {
            "name": name,
            "file": f"{PHOTOS}/{photo}",
            "size": cameras.sizes[view].flip(0),  # width, height
            "K": cameras.K[view].double(),
            "R": cameras.R[view].double(),
            "t": cameras.t[view].double(),
        }
        for view, (name, photo) in enumerate(zip(names, photos))
    ]
    head = {"unit": unit} if unit else {}
    save_json(folder / FILE, {**head, "pixel_center": 0, "cameras": entries})
    return [folder / FILE]
