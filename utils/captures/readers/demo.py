"""The demo layout: D/S/img/%02d.png, mask/%02d.png, pose/%02d.json and camera/param.npz."""

from __future__ import annotations

from pathlib import Path

import torch

from utils.cameras import Cameras
from utils.captures.camera_files import load_cameras
from utils.captures.capture import Capture, image_size
from utils.errors import UserError


def load_capture(
    data_path: str | Path,
    scan_id: str,
    num: int | None = None,
    w: int | None = None,
    h: int | None = None,
    cameras_file: str | Path | None = None,
) -> Capture:
    """Open D/S. Only image headers and cameras are read here.

    `num`, `w` and `h` (config keys) are optional; where given they are checked. `cameras_file`
    replaces the capture's own cameras (a stage's corrected ones). Raises UserError on a missing
    folder, gaps in the views' numbering, a camera count that differs from the images', bad
    cameras, and sizes that contradict the config.
    """
    scan_dir = Path(data_path) / str(scan_id)
    if not scan_dir.is_dir():
        raise UserError(f"{scan_dir} is no folder; check --data_path and --scan_id")
    image_paths = _image_paths(scan_dir / "img", num)
    sizes = [image_size(path) for path in image_paths]
    for path, (height, width) in zip(image_paths, sizes):
        if (w is not None and w != width) or (h is not None and h != height):
            raise UserError(
                f"{path} is {width}x{height}, but the config says w = {w}, h = {h}; "
                "correct the config or leave w and h out"
            )
    camera_path = Path(cameras_file or scan_dir / "camera" / "param.npz")
    K, R, t, world_from_norm = load_cameras(camera_path, len(image_paths))
    cameras = Cameras(*(torch.from_numpy(x) for x in (K, R, t)), torch.tensor(sizes))
    return Capture(scan_dir, cameras, world_from_norm, image_paths, camera_path)


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
