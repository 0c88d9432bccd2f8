"""Render operations on the CPU: the Numba kernels over views and threads, with autograd.

Only the hand's bounding box is ever touched and only covered pixels are kept, so the cost does not
grow with the image. One view is drawn by one thread; if there are fewer views than threads, a
view's faces and fragments are dealt out instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from utils.render import fragments as fragments_module
from utils.render import kernels_fragments as kf
from utils.render import kernels_interpolate as ki
from utils.render import kernels_raster as kr
from utils.render.fragments import Fragments, Pairs
from utils.render.threads import Scratch, keep_memory, run, split, thread_count


@dataclass
class ViewMap:
    """One view's covered box x0, y0, x1, y1 (inclusive) and its flat map with a margin of one."""

    box: np.ndarray
    ids: np.ndarray  # face ids while drawing, then slots; -1: nothing
    covered: int = 0
    rim: int = 0
    pairs: int = 0


_scratch = Scratch()


@lru_cache(maxsize=1)
def prepare_kernels() -> None:
    """Drop compiled kernels older than any of their sources; say so if they must be compiled.

    Numba itself looks at a kernel's own file only, not at those it takes functions and constants
    from.
    """
    sources = [Path(module.__file__) for module in (fragments_module, kr, kf, ki)]
    newest = max(source.stat().st_mtime for source in sources)
    cached = [
        index
        for source in sources
        for index in Path(kr.draw.stats.cache_path).glob(f"{source.stem}.*.nbi")
    ]
    stale = [index for index in cached if index.stat().st_mtime < newest]
    for index in stale:
        index.unlink(missing_ok=True)
    if stale or not cached:
        print(
            "Compiling the CPU render operations: once, about a minute; kept on disk.", flush=True
        )


def draw_view(
    verts: np.ndarray, faces: np.ndarray, size: tuple[int, int], near: float, parts: int
) -> ViewMap:
    """Draw one view's vertices (V, 3) homogeneous pixels; `parts` threads share the faces."""
    height, width = size
    xy = _scratch.get("xy", (len(verts), 2), np.int32)
    inv_z = _scratch.get("inv_z", (len(verts),), np.float32)
    box = np.empty(4, np.int64)
    kr.project(verts, near, width, height, xy, inv_z, box)
    if box[0] > box[2] or box[1] > box[3]:
        return ViewMap(box, np.empty(0, np.int32))
    area = int((box[2] - box[0] + 3) * (box[3] - box[1] + 3))
    ids = np.empty((parts, area), np.int32)
    zbuf = _scratch.get("zbuf", (parts, area), np.float32)
    draws = [
        (verts, faces, *own, near, xy, inv_z, box, zbuf[i], ids[i])
        for i, own in enumerate(split(0, len(faces), parts))
    ]
    run(kr.draw, draws)
    for i in range(1, parts):
        kr.merge(zbuf[0], ids[0], zbuf[i], ids[i])
    counts = np.empty(3, np.int64)
    kf.count(ids[0], box, width, height, counts)
    return ViewMap(box, ids[0], *counts.tolist())


