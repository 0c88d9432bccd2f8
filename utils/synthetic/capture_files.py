"""Writing a synthetic capture: all of it appears at once, or nothing does."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras import Cameras, Similarity
from utils.captures.camera_files import save_cameras
from utils.errors import UserError
from utils.io.files import atomic_path, save_json
from utils.io.images import save_image
from utils.keypoints import KEYPOINTS, SIDES
from utils.keypoints.order import save_keypoints
from utils.synthetic.fields import srgb_from_linear
from utils.synthetic.hands import Hand

LARGEST_SHORT_INDEX = 2**16


@contextmanager
def appearing_folder(target: Path, overwrite: bool) -> Iterator[Path]:
    """A new folder beside `target` that takes its place when the block ends well.

    Raises UserError when `target` exists and `overwrite` is False, or cannot be written.
    """
    refuse_existing(target, overwrite)
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    old = beside.with_name(beside.name + ".old")
    try:
        beside.mkdir(parents=True)
        yield beside
        if target.exists():
            target.rename(old)
        beside.rename(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot write {target}: {reason}; choose another --out") from error
    finally:
        for leftover in (beside, old):
            shutil.rmtree(leftover, ignore_errors=True)


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Raise UserError when `target` is there and must not be replaced."""
    if target.exists() and not overwrite:
        raise UserError(f"{target} exists; pass --overwrite to replace it, or another --out")


@dataclass
class RecordedViews:
    """Pictures that belong together: images uint8 sRGB (H, W, 3), masks bool (H, W)."""

    cameras: Cameras
    images: list[np.ndarray]
    masks: list[np.ndarray]


def write_capture(
    folder: Path,
    training: RecordedViews,
    held: RecordedViews,
    world_from_norm: Similarity,
    poses: list[dict],
    hands: list[Hand],
    facts: dict[str, Any],
) -> None:
    """Fill `folder` with img, mask, pose, camera, held and gt as README.md describes them."""
    _write_views(folder, training)
    _write_views(folder / "held", held)
    frame = world_from_norm.matrix()
    save_cameras(folder / "camera" / "param.npz", training.cameras, frame)
    save_cameras(folder / "held" / "param.npz", held.cameras, frame)
    for view, pose in enumerate(poses):
        save_json(folder / "pose" / f"{view:02d}.json", pose)
    keypoints = np.full((2, KEYPOINTS, 3), np.nan)
    for hand in hands:
        keypoints[SIDES.index(hand.side)] = hand.keypoints
    save_keypoints(folder / "gt" / "keypoints3d.xyz", keypoints)
    write_mesh(folder / "gt" / "mesh.ply", hands)
    save_json(folder / "gt" / "params.json", facts)


def _write_views(folder: Path, views: RecordedViews) -> None:
    for view, (image, mask) in enumerate(zip(views.images, views.masks)):
        save_image(folder / "img" / f"{view:02d}.png", image)
        save_image(folder / "mask" / f"{view:02d}.png", mask)


def write_mesh(path: Path, hands: list[Hand]) -> None:
    """Binary PLY of the exact rendered float32 vertices, 16-bit indices where they reach."""
    starts = np.cumsum([0] + [len(hand.verts) for hand in hands])
    vertex = [(name, "<f4") for name in "xyz"] + [(name, "u1") for name in ("red", "green", "blue")]
    verts = np.empty(starts[-1], vertex)
    for hand, start in zip(hands, starts):
        rows = slice(start, start + len(hand.verts))
        albedo = np.round(255 * srgb_from_linear(hand.skin.albedo))
        for (name, _), column in zip(vertex, [*hand.verts.T, *albedo.T]):
            verts[name][rows] = column
    short = starts[-1] <= LARGEST_SHORT_INDEX
    faces = np.concatenate([hand.faces + start for hand, start in zip(hands, starts)])
    table = np.empty(len(faces), [("n", "u1"), ("ids", "<u2" if short else "<i4", 3)])
    table["n"], table["ids"] = 3, faces
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(verts)}"]
    header += [f"property float {name}" for name in "xyz"]
    header += [f"property uchar {name}" for name in ("red", "green", "blue")]
    header += [f"element face {len(faces)}"]
    header += [f"property list uchar {'ushort' if short else 'int'} vertex_indices", "end_header"]
    with atomic_path(path) as beside:
        beside.write_bytes(("\n".join(header) + "\n").encode() + verts.tobytes() + table.tobytes())
