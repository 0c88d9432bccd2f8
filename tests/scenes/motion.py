"""Files of poses as other programs write them, made by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

# Of SMPL-H's 22 joints of the body, as its papers and the package smplx number them.
BODY_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
FIRST = {"left": 66, "right": 111}  # column of a hand's fingers


def smplh(frames: int, **fingers: np.ndarray) -> np.ndarray:
    """Poses (T, 156) of a body that stands, with fingers (T, 45) or (45,) by side."""
    poses = np.zeros((frames, 156))
    for side, values in fingers.items():
        poses[:, FIRST[side] : FIRST[side] + 45] = values
    return poses


def write_npz(
    path: Path, poses: np.ndarray | None, rate: float | None = 120.0, **more: Any
) -> Path:
    """An .npz as AMASS's are, with an array of objects beside, as some of them have."""
    arrays = {"betas": np.zeros(16), "gender": np.array("neutral"), **more}
    arrays |= {} if poses is None else {"poses": poses, "trans": np.zeros((len(poses), 3))}
    arrays |= {} if rate is None else {"mocap_framerate": np.array(rate)}
    np.savez(path, labels=np.array([{"a": 1}], dtype=object), **arrays)
    return path


def write_sequence(path: Path, poses: np.ndarray, rate: float = 30.0, **more: Any) -> Path:
    """An S_sequence.npz of both hands, seen all the time, in their places."""
    places = {f"{side}_trans": np.zeros((len(poses), 3)) for side in FIRST}
    seen = {f"{side}_seen": np.ones(len(poses), bool) for side in FIRST}
    names = np.array([f"{k:02d}" for k in range(len(poses))])
    return write_npz(path, poses, rate, **{**places, **seen, "frames": names, **more})


def mano_entry(pose: np.ndarray, trans: Any = (0, 0, 0)) -> dict[str, Any]:
    """A hand of InterHand2.6M's MANO_NeuralAnnot.json."""
    return {"pose": np.asarray(pose).tolist(), "shape": [0.0] * 10, "trans": list(trans)}


def write_interhand(path: Path, captures: Mapping[str, Mapping[int, dict[str, Any]]]) -> Path:
    """A MANO_NeuralAnnot.json: hands by capture and frame, null where a frame lacks one."""
    both = {"left": None, "right": None}
    named = {
        name: {str(frame): both | hands for frame, hands in frames.items()}
        for name, frames in captures.items()
    }
    path.write_text(json.dumps(named))
    return path
