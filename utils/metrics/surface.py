"""A surface to sample from and to find nearest points on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from scipy.spatial import cKDTree

LONGEST_EDGE = 2.0  # median edges; longer ones are split, so that few candidates are near a point
FIRST_CANDIDATES = 32
CHUNK = 20_000  # points at a time: about 100 MB
BORDER_TOLERANCE = 1e-5  # barycentric


@dataclass(frozen=True)
class Nearest:
    """For each of N points its nearest point on a surface.

    point (N, 3); distance (N,), world units; face (N,); normal (N, 3), that face's unit normal;
    on_border (N,) bool, whether it lies on an open border.
    """

    point: np.ndarray
    distance: np.ndarray
    face: np.ndarray
    normal: np.ndarray
    on_border: np.ndarray


class Surface:
    """A triangle mesh verts (V, 3), faces (F, 3) to sample from and to find nearest points on.

    Faces without area are dropped. Nearest points are exact: a k-d tree of the faces' centroids
    gives candidates until no other face can be nearer. Raises ValueError on a mesh without area.
    """

    def __init__(self, verts: np.ndarray, faces: np.ndarray):
        verts = np.asarray(verts, float)
        a, b, c = (verts[faces[:, k]] for k in range(3))
        doubled = np.cross(b - a, c - a)
        area = np.linalg.norm(doubled, axis=1) / 2
        solid = area > 1e-12 * area.max(initial=0)
        if not solid.any():
            raise ValueError("the mesh has no faces with an area")
        self.verts, self.faces = verts, np.asarray(faces, np.int64)[solid]
        self.normals = doubled[solid] / (2 * area[solid, None])
        self.area = area[solid]
        self._split()
        self._find_borders(np.asarray(faces), solid)

    def _split(self) -> None:
        """Small faces for the search, long ones split, at a scale where edges are about 1.

        trimesh compares areas with a fixed tolerance, which at millimetres in metres is coarse.
        """
        corners = self.verts[self.faces]
        self._edge = float(np.median(np.linalg.norm(corners - np.roll(corners, 1, 1), axis=2)))
        verts, faces, self._parent = trimesh.remesh.subdivide_to_size(
            self.verts / self._edge, self.faces, LONGEST_EDGE, max_iter=20, return_index=True
        )
        self._triangles = verts[faces]
        centroids = self._triangles.mean(1)
        corner = np.linalg.norm(self._triangles - centroids[:, None], axis=2)
        self._radius = corner.max(1)
        self._tree = cKDTree(centroids)

    def _find_borders(self, faces: np.ndarray, solid: np.ndarray) -> None:
        """Which edges of solid faces (F, 3), opposite to corner k, and which vertices are open."""
        ends = np.sort(np.stack([faces[:, [1, 2, 0]], faces[:, [2, 0, 1]]], 2), axis=2)
        code = ends[..., 0].astype(np.int64) * len(self.verts) + ends[..., 1]
        _, inverse, count = np.unique(code, return_inverse=True, return_counts=True)
        alone = count[inverse.reshape(code.shape)] == 1
        self._open_vertex = np.zeros(len(self.verts), bool)
        self._open_vertex[ends[alone]] = True
        self._open_edge = alone[solid]

    def sample(self, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Points (count, 3) uniform by area, and the face of each."""
        rng = np.random.default_rng(seed)
        cumulative = np.cumsum(self.area)
        places = (np.arange(count) + rng.random(count)) / count * cumulative[-1]  # stratified
        face = np.searchsorted(cumulative, places).clip(max=len(self.faces) - 1)
        u, v = rng.random((2, count, 1))
        u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
        a, b, c = self.verts[self.faces[face]].transpose(1, 0, 2)
        return a + u * (b - a) + v * (c - a), face

    def nearest(self, points: np.ndarray) -> Nearest:
        """The nearest point on the surface to each of points (N, 3)."""
        scaled = points / self._edge
        chunks = [self._nearest(scaled[k : k + CHUNK]) for k in range(0, len(points), CHUNK)]
        point, small = (np.concatenate(x) for x in zip(*chunks))
        point *= self._edge
        face = self._parent[small]
        distance = np.linalg.norm(points - point, axis=1)
        return Nearest(point, distance, face, self.normals[face], self._on_border(point, face))

    def _nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        best = np.empty((len(points), 3))
        triangle = np.empty(len(points), np.int64)
        pending, k = np.arange(len(points)), FIRST_CANDIDATES
        while len(pending):
            k = min(k, len(self._triangles))
            own = points[pending]
            distance, candidate = self._tree.query(own, k=[*range(1, k + 1)], workers=-1)
            # A centroid lies on its face, so the nearest one bounds the distance from above.
            bound = distance[:, :1]
            row, slot = np.nonzero(distance - self._radius[candidate] <= bound)
            tested = candidate[row, slot]
            closest = trimesh.triangles.closest_point(self._triangles[tested], own[row])
            squared = np.square(closest - own[row]).sum(1)
            order = np.lexsort((squared, row))
            first = order[np.searchsorted(row[order], np.arange(len(own)))]
            best[pending], triangle[pending] = closest[first], tested[first]
            # No face that was not tried is nearer than the last centroid less its radius.
            reach = distance[:, -1] - self._radius.max()
            complete = (reach > np.sqrt(squared[first])) | (k == len(self._triangles))
            pending, k = pending[~complete], 4 * k
        return best, triangle

    def _on_border(self, point: np.ndarray, face: np.ndarray) -> np.ndarray:
        corners = self.faces[face]
        bary = trimesh.triangles.points_to_barycentric(self.verts[corners], point)
        on_edge = (bary < BORDER_TOLERANCE) & self._open_edge[face]
        at_vertex = (bary > 1 - BORDER_TOLERANCE) & self._open_vertex[corners]
        return (on_edge | at_vertex).any(1)
