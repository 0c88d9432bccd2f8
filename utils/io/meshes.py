"""Meshes: .obj and .ply, in full float precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.io.files import atomic_path, existing_file
from utils.io.images import to_bytes


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


def _write_ply(path: Path, verts: np.ndarray, faces: np.ndarray, colors: np.ndarray | None) -> None:
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
        for name, channel in zip(("red", "green", "blue"), to_bytes(colors).T):
            rows[name] = channel
    table = np.empty(len(faces), [("n", "u1"), ("ids", "<i4", 3)])
    table["n"], table["ids"] = 3, faces
    text = ["ply", "format binary_little_endian 1.0", f"element vertex {len(verts)}", *header]
    text += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    path.write_bytes(("\n".join(text) + "\n").encode() + rows.tobytes() + table.tobytes())


def load_mesh(path: str | Path, hint: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) float64 and faces (F, 3) int64 in the file's own order."""
    import trimesh

    path = existing_file(Path(path), hint)
    try:
        mesh = trimesh.load(path, process=False, maintain_order=True, force="mesh")
    except (ValueError, IndexError, KeyError) as error:
        raise UserError(f"{path} is not a readable mesh ({error}); write it again") from error
    return np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int64)
