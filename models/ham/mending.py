"""Undoes folds and crossings that an optimisation left, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from utils.geometry.crossings import crossing_faces, flipped_faces
from utils.geometry.mesh import uniform_laplacian
from utils.parallel import mapped

MAX_ROUNDS = 12


@dataclass(frozen=True)
class Soundness:
    """Numbers of faces that cross others or have turned over: in the start, found, and left."""

    start: int
    found: int
    left: int


def bad_faces(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Ids of the faces (n,) that cross another one or have turned over."""
    return np.union1d(crossing_faces(verts, faces), flipped_faces(verts, faces))


def mend(verts: np.ndarray, start: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, Soundness]:
    """Smooth the displacement from `start` around bad faces until none is left that `start` lacks.

    verts, start (V, 3), faces (F, 3). Every round takes in one more ring around the bad faces and
    replaces the displacement there by the harmonic one between its surroundings; where that does
    not help, it fades towards the start. Returns the mended vertices and what was found.
    """
    at_start, bad = mapped(lambda points: bad_faces(points, faces), (start, verts), 2)
    bad = np.setdiff1d(bad, at_start)
    found = len(bad)
    if found == 0:
        return verts, Soundness(len(at_start), 0, 0)
    laplacian = uniform_laplacian(faces, len(verts)).tocsr()
    region = np.zeros(len(verts), bool)
    for round_ in range(MAX_ROUNDS):
        if len(bad) == 0:
            break
        region[faces[bad].ravel()] = True
        region = _dilated(region, faces)
        fade = round_ / MAX_ROUNDS
        displacement = _harmonic(verts - start, laplacian, region) * np.where(
            region[:, None], 1 - fade, 1.0
        )
        verts = start + displacement
        bad = np.setdiff1d(bad_faces(verts, faces), at_start)
    return verts, Soundness(len(at_start), found, len(bad))


def _dilated(region: np.ndarray, faces: np.ndarray) -> np.ndarray:
    wider = region.copy()
    wider[faces[region[faces].any(1)].ravel()] = True
    return wider


def _harmonic(values: np.ndarray, laplacian: sp.csr_matrix, region: np.ndarray) -> np.ndarray:
    """`values` (V, 3) with those in `region` replaced by the harmonic fill of the others."""
    if region.all():
        return np.zeros_like(values)
    inside, outside = np.flatnonzero(region), np.flatnonzero(~region)
    rows = laplacian[inside]
    rhs = -rows[:, outside] @ values[outside]
    system = (rows[:, inside] + 1e-9 * sp.identity(len(inside))).tocsc()
    filled = values.copy()
    filled[inside] = spl.splu(system).solve(np.asarray(rhs))
    return filled
