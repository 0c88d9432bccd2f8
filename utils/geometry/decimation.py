"""Decimation of a triangle mesh to a subset of its vertices, by quadric error.

Edges collapse onto one of their ends, cheapest first (Garland and Heckbert 1997, with end points
instead of optimal ones, as CoMA's hierarchies need: Ranjan et al. 2018, section 3.2).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np

from utils.geometry.mesh import boundary_vertices

# Of an edge's length^4 beside its error (length^2 times area): orders flat parts.
LENGTH_WEIGHT = 1e-3
BORDER_WEIGHT = 10.0  # of the planes that keep open borders in place
LEAST_TURN = 0.2  # cosine between a face's normals before and after; less is a fold


def decimate(
    verts: np.ndarray, faces: np.ndarray, counts: Iterable[int]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Coarser and coarser meshes: (ids, faces) for each of `counts`, which must fall.

    verts (V, 3), faces (F, 3). ids (n,) are the kept vertices in rising order, each a subset of
    the one before; faces (f, 3) count in ids. A mesh keeps more vertices than asked where every
    further collapse would fold it or change its topology.
    """
    collapser = _Collapser(np.asarray(verts, float), np.asarray(faces))
    return [collapser.run(count) for count in counts]


class _Collapser:
    def __init__(self, verts: np.ndarray, faces: np.ndarray):
        self.verts, self.faces = verts, [tuple(face) for face in faces.tolist()]
        self.around: list[set[int]] = [set() for _ in verts]  # faces of each vertex
        for number, face in enumerate(self.faces):
            for vertex in face:
                self.around[vertex].add(number)
        self.alive = np.ones(len(verts), bool)
        self.border = np.zeros(len(verts), bool)
        self.border[boundary_vertices(faces)] = True
        self.quadrics = _face_quadrics(verts, faces)
        self._add_border_quadrics()
        self.stamps = np.zeros(len(verts), int)
        self.heap: list[tuple[float, int, int, int, int]] = []
        for vertex in range(len(verts)):
            self._push(vertex, [n for n in self._neighbours(vertex) if n > vertex])

    def run(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Collapse until `count` vertices are left."""
        left = int(self.alive.sum())
        while left > count and self.heap:
            _, gone, kept, *stamps = heapq.heappop(self.heap)
            current = self.alive[gone] and self.alive[kept]
            if current and stamps == [self.stamps[gone], self.stamps[kept]]:
                left -= self._collapse(gone, kept)
        ids = np.flatnonzero(self.alive)
        row = np.full(len(self.verts), -1)
        row[ids] = np.arange(len(ids))
        remaining = sorted(set().union(*(self.around[i] for i in ids)))
        return ids, row[np.array([self.faces[f] for f in remaining])]

    def _neighbours(self, vertex: int) -> set[int]:
        return {v for face in self.around[vertex] for v in self.faces[face]} - {vertex}

    def _add_border_quadrics(self) -> None:
        """Planes through border edges, upright on their faces."""
        for vertex in np.flatnonzero(self.border).tolist():
            for other in self._neighbours(vertex):
                shared = self.around[vertex] & self.around[other]
                if len(shared) != 1:
                    continue
                along = self.verts[other] - self.verts[vertex]
                normal = np.cross(along, self._normal(self.faces[next(iter(shared))]))
                normal /= max(float(np.linalg.norm(normal)), 1e-30)
                plane = np.append(normal, -normal @ self.verts[vertex])
                weight = BORDER_WEIGHT * along @ along
                self.quadrics[vertex] += weight * np.outer(plane, plane)

    def _push(self, vertex: int, others: Iterable[int]) -> None:
        """Put the cheaper collapse of each edge onto the heap, and the other one behind it."""
        for other in others:
            length = self.verts[vertex] - self.verts[other]
            extra = LENGTH_WEIGHT * float(length @ length) ** 2
            Q = self.quadrics[vertex] + self.quadrics[other]
            for gone, kept in ((vertex, other), (other, vertex)):
                point = np.append(self.verts[kept], 1.0)
                cost = float(point @ Q @ point) + extra
                stamps = int(self.stamps[gone]), int(self.stamps[kept])
                heapq.heappush(self.heap, (cost, gone, kept, *stamps))

    def _collapse(self, gone: int, kept: int) -> bool:
        """Move `gone` onto `kept`, unless that folds the surface or changes its topology."""
        shared = self.around[gone] & self.around[kept]
        common = self._neighbours(gone) & self._neighbours(kept)
        on_border = len(shared) == 1
        if len(common) != len(shared) or (self.border[gone] and not on_border):
            return False
        moved = self.around[gone] - shared
        after = {f: tuple(kept if v == gone else v for v in self.faces[f]) for f in moved}
        there = {frozenset(self.faces[f]) for f in self.around[kept] - shared}
        doubled = any(frozenset(face) in there for face in after.values())
        if doubled or not all(self._keeps_side(self.faces[f], g) for f, g in after.items()):
            return False
        for face in shared:
            for vertex in self.faces[face]:
                self.around[vertex].discard(face)
        for face, corners in after.items():
            self.faces[face] = corners
            self.around[kept].add(face)
        self.around[gone].clear()
        self.alive[gone] = False
        self.quadrics[kept] += self.quadrics[gone]
        self.stamps[kept] += 1
        self._push(kept, sorted(self._neighbours(kept)))
        return True

    def _normal(self, face: tuple[int, ...]) -> np.ndarray:
        a, b, c = self.verts[list(face)]
        return np.cross(b - a, c - a)

    def _keeps_side(self, before: tuple[int, ...], after: tuple[int, ...]) -> bool:
        """Whether a face's normal stays within 78 degrees."""
        old, new = self._normal(before), self._normal(after)
        return float(old @ new) > LEAST_TURN * float(np.linalg.norm(old) * np.linalg.norm(new))


def _face_quadrics(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Sum (V, 4, 4) of the squared distances to the planes of each vertex' faces, by area."""
    a, b, c = (verts[faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    twice_area = np.linalg.norm(normals, axis=1)
    normals /= np.maximum(twice_area, 1e-30)[:, None]
    planes = np.concatenate([normals, -(normals * a).sum(1, keepdims=True)], 1)
    squares = planes[:, :, None] * planes[:, None] * (twice_area / 2)[:, None, None]
    quadrics = np.zeros((len(verts), 4, 4))
    for k in range(3):
        np.add.at(quadrics, faces[:, k], squares)
    return quadrics