def draw_views(
    verts: np.ndarray, faces: np.ndarray, sizes: list[tuple[int, int]], near: float
) -> list[ViewMap]:
    """Draw all views (B, V, 3): one thread a view, or all threads on one view after the other."""
    parts = -(-thread_count() // max(1, len(verts)))
    if parts > 1:
        return [draw_view(v, faces, size, near, parts) for v, size in zip(verts, sizes)]
    return run(draw_view, [(v, faces, size, near, 1) for v, size in zip(verts, sizes)])


def rasterize(
    verts_px: Tensor, faces: Tensor, sizes: Tensor, pixel_width: Tensor, near: float
) -> Fragments:
    """Fragments of verts_px (B, V, 3) float32; see `Renderer.rasterize_px`."""
    prepare_kernels()
    keep_memory()
    verts = np.ascontiguousarray(verts_px.detach().numpy())
    faces_np = faces.numpy()
    image_sizes = [tuple(size) for size in sizes.tolist()]
    maps = draw_views(verts, faces_np, image_sizes, near)
    offsets = np.cumsum([0] + [m.covered for m in maps])
    N = int(offsets[-1])
    rims = N + np.cumsum([0] + [m.rim for m in maps])
    pairs = np.cumsum([0] + [m.pairs for m in maps])
    M, P = int(rims[-1]), int(pairs[-1])
    view, y, x = (np.empty(M, np.int32) for _ in range(3))
    face, bary, depth = np.empty(N, np.int32), np.empty((N, 3), np.float32), np.empty(N, np.float32)
    front = np.empty(N, np.bool_)
    p, q, axis = np.empty(P, np.int32), np.empty(P, np.int32), np.empty(P, np.int32)

    def emit(i: int, m: ViewMap) -> None:
        height, width = image_sizes[i]
        own = slice(pairs[i], pairs[i + 1])
        kf.emit(
            verts[i], faces_np, m.box, width, height, i, offsets[i], rims[i], m.ids,
            view, y, x, face, bary, depth, front, p[own], q[own], axis[own],
        )  # fmt: skip

    run(emit, [(i, m) for i, m in enumerate(maps) if m.covered])
    view, y, x, face, p, q, axis = map(torch.from_numpy, (view, y, x, face, p, q, axis))
    fragments = Fragments(
        view[:N], y[:N], x[:N], face, torch.from_numpy(bary), torch.from_numpy(depth),
        torch.from_numpy(front), sizes, faces, verts_px, torch.from_numpy(offsets), view, y, x,
        Pairs(p, q, axis), maps, pixel_width,
    )  # fmt: skip
    fragments.bary, fragments.depth = Geometry.apply(verts_px, fragments)
    return fragments


def shares(offsets: Tensor) -> list[list[tuple[int, int, int, int]]]:
    """Deal the fragments out to threads: for each thread a list of (view, first, last, part).

    Views go whole to the thread with the least to do; if there are fewer views than threads, every
    view is cut into as many parts.
    """
    threads, views = thread_count(), len(offsets) - 1
    parts = -(-threads // max(1, views))
    ends = offsets.tolist()
    items = [
        (i, *own, j)
        for i in range(views)
        for j, own in enumerate(split(ends[i], ends[i + 1], parts))
    ]
    items = sorted((item for item in items if item[2] > item[1]), key=lambda t: t[1] - t[2])
    result: list[list[tuple[int, int, int, int]]] = [[] for _ in range(threads)]
    loads = [0] * threads
    for item in items:
        least = loads.index(min(loads))
        result[least].append(item)
        loads[least] += item[2] - item[1]
    return [share for share in result if share]


def part_count(shared: list[list[tuple[int, int, int, int]]]) -> int:
    """In how many parts views are cut."""
    return 1 + max((item[3] for share in shared for item in share), default=0)


class Geometry(torch.autograd.Function):
    """Gives barycentrics (N, 3) and depths (N,) their gradient in verts_px."""

    @staticmethod
    def forward(ctx: Any, verts_px: Tensor, fragments: Fragments) -> tuple[Tensor, Tensor]:
        bary, depth = fragments.bary, fragments.depth
        ctx.save_for_backward(verts_px, bary, depth)
        ctx.rest = fragments.faces, fragments.face, fragments.offsets
        return bary, depth

    @staticmethod
    def backward(ctx: Any, grad_bary: Tensor, grad_depth: Tensor) -> tuple[Tensor, None]:
        verts_px, bary, depth = (t.detach().numpy() for t in ctx.saved_tensors)
        faces, face, _ = (t.numpy() for t in ctx.rest)
        grad_bary, grad_depth = grad_bary.contiguous().numpy(), grad_depth.contiguous().numpy()
        shared = shares(ctx.rest[2])
        grad = np.zeros((part_count(shared), *verts_px.shape[:2], ki.GROUP), np.float32)

        def work(share: list[tuple[int, int, int, int]]) -> None:
            for i, first, last, part in share:
                ki.geometry_backward(
                    verts_px[i], faces, face, bary, depth, grad_bary, grad_depth, first, last,
                    grad[part, i],
                )  # fmt: skip

        run(work, [(share,) for share in shared])
        return torch.from_numpy(grad[..., :3]).sum(0), None


class Interpolate(torch.autograd.Function):
    """values (N, C) of attributes (V, C) or (B, V, C); gradient in attributes and verts_px."""

    @staticmethod
    def forward(ctx: Any, attributes: Tensor, verts_px: Tensor, fragments: Fragments) -> Tensor:
        bary = fragments.bary.detach()
        attributes = attributes.contiguous()
        ctx.save_for_backward(attributes, verts_px, bary)
        ctx.rest = fragments.faces, fragments.face, fragments.offsets
        faces, face = fragments.faces.numpy(), fragments.face.numpy()
        source, weights = attributes.detach().numpy(), bary.numpy()
        values = np.empty((len(face), source.shape[-1]), np.float32)

        def work(i: int, first: int, last: int, part: int) -> None:
            own = source if source.ndim == 2 else source[i]
            ki.interpolate(own, faces, face, weights, first, last, values)

        run(work, [item for share in shares(fragments.offsets) for item in share])
        return torch.from_numpy(values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        attributes, verts_px, bary = (t.detach().numpy() for t in ctx.saved_tensors)
        faces, face, _ = (t.numpy() for t in ctx.rest)
        grad_np = grad.contiguous().numpy()
        shared = shares(ctx.rest[2])
        parts = part_count(shared)
        per_view = attributes.ndim == 3
        copies = parts if per_view else max(1, len(shared))
        channels = attributes.shape[-1]
        padding = [(0, 0)] * (attributes.ndim - 1) + [(0, -channels % ki.GROUP)]
        attributes = np.pad(attributes, padding) if channels % ki.GROUP else attributes
        grad_attributes = np.zeros((copies, *attributes.shape), np.float32)
        grad_verts = np.zeros((parts, *verts_px.shape[:2], ki.GROUP), np.float32)
        none = np.zeros((0, ki.GROUP), np.float32)

        def work(thread: int, share: list[tuple[int, int, int, int]]) -> None:
            for i, first, last, part in share:
                to_attributes = grad_attributes[part, i] if per_view else grad_attributes[thread]
                ki.interpolate_backward(
                    verts_px[i], attributes[i] if per_view else attributes, faces, face, bary,
                    grad_np, first, last,
                    to_attributes if ctx.needs_input_grad[0] else none,
                    grad_verts[part, i] if ctx.needs_input_grad[1] else none,
                )  # fmt: skip

        run(work, list(enumerate(shared)))
        grad_attributes = grad_attributes[..., :channels]
        return sum_parts(grad_attributes, ctx, 0), sum_parts(grad_verts[..., :3], ctx, 1), None


def sum_parts(parts: np.ndarray, ctx: Any, needed: int) -> Tensor | None:
    """The sum over the first dimension, or None if that input needs no gradient."""
    if not ctx.needs_input_grad[needed]:
        return None
    return torch.from_numpy(parts[0]) if len(parts) == 1 else torch.from_numpy(parts).sum(0)


def interpolate(fragments: Fragments, attributes: Tensor) -> Tensor:
    """Values (N, C) float32; see `Renderer.interpolate`."""
    return Interpolate.apply(attributes.float(), fragments.verts_px, fragments)


def boundary_gradient(
    fragments: Fragments, pairs: list[Pairs], values: Tensor, grad: Tensor
) -> Tensor:
    """Gradient (B, V, 3) of verts_px; `silhouette.boundary_gradient` as one kernel."""
    result = torch.zeros(fragments.verts_px.shape)
    f = fragments
    places = f.faces, f.view, f.y, f.x, f.face, f.bary.detach(), f.depth.detach()
    places = [a.numpy() for a in places]
    values, grad = values.contiguous().numpy(), grad.contiguous().numpy()
    for group in pairs:
        ends = (a.numpy() for a in group.fields())
        ki.boundary_backward(values, grad, *ends, len(f), *places, result.numpy())
    return result


def surface_pairs(fragments: Fragments) -> Pairs:
    """Pairs of covered pixels where one part of the surface occludes another."""
    verts = fragments.verts_px.detach().contiguous().numpy()
    faces, face = fragments.faces.numpy(), fragments.face.numpy()
    x, y, depth = fragments.x.numpy(), fragments.y.numpy(), fragments.depth.detach().numpy()
    widths, offsets = fragments.pixel_width.tolist(), fragments.offsets.tolist()

    def find(i: int, m: ViewMap) -> tuple[np.ndarray, ...]:
        room = (2 * m.covered,)
        found = [_scratch.get(name, room, np.int32) for name in ("p", "q", "axis")]
        n = kf.find_surface_pairs(
            verts[i], faces, m.box, m.ids, x, y, face, depth, offsets[i], offsets[i + 1],
            widths[i], *found,
        )  # fmt: skip
        return tuple(array[:n].copy() for array in found)

    found = run(find, [(i, m) for i, m in enumerate(fragments.slots) if m.covered])
    empty = (np.empty(0, np.int32),) * 3
    return Pairs(*(torch.from_numpy(np.concatenate(a)) for a in zip(empty, *found)))
