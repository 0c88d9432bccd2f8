"""The silhouette estimator over boundary pixel pairs, for every backend.

Rasterisation itself has no gradient where one surface ends and another (or the background) begins.
Following Pidhorskyi, Simon et al., "Rasterized Edge Gradients: Handling Discontinuities
Differentiably" (ECCV 2024): between neighbouring pixels p and q = p + e_axis where one occludes the
other, moving the boundary by d pixels along the axis moves d (I_p - I_q) of image from q to p. On
average the boundary lies in either pixel half of the time, so the loss changes by

    d (I_p - I_q) . (dL/dI_p + dL/dI_q) / 2,

and the boundary moves with the nearer of the two surfaces. That image-space force is scattered to
the vertices of the nearer pixel's face by its barycentrics. Summed over horizontal and vertical
pairs this is the line integral over the contour, so no edge is ever searched for and the size of
triangles does not matter.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from utils.render.fragments import Fragments, Pairs


def vertex_forces(fragments: Fragments, pairs: Pairs, values: Tensor, grad: Tensor) -> Tensor:
    """Gradient (B, V, 3) in homogeneous pixels of a loss whose gradient in `values` is `grad`.

    values, grad (M, C): covered pixels, then rim pixels.
    """
    p, q = pairs.p.long(), pairs.q.long()
    force = 0.5 * ((grad[p] + grad[q]) * (values[p] - values[q])).sum(-1)  # (P,)
    front = front_of(fragments, p, q)
    x, y = fragments.x[front], fragments.y[front]
    force_x = torch.where(pairs.axis == 0, force, 0.0)
    force_y = force - force_x
    # The point at bary has homogeneous pixel sum_k b_k P_k: its x / z moves by (dX - x dz) / z.
    at_point = torch.stack([force_x, force_y, -(x * force_x + y * force_y)], -1)
    at_point = at_point / fragments.depth.detach()[front, None]
    per_vertex = fragments.bary.detach()[front][:, :, None] * at_point[:, None]  # (P, 3, 3)
    B, V = fragments.verts_px.shape[:2]
    vertex = (
        fragments.faces[fragments.face[front]].long() + (fragments.view[front].long() * V)[:, None]
    )
    entry = 3 * vertex[:, :, None] + torch.arange(
        3, device=vertex.device
    )  # flat: index_add_ is fast
    result = torch.zeros(B * V * 3, dtype=per_vertex.dtype, device=per_vertex.device)
    return result.index_add_(0, entry.reshape(-1), per_vertex.reshape(-1)).reshape(B, V, 3)


def front_of(fragments: Fragments, p: Tensor, q: Tensor) -> Tensor:
    """The slot (P,) of each pair's nearer pixel; a covered pixel is nearer than a rim pixel."""
    covered = len(fragments)
    depth = fragments.depth.detach()
    far = torch.full((1,), torch.inf, dtype=depth.dtype, device=depth.device)
    depth = torch.cat([depth, far])
    return torch.where(depth[p.clamp(max=covered)] <= depth[q.clamp(max=covered)], p, q)


class BoundaryGradient(torch.autograd.Function):
    """Hands values (M, C) on; backward also sends the boundary pairs' forces to verts_px."""

    @staticmethod
    def forward(
        ctx: Any, verts_px: Tensor, values: Tensor, fragments: Fragments, pairs: list[Pairs]
    ) -> Tensor:
        ctx.save_for_backward(values)
        ctx.fragments, ctx.pairs = fragments, pairs
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (values,) = ctx.saved_tensors
        grad_verts = None
        if ctx.needs_input_grad[0]:
            pairs = Pairs(*(torch.cat(parts) for parts in zip(*(p.fields() for p in ctx.pairs))))
            grad_verts = vertex_forces(ctx.fragments, pairs, values, grad)
        return grad_verts, grad if ctx.needs_input_grad[1] else None, None, None
