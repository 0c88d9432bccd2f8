"""The demo layout: D/S/img/%02d.png, mask/%02d.png, pose/%02d.json and camera/param.npz."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from utils.cameras import Cameras
from utils.captures.camera_files import load_cameras
from utils.captures.capture import Capture, View
from utils.errors import UserError
from utils.io.files import natural_order
from utils.io.images import image_size


def read(data_path: Path, scan_id: str, config: Mapping[str, Any]) -> Capture:
    """Open D/S. Only image headers and cameras are read here.

    The config's `num`, `w` and `h` are checked where they are given. Raises UserError on a missing
    folder, gaps in the views' numbering, a camera count that differs from the images', bad
    cameras, and sizes that contradict the config.
    """
    scan_dir = data_path / scan_id
    if not scan_dir.is_dir():
        raise UserError(f"{scan_dir} is no folder; check --data_path and --scan_id")
    image_paths = _image_paths(scan_dir / "img", config.get("num"))
    sizes = [image_size(path) for path in image_paths]
    w, h = config.get("w"), config.get("h")
    for path, (height, width) in zip(image_paths, sizes):
        if (w is not None and w != width) or (h is not None and h != height):
            raise UserError(
                f"{path} is {width}x{height}, but the config says w = {w}, h = {h}; "
                "correct the config or leave w and h out"
            )
    camera_path = scan_dir / "camera" / "param.npz"
    K, R, t, world_from_norm = load_cameras(camera_path, len(image_paths))
    views = tuple(
        View(
            name=path.stem,
            size=size,
            image_path=path,
            mask_path=scan_dir / "mask" / f"{view:02d}.png",
            pose_path=scan_dir / "pose" / f"{view:02d}.json",
        )
        for view, (path, size) in enumerate(zip(image_paths, sizes))
    )
    cameras = Cameras.of(K, R, t, torch.tensor(sizes))
    return Capture(str(scan_dir), scan_id, views, cameras, world_from_norm, (camera_path,))


def scans(data_path: Path) -> list[str]:
    """Names of the folders in D that hold photos, 2 before 10."""
    names = [folder.parent.name for folder in data_path.glob("*/img") if folder.is_dir()]
    return sorted(names, key=natural_order)


def _image_paths(folder: Path, num: int | None) -> list[Path]:
    found = sorted(folder.glob("[0-9]*.png"))
    if not found:
        raise UserError(f"{folder} holds no images; expected 00.png, 01.png, ...")
    expected = [folder / f"{view:02d}.png" for view in range(num or len(found))]
    for path in expected:
        if not path.is_file():
            wanted = f"; the config says num = {num}" if num is not None else ""
            raise UserError(
                f"{path} is missing; {len(found)} images found, views are numbered 00.png, 01.png, "
                f"... without gaps{wanted}"
            )
    if num is not None and len(found) != num:
        raise UserError(
            f"{folder} holds {len(found)} images, but the config says num = {num}; "
            "correct the config or leave num out"
        )
    return expected
