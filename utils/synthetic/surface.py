"""The dense resting hand that detail is painted on, and the layers of paint."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import trimesh

from utils.synthetic.fields import MM, bump, noise, smoothstep
from utils.synthetic.skeleton import FINGER_ROOTS, Bones


def loop_subdivided(
    columns: np.ndarray, faces: np.ndarray, levels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Loop subdivision of any per-vertex values (V, C) with faces (F, 3); old vertices first."""
    blocks, spare = [], -columns.shape[1] % 3
    padded = np.pad(columns, ((0, 0), (0, spare)))
    for block in np.split(padded, padded.shape[1] // 3, axis=1):  # trimesh knows 3 columns only
        values, dense = trimesh.remesh.subdivide_loop(block, faces, iterations=levels)
        blocks.append(values)
    return np.concatenate(blocks, 1)[:, : columns.shape[1]], dense


def vertex_normals(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals (V, 3), outward for faces (F, 3) that turn counter-clockwise."""
    return np.asarray(trimesh.Trimesh(verts, faces, process=False).vertex_normals)


@dataclass
class Surface:
    """A resting right hand, dense: points and normals (N, 3), skinning weights (N, 16).

    `bends` (16,) are the angles of the joints in the pose to come, radians; metres elsewhere.
    """

    points: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    joints: np.ndarray
    bones: Bones
    bends: np.ndarray
    rng: np.random.Generator
    normals: np.ndarray = field(init=False)
    edge: float = field(init=False)

    def __post_init__(self) -> None:
        self.normals = vertex_normals(self.points, self.faces)
        first_edges = self.points[self.faces[:, 0]] - self.points[self.faces[:, 1]]
        self.edge = float(np.median(np.linalg.norm(first_edges, axis=1)))
        self.finger_weights = np.stack(
            [self.weights[:, root : root + 3].sum(1) for root in FINGER_ROOTS], 1
        )

    def noise(self, wavelength_mm: float) -> np.ndarray:
        """Unit-variance noise (N,), never finer than the mesh can carry."""
        return noise(self.points, max(wavelength_mm * MM, 3 * self.edge), self.rng)

    def width(self, width_mm: float) -> float:
        """A line's width in metres, never finer than the mesh can carry."""
        return max(width_mm * MM, 0.75 * self.edge)

    def on_palm_and_back(self) -> np.ndarray:
        """1 on the metacarpus, fading to 0 on the fingers, (N,)."""
        return 1 - smoothstep(0.35, 0.8, self.finger_weights.max(1))


@dataclass
class Layers:
    """What anatomy leaves on the skin: (N,) each, around 0 to 1 except `swelling` (metres)."""

    swelling: np.ndarray
    groove: np.ndarray
    ridge: np.ndarray
    redness: np.ndarray
    darkness: np.ndarray
    nail: np.ndarray
    lunula: np.ndarray
    free_edge: np.ndarray
    tendon: np.ndarray
    vein: np.ndarray

    @staticmethod
    def blank(count: int) -> Layers:
        """Unmarked skin of `count` vertices."""
        return Layers(*(np.zeros(count) for _ in fields(Layers)))

    def cut(self, depth: float, distance: np.ndarray, width: float, where: np.ndarray) -> None:
        """Press a groove along distance 0 (metres); crossing grooves do not add up."""
        np.maximum(self.groove, depth * bump(distance, width) * where, out=self.groove)
