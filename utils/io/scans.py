"""True surfaces as scanners and other tools write them: meshes, scenes, and clouds of points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.io.decoding import decoding
from utils.io.files import existing_file, load_text
from utils.io.meshes import LARGEST, check_mesh

TABLES = (".xyz", ".txt", ".pts", ".asc", ".csv")  # points as text, a row each
FEWEST_POINTS = 100  # of a cloud that says something of a hand
REMEDY = (
    "give the true surface as a mesh (.ply, .obj, .stl, .off, .glb) or as points (.ply, .obj, .xyz)"
)


@dataclass(frozen=True)
class Scan:
    """A surface: verts (V, 3), world units, and faces (F, 3), none of a cloud of points.

    notes: what was done to the file's content, for the reader of the numbers.
    """

    verts: np.ndarray
    faces: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def is_cloud(self) -> bool:
        """Whether there are only points."""
        return len(self.faces) == 0


def load_scan(path: str | Path) -> Scan:
    """Read a surface: a mesh, all meshes of a scene in one, or a cloud of points.

    Vertices at the same place become one, since formats without shared vertices would have every
    edge an open border. Points of clouds that are not finite are left out. Raises UserError where
    the file is missing, is no surface, or where a mesh holds numbers that are not finite.
    """
    path = existing_file(Path(path), REMEDY)
    with decoding(path, "no readable surface", REMEDY):
        verts, faces = _table(path) if path.suffix.lower() in TABLES else _surface(path)
    if len(faces) == 0:
        return _cloud(path, verts)
    verts, faces = check_mesh(path, verts, faces, REMEDY)
    merged, where = np.unique(verts, axis=0, return_inverse=True)
    if len(merged) == len(verts):
        return Scan(verts, faces)
    return Scan(merged, where.reshape(-1)[faces])


def _cloud(path: Path, points: np.ndarray) -> Scan:
    with np.errstate(invalid="ignore"):
        good = (np.abs(points) < LARGEST).all(1)
    if good.sum() < FEWEST_POINTS:
        raise UserError(
            f"{path} holds {int(good.sum())} points and no faces, expected a mesh or at least "
            f"{FEWEST_POINTS} points; {REMEDY}"
        )
    notes = [f"the truth is a cloud of {int(good.sum())} points: distances from them to the mesh"]
    notes[0] += ", one way; no normals, no Chamfer distance, no F-score"
    if not good.all():
        notes.append(f"{int((~good).sum())} points of the truth are not finite: left out")
    return Scan(points[good], np.zeros((0, 3), np.int64), tuple(notes))


def _table(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The first three numbers of every row; further columns may be colours or normals."""
    text = load_text(path).replace(",", " ").replace(";", " ")
    rows = [line.split() for line in text.splitlines()]
    rows = [row for row in rows if row and not row[0].startswith(("#", "//"))]
    if rows and len(rows[0]) == 1 and rows[0][0].isdecimal():  # .pts begins with their number
        rows = rows[1:]
    points = np.array([[float(number) for number in row[:3]] for row in rows]).reshape(-1, 3)
    return points, np.zeros((0, 3), np.int64)


def _surface(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import trimesh

    if path.suffix.lower() == ".obj":
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if not any(line.startswith("f ") for line in lines):
            rows = [line.split()[1:4] for line in lines if line.startswith("v ")]
            points = np.array([[float(number) for number in row] for row in rows])
            return points.reshape(-1, 3), np.zeros((0, 3), np.int64)
    loaded = trimesh.load(path, process=False, maintain_order=True)
    parts = loaded.dump() if isinstance(loaded, trimesh.Scene) else [loaded]
    meshes = [part for part in parts if len(getattr(part, "faces", ()))]
    return _joined(meshes or parts)


def _joined(parts: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of several meshes, or the points of several clouds."""
    verts = [np.asarray(part.vertices, float).reshape(-1, 3) for part in parts]
    first = np.cumsum([0, *map(len, verts)])
    faces = [
        np.asarray(getattr(part, "faces", ()), np.int64).reshape(-1, 3) + start
        for part, start in zip(parts, first)
    ]
    empty = np.zeros((0, 3))
    return np.concatenate([empty, *verts]), np.concatenate([empty.astype(np.int64), *faces])
