"""Photos of a phone that met with something on its way: tables that were changed, mirrors."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from make_demo import main as make_demo
from utils.synthetic.phone import capture

PHOTOS = 16
DEMO = f"--rig phone --photos {PHOTOS} --hands right --renderer raster --levels 0 --seed 1"


def two_tables(folder: Path) -> tuple[Path, Path]:
    """One phone's photos of one path: of a hand on a table, and of it in another pose elsewhere."""
    demo = [*DEMO.split(), "--out", str(folder)]
    assert make_demo([*demo, "--scan_id", "here"]) == 0
    room = capture.room
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capture, "room", lambda *about: room(*about[:-1], np.random.default_rng(9)))
        assert make_demo([*demo, "--scan_id", "there", "--pose_seed", "7"]) == 0
    return folder / "here", folder / "there"


def chosen_photos(folder: Path, *chosen: tuple[Path, range]) -> Path:
    """A folder of the photos with these numbers, and of their keypoints."""
    for demo, numbers in chosen:
        for kind, ending in (("photos", "jpg"), ("pose", "json")):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            for number in numbers:
                shutil.copy(demo / kind / f"{number:02d}.{ending}", folder / kind)
    return folder
