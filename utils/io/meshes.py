"""Meshes: .obj and .ply, precise to less than a millionth of their size wherever they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.geometry.kept import kept_by_faces
from utils.io.decoding import decoding
from utils.io.files import atomic_path, existing_file
from utils.io.images import to_bytes

LEAST_DIGITS, ALL_DIGITS = 9, 17  # of an .obj's coordinates; with 17, a float64 is exact
COLOR_DECIMALS = 4
FEW = 5000  # vertices: to write fewer, no kernel needs to be loaded
TINY = 1e-300
LARGEST = 1e15  # world units: beyond, nothing can be told apart or squared


def save_mesh(
    path: str | Path, verts: np.ndarray, faces: np.ndarray, colors: np.ndarray | None = None
) -> None:
    """Write a mesh (.obj or .ply): verts (V, 3), faces (F, 3), colors (V, 3).

    Colors are RGB in [0, 1], sRGB-encoded. Vertex order is kept. A .ply keeps every bit of float64,
    an .obj nine digits or more of the largest coordinate, and of the mesh's size eight at least
    where it lies far from the origin.
    """
    path, verts, faces = Path(path), np.asarray(verts), np.asarray(faces)
    with atomic_path(path) as beside:
        if path.suffix == ".obj":
            beside.write_bytes(_obj_text(verts, faces, colors))
        else:
            _write_ply(beside, verts, faces, colors)


def _obj_text(verts: np.ndarray, faces: np.ndarray, colors: np.ndarray | None) -> bytes:
    columns = [verts] if colors is None else [verts, np.clip(colors, 0, 1)]
    rows, digits = np.concatenate(columns, 1, dtype=float), digits_needed(verts)
    if len(verts) > FEW and np.isfinite(rows).all():
        from utils.io.text_kernel import MOST_DECIMALS, MOST_DIGITS, lines_of

        before = 1 + int(np.floor(np.log10(max(np.abs(verts).max(), TINY))))
        decimals = digits + 1 - before  # one more than needed, for coordinates near zero
        if digits < MOST_DIGITS and 0 <= decimals <= MOST_DECIMALS:
            places = np.array([decimals] * 3 + [COLOR_DECIMALS] * 3)
            return lines_of(b"v ", rows, places[: rows.shape[1]]) + _face_lines(faces)
    formats = [f"%.{digits}g"] * 3 + [f"%.{COLOR_DECIMALS}f"] * 3
    line = "v " + " ".join(formats[: rows.shape[1]]) + "\n"
    return _lines_of(line, rows) + _face_lines(faces)


@kept_by_faces
def _face_lines(faces: np.ndarray) -> bytes:
    return _lines_of("f %d %d %d\n", faces + 1)


def _lines_of(line: str, rows: np.ndarray) -> bytes:
    """A line a row; one long format takes half the time of many."""
    return (line * len(rows) % tuple(rows.ravel().tolist())).encode("ascii")


def digits_needed(points: np.ndarray) -> int:
    """Digits of coordinates (N, 3) that keep eight of the points' extent, up to float64's 17."""
    if len(points) == 0:
        return LEAST_DIGITS
    extent = float(np.ptp(points, axis=0).max())
    farther = float(np.abs(points).max()) / max(extent, np.finfo(float).tiny)
    more = int(np.log10(farther)) if 1 < farther < LARGEST else 0
    return min(LEAST_DIGITS + more, ALL_DIGITS)


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


def load_mesh(path: str | Path, hint: str = "", remedy: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) float64 and faces (F, 3) int64 in the file's own order.

    Raises UserError where the file is missing (`hint` says what to do), is no mesh of triangles
    among its vertices, or holds numbers that are not finite (`remedy`, or else the hint, says what
    to do).
    """
    path = existing_file(Path(path), hint)
    remedy = remedy or hint or "write it again"
    if (plain := _read_plain_obj(path)) is not None:
        return check_mesh(path, *plain, remedy)
    import trimesh  # takes half a second

    with decoding(path, "not a readable mesh", remedy):
        mesh = trimesh.load(path, process=False, maintain_order=True, force="mesh")
        verts, faces = np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int64)
    return check_mesh(path, verts, faces, remedy)


def _read_plain_obj(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Vertices and faces of an OBJ file as `save_mesh` writes it; None of any other.

    Lines of vertices, with or without colours, then lines of triangles, and nothing else.
    """
    if path.suffix.lower() != ".obj":
        return None
    vertex_lines, found, face_lines = path.read_bytes().partition(b"\nf ")
    vertex_lines, face_lines = vertex_lines + b"\n", b"f " + face_lines
    count = vertex_lines.count(b"\n"), face_lines.count(b"\n")
    alike = (b"\n" + vertex_lines).count(b"\nv "), (b"\n" + face_lines).count(b"\nf ")
    if not found or count != alike or not face_lines.endswith(b"\n"):
        return None
    try:
        rows = np.array(vertex_lines.replace(b"v", b"").split(), float).reshape(count[0], -1)
        faces = np.array(face_lines.replace(b"f", b"").split(), np.int64).reshape(count[1], 3)
    except ValueError:
        return None
    if rows.shape[1] not in (3, 6) or faces.min() < 1:
        return None
    return rows[:, :3].copy(), faces - 1


def check_mesh(
    path: Path, verts: np.ndarray, faces: np.ndarray, remedy: str
) -> tuple[np.ndarray, np.ndarray]:
    """The mesh of a file, or UserError that says what is wrong with it."""
    if verts.ndim != 2 or verts.shape[1:] != (3,) or len(verts) == 0:
        raise UserError(f"{path} is not a readable mesh (it has no vertices); {remedy}")
    if faces.ndim != 2 or faces.shape[1:] != (3,) or len(faces) == 0:
        raise UserError(f"{path} is not a readable mesh (it has no triangles); {remedy}")
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(verts) < LARGEST).all(1)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise UserError(
            f"{path}: vertex {first + 1} of {len(verts)} is {verts[first].tolist()}, expected "
            f"finite coordinates; {remedy}"
        )
    if faces.min() < 0 or faces.max() >= len(verts):
        named = int(faces.min()) if faces.min() < 0 else int(faces.max()) + 1
        raise UserError(f"{path}: a face names vertex {named}, the mesh has {len(verts)}; {remedy}")
    return verts, faces
