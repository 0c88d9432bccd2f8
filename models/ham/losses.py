"""The terms of HAM, each scale-free: the same whatever the resolution, views, unit and vertices.

They are the paper's (section 3.2: colours, masks, Laplacian, albedo, edges, displacement), each in
a form that needs no other weight on another mesh or photo; folds and cameras are ours.
`models.ham.refine` and `models.neural.refinement` weigh and sum them. Lengths are in units of the
hand (the radius of one hand's bounding sphere is 1), which about equals 100 mm, so DETAIL is about
a millimetre.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from utils.geometry.mesh import (
    boundary_vertices,
    cotangent_laplacian,
    edges_of,
    face_normals,
    sparse_tensor,
)

Result = TypeVar("Result")

DETAIL = 0.01  # hand radii; the length in which gradients and curvatures are counted
CAMERA_UNIT = 1e-3  # radians, or shift over distance: 2 pixels at a focal length of 2000
FOLD_COSINE = 0.2  # a face may turn this far (78 degrees) from its start before it costs


def photometric_loss(predicted: Tensor, observed: Tensor, weight: Tensor, clip: float) -> Tensor:
    """Mean absolute colour error of covered pixels, each channel's error clipped at `clip`.

    sum_i w_i mean_c min(|min(p_ic, 1) - o_ic|, clip) / sum_i w_i: the reference's L1, robust.
    predicted p (N, 3), observed o (N, 3) in [0, 1], weight w (N,). What is brighter than white is
    white in a photo. A pixel that is off by more than `clip` shows something else (a specular, a
    shadow, a wrong mask) and stops pulling.
    """
    error = (predicted.clamp(max=1) - observed).abs().clamp(max=clip).mean(1)
    return (error * weight).sum() / weight.sum().clamp(min=1.0)


def silhouette_loss(coverage: Tensor, mask: Tensor, trusted: Tensor, masked: float) -> Tensor:
    """Squared difference of coverage and mask in trusted pixels, as a share of the mask's area.

    sum_i t_i (c_i - m_i)^2 / sum_i t_i m_i^2 over all pixels i: the reference's, by area.
    coverage c, mask m, trust t (N,) in [0, 1] over the covered pixels and their rim; `masked` is
    the sum below over all pixels, so that what the rendering does not touch is counted too. 0
    where masks and coverage agree everywhere.
    """
    if masked <= 0:
        return coverage.sum() * 0
    difference = (coverage - mask).square() - mask.square()
    return 1 + (difference * trusted).sum() / masked


def camera_loss(correction: Tensor) -> Tensor:
    """Mean squared correction (views, 6) of the cameras, in CAMERA_UNIT^2."""
    return (correction / CAMERA_UNIT).square().mean()


class SurfaceTerms:
    """Regularisation of vertices x (V, 3) against a start x0: a method a term, not weighted.

    start x0 (V, 3) float tensor in hand units, faces (F, 3) array. Below, A_i is the area of vertex
    i on the start, A their sum, l0_e the length of edge e and n0_f the unit normal of face f there.
    """

    def __init__(self, start: Tensor, faces: np.ndarray):
        points = start.detach().cpu().double().numpy()
        stiffness, areas = cotangent_laplacian(points, faces)
        # A rim vertex's row is a flux through the rim, which would count the more the finer.
        inner = np.ones(len(points))
        inner[boundary_vertices(faces)] = 0
        self.stiffness = sp.diags(inner) @ stiffness
        self.start = start
        self.faces = torch.from_numpy(faces).to(start.device)
        self._areas = torch.from_numpy(areas).to(start)
        self._total = float(areas.sum())
        self._edges = torch.from_numpy(edges_of(faces)).to(start.device)
        self._lengths = self._edge_lengths(start)
        self._normals = torch.nn.functional.normalize(face_normals(start, self.faces), dim=1)

    @cached_property
    def _stiffness(self) -> Tensor:
        return sparse_tensor(self.stiffness, self.start)

    def _edge_lengths(self, verts: Tensor) -> Tensor:
        return (verts[self._edges[:, 0]] - verts[self._edges[:, 1]]).norm(dim=1)

    def displacement(self, verts: Tensor) -> Tensor:
        """d = x - x0 (V, 3) of vertices x (V, 3), as `laplacian` and `delta` take it."""
        return verts - self.start

    def named(self, verts: Tensor, albedo: Tensor | None = None) -> dict[str, Tensor]:
        """All terms of vertices (V, 3) and, where it is given, of the albedo (V, 3)."""
        moved = self.displacement(verts)
        terms = {
            "lap": self.laplacian(moved),
            "edge": self.edge(verts),
            "delta": self.delta(moved),
            "fold": self.fold(verts),
        }
        return terms if albedo is None else {**terms, "albedo": self.albedo(albedo)}

    def beside(
        self, call: Callable[[], Result], verts: Tensor, albedo: Tensor | None = None
    ) -> tuple[Result, dict[str, Tensor]]:
        """What a call returns, such as a drawing's, and the terms as `named` gives them.

        Where both are the CPU's, threads that wait in the drawing work on the terms.
        """
        return call(), self.named(verts, albedo)

    def laplacian(self, displacement: Tensor) -> Tensor:
        """Bending: the mean squared Laplacian of d (V, 3), times DETAIL^2; free at rims.

        DETAIL^2 / A sum_i |(L d)_i|^2 / A_i with the cotangent matrix L of the start (Meyer et al.
        2003): the thin-plate energy of a deformation (Botsch and Sorkine 2008). The reference
        smooths the mesh itself; this leaves the hand model's own curvature alone.
        """
        bent = (self._stiffness @ displacement).square().sum(1) / self._areas
        return bent.sum() / self._total * DETAIL**2

    def albedo(self, albedo: Tensor) -> Tensor:
        """Mean absolute gradient of the albedo a (V, 3), times DETAIL.

        DETAIL mean_e mean_c |a_ic - a_jc| / l0_e over edges e = (i, j): total variation (Rudin,
        Osher and Fatemi 1992), which leaves creases sharp, for the reference's Laplacian.
        """
        a, b = albedo[self._edges[:, 0]], albedo[self._edges[:, 1]]
        return ((a - b).abs().mean(1) / self._lengths).mean() * DETAIL

    def edge(self, verts: Tensor) -> Tensor:
        """Mean squared relative change of the edges' lengths: mean_e (l_e / l0_e - 1)^2."""
        return (self._edge_lengths(verts) / self._lengths - 1).square().mean()

    def delta(self, displacement: Tensor) -> Tensor:
        """Mean squared displacement d (V, 3), in DETAIL^2: sum_i A_i |d_i|^2 / (A DETAIL^2)."""
        return (self._areas * displacement.square().sum(1)).sum() / self._total / DETAIL**2

    def fold(self, verts: Tensor) -> Tensor:
        """How far faces turned beyond FOLD_COSINE: mean_f max(0, FOLD_COSINE - n_f . n0_f)."""
        normals = torch.nn.functional.normalize(face_normals(verts, self.faces), dim=1)
        cosine = (normals * self._normals).sum(1)
        return (FOLD_COSINE - cosine).clamp(min=0).mean()
