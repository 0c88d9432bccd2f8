"""`SurfaceTerms` by kernels: each term's value and gradient in one pass over the mesh."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.ham import surface_kernels as kernels
from models.ham.losses import DETAIL, FOLD_COSINE, SurfaceTerms
from utils.closed_form import closed_form


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
        numbers = self._areas, self._edges.int(), self._lengths, self.faces.int(), self._normals
        self._area, self._edge, self._length, self._face, self._normal = (
            x.contiguous().numpy() for x in numbers
        )

    def laplacian(self, displacement: Tensor) -> Tensor:
        """See `SurfaceTerms.laplacian`."""
        scale = DETAIL**2 / self._total
        return closed_form(
            displacement, lambda d, grad: kernels.bending(d, *self._rows, self._area, scale, grad)
        )

    def albedo(self, albedo: Tensor) -> Tensor:
        """See `SurfaceTerms.albedo`."""
        return closed_form(
            albedo, lambda a, grad: kernels.varied(a, self._edge, self._length, DETAIL, grad)
        )

    def edge(self, verts: Tensor) -> Tensor:
        """See `SurfaceTerms.edge`."""
        return closed_form(
            verts, lambda x, grad: kernels.stretched(x, self._edge, self._length, grad)
        )

    def delta(self, displacement: Tensor) -> Tensor:
        """See `SurfaceTerms.delta`."""
        scale = 1 / (self._total * DETAIL**2)
        return closed_form(
            displacement, lambda d, grad: kernels.displaced(d, self._area, scale, grad)
        )

    def fold(self, verts: Tensor) -> Tensor:
        """See `SurfaceTerms.fold`."""
        return closed_form(
            verts, lambda x, grad: kernels.folded(x, self._face, self._normal, FOLD_COSINE, grad)
        )
