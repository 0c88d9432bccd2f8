"""Fragments from dense maps of face ids, in plain torch: what the backends for CUDA share.

A foreign rasteriser only says which face is seen at each pixel. Barycentrics, depths, boundary
pairs and their gradients are computed here, with the CPU backend's formulas, on any device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from utils.render.fragments import FLAT, STEEP, STEP, Fragments, Pairs


def fragments_from_ids(
    ids: Tensor, verts_px: Tensor, faces: Tensor, sizes: Tensor, pixel_width: Tensor
) -> Fragments:
    """Fragments of ids (B, H, W) int: the face seen at each pixel, -1 for none.

    H, W are the largest of `sizes`; smaller images lie in the upper left corner. The other
    arguments are those of `Renderer.rasterize_px`.
    """
    B, H, W = ids.shape
    limits = sizes.to(ids.device)
    inside = torch.arange(H, device=ids.device)[None, :, None] < limits[:, 0, None, None]
    inside = inside & (torch.arange(W, device=ids.device) < limits[:, 1, None, None])
    covered = (ids >= 0) & inside
    beside = torch.zeros_like(covered)
    beside[:, :, 1:] |= covered[:, :, :-1]
    beside[:, :, :-1] |= covered[:, :, 1:]
    beside[:, 1:] |= covered[:, :-1]
    beside[:, :-1] |= covered[:, 1:]
    rim = beside & ~covered & inside
    view, y, x = (torch.cat(i).int() for i in zip(covered.nonzero().T, rim.nonzero().T))
    face = ids[covered].int()
    N = len(face)
    slots = torch.full((B, H, W), -1, dtype=torch.int32, device=ids.device)
    slots[covered] = torch.arange(N, dtype=torch.int32, device=ids.device)
    slots[rim] = -2 - torch.arange(N, len(x), dtype=torch.int32, device=ids.device)
    bary, depth, front = barycentrics(verts_px, faces, view[:N], y[:N], x[:N], face)
    counts = covered.sum((1, 2)).cpu()
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    return Fragments(
        view[:N], y[:N], x[:N], face, bary, depth, front, sizes, faces, verts_px, offsets,
        view, y, x, rim_pairs(slots), slots, pixel_width,
    )  # fmt: skip


def corner_index(fragments: Fragments) -> Tensor:
    """Rows (N, 3) of the fragments' corners in verts_px.reshape(B V, 3)."""
    V = fragments.verts_px.shape[1]
    return fragments.faces[fragments.face].long() + (fragments.view.long() * V)[:, None]


def inverse_matrices(corners: Tensor) -> tuple[Tensor, Tensor]:
    """M^-1 (N, 3, 3) of M = [P0 P1 P2] with corners P (N, 3, 3), and det(M) (N,).

    Its row k is P_i x P_j / det(M); faces seen edge on get the identity and 0.
    """
    p0, p1, p2 = corners.unbind(1)
    cross = [torch.linalg.cross(p1, p2), torch.linalg.cross(p2, p0), torch.linalg.cross(p0, p1)]
    det = (cross[0] * p0).sum(-1)
    regular = det.abs() > FLAT * corners[:, :, 2].detach().prod(-1).abs()
    inverse = torch.stack(cross, 1) / torch.where(regular, det, 1.0)[:, None, None]
    identity = torch.eye(3, dtype=corners.dtype, device=corners.device)
    inverse = torch.where(regular[:, None, None], inverse, identity)
    return inverse, torch.where(regular, det.detach(), 0.0)


def barycentrics(
    verts_px: Tensor, faces: Tensor, view: Tensor, y: Tensor, x: Tensor, face: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Perspective-correct barycentrics (N, 3) and depths (N,), float32, with autograd; front (N,).

    In double precision: the determinants of sub-pixel faces lose too many digits otherwise.
    """
    V = verts_px.shape[1]
    index = faces[face].long() + (view.long() * V)[:, None]
    corners = verts_px.reshape(-1, 3).index_select(0, index.reshape(-1)).reshape(-1, 3, 3).double()
    inverse, det = inverse_matrices(corners)
    regular = det != 0
    pixel = torch.stack([x, y, torch.ones_like(x)], -1).double()
    weights = (inverse @ pixel[:, :, None])[:, :, 0]
    exact = weights / torch.where(regular, weights.sum(-1), 1.0)[:, None]
    # Snapped coverage may include pixels a hair outside of the face.
    bary = exact + (exact.detach().clamp(min=0) - exact.detach())
    bary = bary / bary.detach().sum(-1, keepdim=True)
    bary = torch.where(regular[:, None], bary, 1 / 3)
    depth = (bary * corners[:, :, 2]).sum(-1)
    return bary.float(), depth.float(), det < 0


def interpolate(fragments: Fragments, attributes: Tensor) -> Tensor:
    """Values (N, C) float32; see `Renderer.interpolate`."""
    attributes = attributes.float()
    index = corner_index(fragments)
    if attributes.ndim == 2:
        index = fragments.faces[fragments.face].long()
    flat = attributes.reshape(-1, attributes.shape[-1])
    return sum(fragments.bary[:, k : k + 1] * flat.index_select(0, index[:, k]) for k in range(3))


def neighbours(slots: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Slots (B, H, W) of left and right, and of upper and lower pixels."""
    return [(slots[:, :, :-1], slots[:, :, 1:]), (slots[:, :-1], slots[:, 1:])]


def rim_pairs(slots: Tensor) -> Pairs:
    """Pairs of a covered pixel (slot >= 0) and a rim pixel (-2 - slot)."""
    p, q, axis = [], [], []
    for a, (first, second) in enumerate(neighbours(slots)):
        chosen = ((first >= 0) & (second < -1)) | ((first < -1) & (second >= 0))
        for slot, found in ((first[chosen], p), (second[chosen], q)):
            found.append(torch.where(slot >= 0, slot, -2 - slot))
        axis.append(torch.full_like(p[-1], a))
    return Pairs(torch.cat(p), torch.cat(q), torch.cat(axis))


def surface_pairs(fragments: Fragments) -> Pairs:
    """Pairs of covered pixels where one part of the surface occludes another.

    The test is `kernels_fragments.occludes`.
    """
    depth, face = fragments.depth.detach(), fragments.face
    rows = fragments.verts_px.detach().reshape(-1, 3)
    index = corner_index(fragments)
    result: list[list[Tensor]] = [[], [], []]
    for a, (first, second) in enumerate(neighbours(fragments.slots)):
        both = (first >= 0) & (second >= 0)
        p, q = first[both].long(), second[both].long()
        step = STEP * fragments.pixel_width[fragments.view[p]] * torch.minimum(depth[p], depth[q])
        keep = ((depth[q] - depth[p]).abs() > step) & (face[p] != face[q])
        p, q, step = p[keep], q[keep], step[keep]
        slopes = []
        for s in (p, q):
            inverse, det = inverse_matrices(rows[index[s]].double())
            slope = -(depth[s].double() ** 2) * inverse.sum(1)[:, a]
            slope = torch.where(det != 0, slope, 0.0)
            slopes.append(torch.minimum(torch.maximum(slope, -STEEP * step), STEEP * step))
        jump = (depth[q] - depth[p]).double()
        low, high = torch.minimum(*slopes) - step, torch.maximum(*slopes) + step
        keep = (jump < low) | (jump > high)
        for found, value in zip(result, (p[keep], q[keep], torch.full_like(p[keep], a))):
            found.append(value)
    return Pairs(*(torch.cat(found) for found in result))
