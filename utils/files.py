"""One way to read and to write each kind of file; a file appears only when it is complete."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from utils.errors import UserError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends well.

    The file is synced before it is renamed, so a killed run or a full disk leaves the old file
    or none, never half of one. Raises UserError where the folder cannot be written.
    """
    path = Path(path)
    beside = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot write {path}: {reason}; make room or choose another --out_path"
        ) from error
    finally:
        beside.unlink(missing_ok=True) if beside.parent.is_dir() else None


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` a link to a file or folder, or a copy where the system grants no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.symlink(source.resolve(), target, target_is_directory=source.is_dir())
    except OSError:  # Windows asks for a privilege
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)


def _require(path: Path, hint: str = "") -> Path:
    if not path.is_file():
        raise UserError(f"{path} is missing" + (f"; {hint}" if hint else ""))
    return path


def save_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8."""
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")


def save_json(path: str | Path, data: Any) -> None:
    """Write JSON; numpy scalars and arrays become numbers and lists, nan becomes null."""
    save_text(path, json.dumps(_plain(data), indent=1, allow_nan=False) + "\n")


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    if hasattr(data, "tolist"):
        return _plain(data.tolist())
    if isinstance(data, float) and not np.isfinite(data):
        return None
    return data


def load_json(path: str | Path) -> Any:
    """Read JSON. Raises UserError when it is missing or not JSON."""
    path = _require(Path(path))
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid JSON ({error}); write it again") from error


def save_torch(path: str | Path, data: Any) -> None:
    """Write tensors and plain values so that `torch.load(weights_only=True)` reads them."""
    import torch

    with atomic_path(path) as beside:
        torch.save(data, beside)


def load_torch(path: str | Path, hint: str = "") -> Any:
    """Read what `save_torch` wrote, onto the CPU. Raises UserError on missing or foreign files."""
    import torch

    path = _require(Path(path), hint)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else "unreadable"
        raise UserError(
            f"{path} is not a file of plain tensors as this suite writes them ({first_line}); "
            "delete it and run the stage that makes it again"
        ) from error


def _decode(path: Path, flags: int) -> np.ndarray:
    """Decode an image file; a truncated one is an error, not a half-grey picture."""
    data = _require(path).read_bytes()
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    png_cut = data[:8] == b"\x89PNG\r\n\x1a\n" and b"IEND" not in data[-16:]
    jpeg_cut = data[:3] == b"\xff\xd8\xff" and b"\xff\xd9" not in data[-64:]
    if image is None or png_cut or jpeg_cut:
        state = "truncated" if png_cut or jpeg_cut else "not a readable image"
        raise UserError(f"{path} is {state} ({len(data)} bytes); copy it again")
    return image


def load_image(path: str | Path) -> np.ndarray:
    """RGB (H, W, 3) float32 in [0, 1], sRGB-encoded as on disk (8 or 16 bit)."""
    image = _decode(Path(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    scale = np.float32(np.iinfo(image.dtype).max)
    return np.ascontiguousarray(image[..., ::-1]) / scale


def load_mask(path: str | Path) -> np.ndarray:
    """Mask (H, W) bool; grey values of at least half are True."""
    return _decode(Path(path), cv2.IMREAD_GRAYSCALE) > 127


def save_image(path: str | Path, image: np.ndarray) -> None:
    """Write RGB or grey: floats in [0, 1] (clipped) or uint8, as PNG or whatever `path` ends in."""
    image = np.asarray(image)
    if image.dtype == bool:
        image = image.astype(np.uint8) * 255
    if image.dtype != np.uint8:
        image = np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)
    if image.ndim == 3:
        image = image[..., ::-1]
    ok, data = cv2.imencode(Path(path).suffix, np.ascontiguousarray(image))
    assert ok
    with atomic_path(path) as beside:
        beside.write_bytes(data.tobytes())


def save_mesh(
    path: str | Path, verts: np.ndarray, faces: np.ndarray, colors: np.ndarray | None = None
) -> None:
    """Write a mesh (.obj or .ply): verts (V, 3) with full precision, faces (F, 3), colors (V, 3).

    Colors are RGB in [0, 1], sRGB-encoded. Vertex order is kept.
    """
    path, verts, faces = Path(path), np.asarray(verts), np.asarray(faces)
    with atomic_path(path) as beside:
        if path.suffix == ".obj":
            beside.write_text(_obj_text(verts, faces, colors), encoding="ascii")
        else:
            _write_ply(beside, verts, faces, colors)


def _obj_text(verts: np.ndarray, faces: np.ndarray, colors: np.ndarray | None) -> str:
    columns = [verts] if colors is None else [verts, np.clip(colors, 0, 1)]
    digits = ["%.9g"] * 3 + ["%.4f"] * 3
    rows = np.concatenate(columns, 1)
    line = "v " + " ".join(digits[: rows.shape[1]])
    lines = [line % tuple(row) for row in rows]
    lines += ["f %d %d %d" % tuple(face) for face in faces + 1]  # noqa: UP031 (fast)
    return "\n".join(lines) + "\n"


def _write_ply(path: Path, verts: np.ndarray, faces: np.ndarray, colors: Any) -> None:
    """Binary PLY with double vertices, as trimesh, MeshLab, Open3D and Blender read it."""
    fields = [(name, "<f8") for name in "xyz"]
    header = ["property double x", "property double y", "property double z"]
    if colors is not None:
        fields += [(name, "u1") for name in ("red", "green", "blue")]
        header += [f"property uchar {name}" for name in ("red", "green", "blue")]
    rows = np.empty(len(verts), fields)
    for k, name in enumerate("xyz"):
        rows[name] = verts[:, k]
    if colors is not None:
        eight_bit = np.round(255 * np.clip(colors, 0, 1)).astype(np.uint8)
        for k, name in enumerate(("red", "green", "blue")):
            rows[name] = eight_bit[:, k]
    table = np.empty(len(faces), [("n", "u1"), ("ids", "<i4", 3)])
    table["n"], table["ids"] = 3, faces
    text = ["ply", "format binary_little_endian 1.0", f"element vertex {len(verts)}", *header]
    text += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    path.write_bytes(("\n".join(text) + "\n").encode() + rows.tobytes() + table.tobytes())


def load_mesh(path: str | Path, hint: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) float64 and faces (F, 3) int64 in the file's own order."""
    import trimesh

    path = _require(Path(path), hint)
    try:
        mesh = trimesh.load(path, process=False, maintain_order=True, force="mesh")
    except (ValueError, IndexError, KeyError) as error:
        raise UserError(f"{path} is not a readable mesh ({error}); write it again") from error
    return np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int64)


def newest_change(paths: Iterable[str | Path]) -> float:
    """Latest modification time (seconds) among the files that exist; 0 if none does."""
    return max((Path(p).stat().st_mtime for p in paths if Path(p).exists()), default=0.0)
