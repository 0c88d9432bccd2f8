"""The terms of HAM, each scale-free: the same whatever the resolution, views, unit and vertices.

Lengths are in units of the hand (the radius of one hand's bounding sphere is 1), which about
equals 100 mm, so DETAIL is about a millimetre.
"""

from __future__ import annotations

from collections.abc import Mapping

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

DETAIL = 0.01  # hand radii; the length in which gradients and curvatures are counted
FOLD_COSINE = 0.2  # a face may turn this far (78 degrees) from its start before it costs


def photometric_loss(predicted: Tensor, observed: Tensor, weight: Tensor, clip: float) -> Tensor:
    """Mean absolute colour error of covered pixels, each channel's error clipped at `clip`.

    predicted (N, 3), observed (N, 3) in [0, 1], weight (N,). What is brighter than white is white
    in a photo. A pixel that is off by more than `clip` shows something else (a specular, a shadow,
    a wrong mask) and stops pulling.
    """
    error = (predicted.clamp(max=1) - observed).abs().clamp(max=clip).mean(1)
    return (error * weight).sum() / weight.sum().clamp(min=1.0)


def silhouette_loss(coverage: Tensor, mask: Tensor, trusted: Tensor, masked: float) -> Tensor:
    """Squared difference of coverage and mask in trusted pixels, as a share of the mask's area.

    coverage, mask (N,) in [0, 1] and trusted (N,) bool over the covered pixels and their rim;
    `masked` (pixels) is the sum of squared mask over all trusted pixels, so that what the
    rendering does not touch is counted too. 0 where masks and coverage agree everywhere.
    """
    if masked <= 0:
        return coverage.sum() * 0
    difference = (coverage - mask).square() - mask.square()
    return 1 + (difference * trusted).sum() / masked


class SurfaceTerms:
    """Regularisation of displaced vertices against the start of a level.

    start (V, 3) float tensor in hand units, faces (F, 3) array.
    """

    def __init__(self, start: Tensor, faces: np.ndarray):
        points = start.detach().cpu().double().numpy()
        stiffness, areas = cotangent_laplacian(points, faces)
        # A rim vertex's row is a flux through the rim, which would count the more the finer.
        inner = np.ones(len(points))
        inner[boundary_vertices(faces)] = 0
        stiffness = sp.diags(inner) @ stiffness
        self.start = start
        self.faces = torch.from_numpy(faces).to(start.device)
        self._stiffness = sparse_tensor(stiffness, start)
        self._areas = torch.from_numpy(areas).to(start)
        self._total = float(areas.sum())
        self._edges = torch.from_numpy(edges_of(faces)).to(start.device)
        self._lengths = self._edge_lengths(start)
        self._normals = torch.nn.functional.normalize(face_normals(start, self.faces), dim=1)

    def _edge_lengths(self, verts: Tensor) -> Tensor:
        return (verts[self._edges[:, 0]] - verts[self._edges[:, 1]]).norm(dim=1)

    def weighted(
        self, weights: Mapping[str, float], verts: Tensor, albedo: Tensor
    ) -> dict[str, Tensor]:
        """Every term below of verts (V, 3) and albedo (V, 3), times its `NAME_weight`."""
        displacement = verts - self.start
        terms = {
            "lap": self.laplacian(displacement),
            "albedo": self.albedo(albedo),
            "edge": self.edge(verts),
            "delta": self.delta(displacement),
            "fold": self.fold(verts),
        }
        return {name: weights[f"{name}_weight"] * value for name, value in terms.items()}

    def delta(self, displacement: Tensor) -> Tensor:
        """Mean squared displacement, in DETAIL^2."""
        return (self._areas * displacement.square().sum(1)).sum() / self._total / DETAIL**2

    def laplacian(self, displacement: Tensor) -> Tensor:
        """Mean squared Laplacian of the displacement times DETAIL: its bending, free at rims."""
        bent = (self._stiffness @ displacement).square().sum(1) / self._areas
        return bent.sum() / self._total * DETAIL**2

    def edge(self, verts: Tensor) -> Tensor:
        """Mean squared relative change of the edges' lengths."""
        return (self._edge_lengths(verts) / self._lengths - 1).square().mean()

    def fold(self, verts: Tensor) -> Tensor:
        """Mean over faces of how far they turned beyond FOLD_COSINE from their start."""
        normals = torch.nn.functional.normalize(face_normals(verts, self.faces), dim=1)
        cosine = (normals * self._normals).sum(1)
        return (FOLD_COSINE - cosine).clamp(min=0).mean()

    def albedo(self, albedo: Tensor) -> Tensor:
        """Mean absolute gradient of the albedo (V, 3), per DETAIL: its total variation."""
        a, b = albedo[self._edges[:, 0]], albedo[self._edges[:, 1]]
        return ((a - b).abs().mean(1) / self._lengths).mean() * DETAIL
