"""Fragments from dense maps of face ids, in plain torch: what the foreign backends share.

A foreign rasteriser only says which face is seen at each pixel. Barycentrics, depths, boundary
pairs and their gradients are computed here, with the CPU backend's formulas, on any device.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from utils.render.backend import RenderBackend
from utils.render.fragments import FLAT, STEEP, STEP, Fragments, Pairs
from utils.render.silhouette import boundary_gradient

# Barycentric distance. A rasteriser that snaps vertices to 1/16 pixel makes faces much thinner than
# that as wide, so they are seen far more often than they should, with gradients as steep as they
# are thin: these would outweigh all others.
OUTSIDE = 0.1


class DenseBackend(RenderBackend):
    """A backend around a foreign rasteriser, of which only `face_ids` is asked."""

    @abstractmethod
    def face_ids(
        self, verts_px: Tensor, faces: Tensor, height: int, width: int, near: float
    ) -> Tensor:
        """The face seen at every pixel (B, H, W) int, -1 for none.

        verts_px (B, V, 3) without gradients and faces (F, 3) as in `rasterize`; all views are drawn
        at height x width.
        """

    def rasterize(
        self, verts_px: Tensor, faces: Tensor, sizes: Tensor, pixel_width: Tensor, near: float
    ) -> Fragments:
        """See `RenderBackend.rasterize`."""
        height, width = sizes.amax(0).tolist()
        ids = self.face_ids(verts_px.detach(), faces, height, width, near)
        return fragments_from_ids(ids, verts_px, faces, sizes, pixel_width)

    def interpolate(
        self, fragments: Fragments, attributes: Tensor, background: float | None = None
    ) -> Tensor:
        """See `RenderBackend.interpolate`."""
        return interpolate(fragments, attributes, background)

    def surface_pairs(self, fragments: Fragments) -> Pairs:
        """See `RenderBackend.surface_pairs`."""
        return surface_pairs(fragments)

    def boundary_gradient(
        self, fragments: Fragments, pairs: list[Pairs], values: Tensor, grad: Tensor
    ) -> Tensor:
        """See `RenderBackend.boundary_gradient`."""
        return boundary_gradient(fragments, pairs, values, grad)


def fragments_from_ids(
    ids: Tensor, verts_px: Tensor, faces: Tensor, sizes: Tensor, pixel_width: Tensor
) -> Fragments:
    """Fragments of ids (B, H, W) int: the face seen at each pixel, -1 for none.

    H, W are the largest of `sizes`; smaller images lie in the upper left corner. The other
    arguments are those of `RenderBackend.rasterize`.
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
    # Places in the flattened map: they index without asking the device how many there are again.
    places = [mask.flatten().nonzero()[:, 0] for mask in (covered, rim)]
    place, N = torch.cat(places), len(places[0])
    number = torch.arange(len(place), dtype=torch.int32, device=ids.device)
    slots = torch.full((B, H, W), -1, dtype=torch.int32, device=ids.device)
    slots.view(-1)[place] = torch.where(number < N, number, -2 - number)
    view, y, x = (i.int() for i in torch.unravel_index(place, (B, H, W)))
    face = ids.flatten()[places[0]].int()
    bary, depth, front = barycentrics(verts_px, faces, view[:N], y[:N], x[:N], face)
    firsts = torch.arange(B + 1, device=ids.device) * (H * W)
    return Fragments(
        view[:N], y[:N], x[:N], face, bary, depth, front, sizes, faces, verts_px,
        torch.searchsorted(places[0], firsts).cpu(), view, y, x, rim_pairs(slots, place[N:]), slots,
        pixel_width,
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

    Faces seen edge on get thirds and no gradient; pixels farther than OUTSIDE from their face
    none either.
    """
    index = faces[face].long() + (view.long() * verts_px.shape[1])[:, None]
    return _Barycentrics.apply(verts_px, index, torch.stack([x, y], -1))


class _Barycentrics(torch.autograd.Function):
    """Solves M w = (x, y, 1), M = [P0 P1 P2], for bary = w / sum(w) and depth = 1 / sum(w).

    In double precision: the determinants of sub-pixel faces lose too many digits otherwise. The
    pixel (x, y) (N, 2) is taken to the origin first, which leaves numbers of the face's own size.
    """

    @staticmethod
    def forward(
        ctx: Any, verts_px: Tensor, index: Tensor, pixel: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        corners = verts_px.detach().reshape(-1, 3)[index].double()  # (N, 3, 3)
        corners[:, :, :2] -= corners[:, :, 2:] * pixel[:, None]
        inverse, det = inverse_matrices(corners)
        exact = torch.where(det[:, None] != 0, inverse[:, :, 2], 1.0)
        exact = exact / exact.sum(1, keepdim=True)
        # Snapped coverage may include pixels a hair outside of the face.
        bary = exact.clamp(min=0)
        bary = bary / bary.sum(1, keepdim=True)
        depth = (bary * corners[:, :, 2]).sum(1)
        believed = (det != 0) & (exact.amin(1) > -OUTSIDE)
        inverse = torch.where(believed[:, None, None], inverse, 0.0)
        ctx.shape, front = verts_px.shape, det < 0
        bary, depth = bary.float(), depth.float()
        ctx.save_for_backward(index, pixel, inverse.float(), bary, depth)
        ctx.mark_non_differentiable(front)
        return bary, depth, front

    @staticmethod
    def backward(ctx: Any, by_bary: Tensor, by_depth: Tensor, _: Any) -> tuple[Tensor, None, None]:
        index, pixel, inverse, bary, depth = ctx.saved_tensors
        by_depth = by_depth * depth + (by_bary * bary).sum(1)
        by_w = (by_bary - by_depth[:, None]) * depth[:, None]
        by_point = (by_w[:, None] @ inverse)[:, 0]  # (N, 3), in the pixel's frame
        by_point[:, 2] -= (by_point[:, :2] * pixel).sum(1)
        by_point /= -depth[:, None]
        grad = by_point.new_zeros(ctx.shape[0] * ctx.shape[1], 3)
        for k in range(3):  # dw = -M^-1 dM w
            grad.index_add_(0, index[:, k], bary[:, k : k + 1] * by_point)
        return grad.reshape(ctx.shape), None, None


def interpolate(
    fragments: Fragments, attributes: Tensor, background: float | None = None
) -> Tensor:
    """Values (N, C) or (N + R, C) float32; see `RenderBackend.interpolate`."""
    attributes = attributes.float()
    index = corner_index(fragments)
    if attributes.ndim == 2:
        index = fragments.faces[fragments.face].long()
    flat = attributes.reshape(-1, attributes.shape[-1])
    weighted = (fragments.bary[:, k, None] * flat.index_select(0, index[:, k]) for k in range(3))
    values = sum(weighted)
    if background is None:
        return values
    rim = len(fragments.pixel_x) - len(fragments)
    return torch.cat([values, values.new_full((rim, values.shape[1]), background)])


def neighbours(slots: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Slots (B, H, W) of left and right, and of upper and lower pixels."""
    return [(slots[:, :, :-1], slots[:, :, 1:]), (slots[:, :-1], slots[:, 1:])]


def rim_pairs(slots: Tensor, rim: Tensor) -> Pairs:
    """Pairs of a covered pixel (slot >= 0) and a rim pixel (-2 - slot).

    slots (B, H, W); rim (R,) places of the rim pixels in the flattened map.
    """
    _, H, W = slots.shape
    flat = slots.flatten()
    here, column, row = -2 - flat[rim], rim % W, rim // W % H
    firsts, seconds, axes = [], [], []
    for step, axis, inside in (
        (-1, 0, column > 0), (1, 0, column < W - 1), (-W, 1, row > 0), (W, 1, row < H - 1),
    ):  # fmt: skip
        there = flat[torch.where(inside, rim + step, rim)]  # rim pixels are no neighbours of rim
        chosen = (there >= 0).nonzero()[:, 0]
        pair = here[chosen], there[chosen]
        firsts.append(pair[step < 0])
        seconds.append(pair[step > 0])
        axes.append(torch.full_like(pair[0], axis))
    return Pairs(torch.cat(firsts), torch.cat(seconds), torch.cat(axes))


def surface_pairs(fragments: Fragments) -> Pairs:
    """Pairs of covered pixels where one part of the surface occludes another.

    The test is `cpu.pairs.occludes`.
    """
    depth, face = fragments.depth.detach(), fragments.face
    rows = fragments.verts_px.detach().reshape(-1, 3)
    index = corner_index(fragments)
    firsts, seconds, axes = [], [], []
    for a, (first, second) in enumerate(neighbours(fragments.slots)):
        both = (first >= 0) & (second >= 0)
        p, q = first[both].long(), second[both].long()
        step = STEP * fragments.pixel_width[fragments.view[p]] * torch.minimum(depth[p], depth[q])
        keep = ((depth[q] - depth[p]).abs() > step) & (face[p] != face[q])
        p, q, step = p[keep], q[keep], step[keep]
        slope_p, slope_q = (
            _slopes(rows[index[s]].double(), depth[s].double(), a, STEEP * step) for s in (p, q)
        )
        jump = (depth[q] - depth[p]).double()
        low, high = torch.minimum(slope_p, slope_q) - step, torch.maximum(slope_p, slope_q) + step
        keep = (jump < low) | (jump > high)
        firsts.append(p[keep])
        seconds.append(q[keep])
        axes.append(torch.full_like(p[keep], a))
    return Pairs(torch.cat(firsts), torch.cat(seconds), torch.cat(axes))


def _slopes(corners: Tensor, depth: Tensor, axis: int, limit: Tensor) -> Tensor:
    """Change of depth (P,) a pixel along the axis, in faces with corners (P, 3, 3), up to limit."""
    inverse, det = inverse_matrices(corners)
    slope = torch.where(det != 0, -(depth**2) * inverse.sum(1)[:, axis], 0.0)
    return torch.minimum(torch.maximum(slope, -limit), limit)
