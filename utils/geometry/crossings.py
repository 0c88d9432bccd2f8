"""Which triangles of a mesh cross each other, and which have turned over."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from utils.compiled import FAST, SMALL, U, njit
from utils.geometry.normals import cross
from utils.render.cpu.threads import PIECES, run, split, thread_count

MOST_CELLS = 32  # of the grid along the largest face, so that a vertex far off costs no memory
PARALLEL = 1e-12  # of the product of three lengths: a segment that is so nearly in a plane


def crossing_faces(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Ids of the faces (n,) that cross another face with which they share no vertex.

    verts (V, 3) any unit, faces (F, 3). An edge of one face that passes through the inside of
    the other counts; faces that only touch do not. Candidates come from a uniform grid.
    """
    verts, faces = np.ascontiguousarray(verts, np.float64), np.ascontiguousarray(faces, np.int64)
    if len(faces) == 0:
        return np.zeros(0, np.int64)
    corners = verts[faces]
    low, high = (
        extreme(extreme(corners[:, 0], corners[:, 1]), corners[:, 2])
        for extreme in (np.minimum, np.maximum)
    )
    sizes = (high - low).max(1)
    cell = max(1.5 * float(np.median(sizes)), float(sizes.max()) / MOST_CELLS) + 1e-30
    origin = low.min(0)
    first = np.floor((low - origin) / cell).astype(np.int64)
    last = np.floor((high - origin) / cell).astype(np.int64)
    dims = last.max(0) + 1
    keys, members = _cells(first, last, dims)
    order = np.argsort(keys, kind="stable")
    keys, members = keys[order], members[order]
    starts = np.r_[np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]), len(keys)]
    crossed = np.zeros(len(faces), np.uint8)
    mark = partial(_mark_crossings, corners, faces, low, high, members, starts, crossed)
    run(mark, split(0, len(starts) - 1, PIECES * thread_count()))
    return np.flatnonzero(crossed)


@njit(cache=True, nogil=True)
def _cells(first, last, dims):
    """Every (cell, face) incidence of the faces' bounding boxes."""
    total = 0
    for f in range(len(first)):
        n = 1
        for k in range(3):
            n *= last[f, k] - first[f, k] + 1
        total += n
    keys, members = np.empty(total, np.int64), np.empty(total, np.int64)
    i = 0
    for f in range(len(first)):
        for x in range(first[f, 0], last[f, 0] + 1):
            for y in range(first[f, 1], last[f, 1] + 1):
                for z in range(first[f, 2], last[f, 2] + 1):
                    keys[i] = (x * dims[1] + y) * dims[2] + z
                    members[i] = f
                    i += 1
    return keys, members


@njit(**FAST)
def _mark_crossings(corners, faces, low, high, members, starts, crossed, first, last):
    """Set crossed (F,) uint8 at every face that crosses another one of its cells first..last-1.

    A cell's faces are members[starts[c] : starts[c + 1]]. Threads may see each other's marks.
    """
    for c in range(U(first), U(last)):
        for i in range(U(starts[c]), U(starts[c + U(1)])):
            a = U(members[i])
            for j in range(i + U(1), U(starts[c + U(1)])):
                b = U(members[j])
                if not _boxes_meet(low, high, a, b) or _share_vertex(faces, a, b):
                    continue
                if not (crossed[a] and crossed[b]) and _faces_cross(corners, a, b):
                    crossed[a] = crossed[b] = 1


@njit(**SMALL)
def _share_vertex(faces, a, b):
    shared = False
    for i in range(U(3)):
        for j in range(U(3)):
            shared |= faces[a, i] == faces[b, j]
    return shared


@njit(**SMALL)
def _boxes_meet(low, high, a, b):
    meet = True
    for k in range(U(3)):
        meet &= (low[a, k] <= high[b, k]) & (low[b, k] <= high[a, k])
    return meet


@njit(**FAST)
def _faces_cross(corners, a, b):
    """Whether an edge of one of the faces a, b of corners (F, 3, 3) passes through the other."""
    for k in range(U(3)):
        after = U(k + U(1)) if k < 2 else U(0)
        if _segment_hits(corners, a, k, after, b) or _segment_hits(corners, b, k, after, a):
            return True
    return False


@njit(**SMALL)
def _difference(corners, face, end, other, start):
    """Corner `end` of a face minus corner `start` of the other one."""
    return (
        corners[face, end, U(0)] - corners[other, start, U(0)],
        corners[face, end, U(1)] - corners[other, start, U(1)],
        corners[face, end, U(2)] - corners[other, start, U(2)],
    )


@njit(**SMALL)
def _dot(u, v):
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]


@njit(**FAST)
def _segment_hits(corners, face, start, end, other):
    """Whether the open edge passes through the inside of the other face (Moeller-Trumbore)."""
    d = _difference(corners, face, end, face, start)
    e1 = _difference(corners, other, U(1), other, U(0))
    e2 = _difference(corners, other, U(2), other, U(0))
    p = cross(d, e2)
    det = _dot(e1, p)
    if abs(det) <= PARALLEL * math.sqrt(_dot(e1, e1) * _dot(e2, e2) * _dot(d, d)):
        return False
    s = _difference(corners, face, start, other, U(0))
    u = _dot(s, p) / det
    q = cross(s, e1)
    v, t = _dot(d, q) / det, _dot(e2, q) / det
    return u > 0 and v > 0 and u + v < 1 and 0 < t < 1


def flipped_faces(verts: np.ndarray, faces: np.ndarray, smooth_rounds: int = 3) -> np.ndarray:
    """Ids of the faces (n,) that point against the surface around them.

    The reference direction is the vertex normals, averaged `smooth_rounds` times over
    neighbours, so that a fold of a few faces stands out.
    """
    a, b, c = (verts[faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    around = normals.copy()
    for _ in range(smooth_rounds):
        _average(np.ascontiguousarray(faces, np.int64), np.zeros(verts.shape), around)
    return np.flatnonzero((normals * around).sum(1) <= 0)


@njit(**FAST)
def _average(faces, at_verts, around):
    """Replace the faces' vectors around (F, 3) by the sums of their corners', and those by theirs.

    at_verts (V, 3) are zeros.
    """
    for f in range(U(faces.shape[0])):
        for k in range(U(3)):
            for axis in range(U(3)):
                at_verts[U(faces[f, k]), axis] += around[f, axis]
    for f in range(U(faces.shape[0])):
        a, b, c = U(faces[f, U(0)]), U(faces[f, U(1)]), U(faces[f, U(2)])
        for axis in range(U(3)):
            around[f, axis] = at_verts[a, axis] + at_verts[b, axis] + at_verts[c, axis]
