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

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from utils.render.fragments import Fragments, Pairs


def surface_forces(
    fragments: Fragments, pairs: Pairs, values: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    """The nearer fragments (P,) of the pairs, and the gradient (P, 3) in their surface points.

    values, grad (M, C): an image on covered pixels, then rim pixels, and a loss's gradient in it.
    The gradient is in homogeneous pixels (X, Y, z) of the point that the fragment shows.
    """
    p, q = pairs.p.long(), pairs.q.long()
    mean_grad = (grad.index_select(0, p) + grad.index_select(0, q)) / 2
    force = (mean_grad * (values.index_select(0, p) - values.index_select(0, q))).sum(-1)  # (P,)
    front = front_of(fragments, p, q)
    x, y = fragments.x[front], fragments.y[front]
    force_x = torch.where(pairs.axis == 0, force, 0.0)
    force_y = force - force_x
    # x = X / z moves by (dX - x dz) / z.
    at_point = torch.stack([force_x, force_y, -(x * force_x + y * force_y)], -1)
    return front, at_point / fragments.depth.detach()[front, None]


def front_of(fragments: Fragments, p: Tensor, q: Tensor) -> Tensor:
    """The slot (P,) of each pair's nearer pixel; a covered pixel is nearer than a rim pixel."""
    covered, depth = len(fragments), fragments.depth.detach()
    depth_p, depth_q = (
        torch.where(slot < covered, depth.index_select(0, slot.clamp(max=covered - 1)), torch.inf)
        for slot in (p, q)
    )
    return torch.where(depth_p <= depth_q, p, q)


def scatter_points(fragments: Fragments, chosen: Tensor, gradient: Tensor) -> Tensor:
    """Gradient (B, V, 3) of verts_px from that of the surface points of some fragments.

    chosen (P,) int64 fragments; gradient (P, 3) in homogeneous pixels.
    """
    per_vertex = fragments.bary.detach()[chosen][:, :, None] * gradient[:, None]  # (P, 3, 3)
    V = fragments.verts_px.shape[1]
    vertex = fragments.faces[fragments.face[chosen]].long()
    vertex = vertex + (fragments.view[chosen].long() * V)[:, None]
    entry = 3 * vertex[:, :, None] + torch.arange(3, device=vertex.device)
    result = torch.zeros(fragments.verts_px.numel(), device=vertex.device)
    result.index_add_(0, entry.reshape(-1), per_vertex.reshape(-1))  # fast where it is flat
    return result.reshape(fragments.verts_px.shape)


def boundary_gradient(
    fragments: Fragments, pairs: list[Pairs], values: Tensor, grad: Tensor
) -> Tensor:
    """Gradient (B, V, 3) of verts_px from all `pairs`' `surface_forces`, in plain torch."""
    joined = Pairs(
        torch.cat([group.p for group in pairs]),
        torch.cat([group.q for group in pairs]),
        torch.cat([group.axis for group in pairs]),
    )
    front, forces = surface_forces(fragments, joined, values, grad)
    return scatter_points(fragments, front, forces)


class BoundaryGradient(torch.autograd.Function):
    """Hands values (M, C) on; backward also sends the boundary pairs' forces to verts_px.

    gradient is the backend's `boundary_gradient`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        verts_px: Tensor,
        values: Tensor,
        fragments: Fragments,
        pairs: list[Pairs],
        gradient: Callable[[Fragments, list[Pairs], Tensor, Tensor], Tensor],
    ) -> Tensor:
        ctx.save_for_backward(values)
        ctx.fragments, ctx.pairs, ctx.gradient = fragments, pairs, gradient
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (values,) = ctx.saved_tensors
        grad_verts = None
        if ctx.needs_input_grad[0]:
            grad_verts = ctx.gradient(ctx.fragments, ctx.pairs, values, grad)
        return grad_verts, grad if ctx.needs_input_grad[1] else None, None, None, None
