"""`SurfaceTerms` by kernels: each term's value and gradient in one pass over the mesh."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from models.ham import surface_kernels as kernels
from models.ham.losses import DETAIL, FOLD_COSINE, Result, SurfaceTerms
from utils.closed_form import Evaluate, closed_form, closed_forms


def surface_terms(start: Tensor, faces: np.ndarray) -> SurfaceTerms:
    """The terms about a start (V, 3) float32 in hand units, faces (F, 3), on the start's device."""
    on_cpu = start.device.type == "cpu" and start.dtype == torch.float32
    return KernelSurfaceTerms(start, faces) if on_cpu else SurfaceTerms(start, faces)


class KernelSurfaceTerms(SurfaceTerms):
    """The same terms of float32 vertices on the CPU; their formulas are `SurfaceTerms`'."""

    def __init__(self, start: Tensor, faces: np.ndarray):
        super().__init__(start, faces)
        matrix = self.stiffness.tocsr()
        starts, columns = matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32)
        self._rows = starts, columns, matrix.data.astype(np.float32)
        self._at_start = start.detach().contiguous().numpy()
        numbers = self._areas, self._edges.int(), self._lengths, self.faces.int(), self._normals
        self._area, self._edge, self._length, self._face, self._normal = (
            x.contiguous().numpy() for x in numbers
        )

    def named(self, verts: Tensor, albedo: Tensor | None = None) -> dict[str, Tensor]:
        """See `SurfaceTerms.named`; they are evaluated side by side."""
        return self.beside(lambda: None, verts, albedo)[1]

    def beside(
        self, call: Callable[[], Result], verts: Tensor, albedo: Tensor | None = None
    ) -> tuple[Result, dict[str, Tensor]]:
        """See `SurfaceTerms.beside`."""
        of_verts: dict[str, Evaluate] = {
            "lap": lambda verts, grad: self._bent(verts - self._at_start, grad),
            "edge": self._stretched,
            "delta": lambda verts, grad: self._displaced(verts - self._at_start, grad),
            "fold": self._folded,
        }
        names, of_each = list(of_verts), [(verts, list(of_verts.values()))]
        if albedo is not None:  # which takes the longest
            names, of_each = ["albedo", *names], [(albedo, [self._varied]), *of_each]
        result, values = closed_forms(of_each, call)
        return result, dict(zip(names, itertools.chain(*values)))

    def laplacian(self, displacement: Tensor) -> Tensor:
        """See `SurfaceTerms.laplacian`."""
        return closed_form(displacement, self._bent)

    def albedo(self, albedo: Tensor) -> Tensor:
        """See `SurfaceTerms.albedo`."""
        return closed_form(albedo, self._varied)

    def edge(self, verts: Tensor) -> Tensor:
        """See `SurfaceTerms.edge`."""
        return closed_form(verts, self._stretched)

    def delta(self, displacement: Tensor) -> Tensor:
        """See `SurfaceTerms.delta`."""
        return closed_form(displacement, self._displaced)

    def fold(self, verts: Tensor) -> Tensor:
        """See `SurfaceTerms.fold`."""
        return closed_form(verts, self._folded)

    def _bent(self, moved: np.ndarray, grad: np.ndarray) -> float:
        scale = DETAIL**2 / self._total
        return kernels.bending(moved, *self._rows, self._area, scale, grad)

    def _varied(self, albedo: np.ndarray, grad: np.ndarray) -> float:
        return kernels.varied(albedo, self._edge, self._length, DETAIL, grad)

    def _stretched(self, verts: np.ndarray, grad: np.ndarray) -> float:
        return kernels.stretched(verts, self._edge, self._length, grad)

    def _displaced(self, moved: np.ndarray, grad: np.ndarray) -> float:
        return kernels.displaced(moved, self._area, 1 / (self._total * DETAIL**2), grad)

    def _folded(self, verts: np.ndarray, grad: np.ndarray) -> float:
        return kernels.folded(verts, self._face, self._normal, FOLD_COSINE, grad)
