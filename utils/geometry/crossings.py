"""Which triangles of a mesh cross each other, and which have turned over."""

from __future__ import annotations

import math

import numpy as np

from utils.compiled import njit

MOST_CELLS = 32  # of the grid along the largest face, so that a vertex far off costs no memory


def crossing_faces(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Ids of the faces (n,) that cross another face with which they share no vertex.

    verts (V, 3) any unit, faces (F, 3). An edge of one face that passes through the inside of
    the other counts; faces that only touch do not. Candidates come from a uniform grid.
    """
    verts, faces = np.ascontiguousarray(verts, np.float64), np.ascontiguousarray(faces, np.int64)
    if len(faces) == 0:
        return np.zeros(0, np.int64)
    corners = verts[faces]
    low, high = corners.min(1), corners.max(1)
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
    return np.flatnonzero(_mark_crossings(corners, faces, low, high, members, starts))


@njit(cache=True)
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


@njit(cache=True, nogil=True)
def _mark_crossings(corners, faces, low, high, members, starts):
    crossed = np.zeros(len(faces), np.bool_)
    for c in range(len(starts) - 1):
        for i in range(starts[c], starts[c + 1]):
            a = members[i]
            for j in range(i + 1, starts[c + 1]):
                b = members[j]
                if crossed[a] and crossed[b]:
                    continue
                if _share_vertex(faces, a, b) or not _boxes_meet(low, high, a, b):
                    continue
                if _faces_cross(corners[a], corners[b]):
                    crossed[a] = True
                    crossed[b] = True
    return crossed


@njit(cache=True, inline="always")
def _share_vertex(faces, a, b):
    for i in range(3):
        for j in range(3):
            if faces[a, i] == faces[b, j]:
                return True
    return False


@njit(cache=True, inline="always")
def _boxes_meet(low, high, a, b):
    for k in range(3):
        if low[a, k] > high[b, k] or low[b, k] > high[a, k]:
            return False
    return True


@njit(cache=True)
def _faces_cross(p, q):
    for k in range(3):
        if _segment_hits(p[k], p[(k + 1) % 3], q) or _segment_hits(q[k], q[(k + 1) % 3], p):
            return True
    return False


@njit(cache=True)
def _segment_hits(start, end, triangle):
    """Whether the open segment passes through the inside of the triangle (Moeller-Trumbore)."""
    d = end - start
    e1, e2 = triangle[1] - triangle[0], triangle[2] - triangle[0]
    p = np.cross(d, e2)
    det = np.dot(e1, p)
    scale = math.sqrt(np.dot(e1, e1) * np.dot(e2, e2) * np.dot(d, d))
    if abs(det) <= 1e-12 * scale:
        return False
    s = start - triangle[0]
    u = np.dot(s, p) / det
    q = np.cross(s, e1)
    v = np.dot(d, q) / det
    t = np.dot(e2, q) / det
    return u > 0 and v > 0 and u + v < 1 and 0 < t < 1


def flipped_faces(verts: np.ndarray, faces: np.ndarray, smooth_rounds: int = 3) -> np.ndarray:
    """Ids of the faces (n,) that point against the surface around them.

    The reference direction is the vertex normals, averaged `smooth_rounds` times over
    neighbours, so that a fold of a few faces stands out.
    """
    a, b, c = (verts[faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    around = normals
    for _ in range(smooth_rounds):
        at_verts = np.zeros_like(verts)
        for k in range(3):
            for axis in range(3):
                at_verts[:, axis] += np.bincount(faces[:, k], around[:, axis], len(verts))
        around = at_verts[faces].sum(1)
    return np.flatnonzero((normals * around).sum(1) <= 0)
