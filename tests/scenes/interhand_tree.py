"""A capture written as InterHand2.6M's release is: its tree of folders, its units and orders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.scenes.captures import two_hands
from utils.captures import Capture, load_capture
from utils.errors import UserError
from utils.io.images import save_image

SEQUENCE = "0000_made_up"
FRAMES = (20625, 563)  # of which the first is named without a zero before it
FINGERS = ([4, 3, 2, 1], [8, 7, 6, 5], [12, 11, 10, 9], [16, 15, 14, 13], [20, 19, 18, 17])
ROWS = [*(row for finger in FINGERS for row in finger), 0]  # of our order, in theirs

CONFIG = {"data_type": "interhand"}
HANDS = two_hands(np.random.default_rng(0), gap=0.12)


def opened(
    root: Path, scan_id: str = "1", made_path: Path | None = None, **config: object
) -> Capture:
    """A scan of the tree `root`."""
    return load_capture(root, scan_id, {**CONFIG, **config}, made_path)


def refused(root: Path, scan_id: str = "1", **config: object) -> str:
    """What the reader says instead of opening the scan."""
    with pytest.raises(UserError) as error:
        opened(root, scan_id, **config)
    return str(error.value)


def names_of(count: int) -> list[str]:
    """Names of colour cameras."""
    return [f"{400200 + 3 * view}" for view in range(count)]


def joint_entry(points: np.ndarray) -> dict[str, Any]:
    """joint_3d.json's entry of keypoints (2, 21, 3), metres, left first, nan: not known."""
    theirs = points[::-1, ROWS].reshape(42, 3)
    valid = np.isfinite(theirs).all(1)
    return {
        "world_coord": np.where(valid[:, None], 1000 * theirs, 1.0).tolist(),
        "joint_valid": valid[:, None].astype(int).tolist(),
        "hand_type": "interacting",
        "hand_type_valid": True,
        "seq": SEQUENCE,
    }


def camera_entry(capture: Capture, names: Sequence[str]) -> dict[str, Any]:
    """camera.json's entry of a capture whose unit is the metre."""
    K, R = capture.cameras.K.numpy(), capture.cameras.R.numpy()
    centres = 1000 * capture.cameras.centers().numpy()
    return {
        "campos": dict(zip(names, centres.tolist())),
        "camrot": dict(zip(names, R.tolist())),
        "focal": {name: [k[0, 0], k[1, 1]] for name, k in zip(names, K)},
        "princpt": {name: k[:2, 2].tolist() for name, k in zip(names, K)},
    }


def write_annotation(
    root: Path, kind: str, entries: Mapping[str, Any], split: str = "test", folder: str = ""
) -> Path:
    """Write annotations/SPLIT (or `folder`) /InterHand2.6M_SPLIT_KIND.json; returns the path."""
    path = root / "annotations" / (folder or split) / f"InterHand2.6M_{split}_{kind}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries))
    return path


def image_path(root: Path, name: str, frame: int = FRAMES[0], split: str = "test") -> Path:
    """Where a camera's image of a frame is."""
    folder = root / "images" / split / "Capture0" / SEQUENCE
    return folder / f"cam{name}" / f"image{frame:04d}.jpg"


def write_tree(
    root: Path,
    capture: Capture,
    points: np.ndarray,
    frames: Sequence[int] = FRAMES[:1],
    mano: Mapping[str, Any] | None = None,
) -> list[str]:
    """Write a capture with keypoints (2, 21, 3), metres, the same in all frames.

    mano: MANO_NeuralAnnot.json's entry of each frame, None: there is no such file. Returns the
    cameras' names.
    """
    names = names_of(len(capture))
    for view, name in enumerate(names):
        for frame in frames:
            save_image(image_path(root, name, frame), capture.image(view))
    write_annotation(root, "camera", {"0": camera_entry(capture, names)})
    entries = {str(frame): joint_entry(points) for frame in frames}
    write_annotation(root, "joint_3d", {"7": {"1": joint_entry(points + 1)}, "0": entries})
    if mano is not None:
        write_annotation(root, "MANO_NeuralAnnot", {"0": {str(f): mano for f in frames}})
    return names
