"""Render operations on the CPU: the Numba kernels over views and threads.

Only the hand's bounding box is ever touched and only covered pixels are kept, so the cost does not
grow with the image. Views are dealt out to threads; if there are fewer views than threads, a view's
faces and fragments are dealt out instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from utils.cameras import Cameras
from utils.errors import UserError
from utils.render import fragments as shared_fragments
from utils.render.backend import RenderBackend
from utils.render.cpu import fill, raster, simd
from utils.render.cpu import fragments as fragment_kernels
from utils.render.cpu import interpolate as interpolate_kernels
from utils.render.cpu import pairs as pair_kernels
from utils.render.cpu import samples as sample_kernels
from utils.render.cpu.functions import FEW, Geometry, as_array, interpolate, transform
from utils.render.cpu.threads import (
    Scratch,
    keep_memory,
    run,
    share_fragments,
    share_views,
    split,
    thread_count,
)
from utils.render.fragments import Fragments, Pairs
from utils.render.samples import Samples, nearest_of, numbered

KERNELS = (fill, raster, fragment_kernels, interpolate_kernels, pair_kernels, sample_kernels)

_scratch = Scratch()


class CpuBackend(RenderBackend):
    """The Numba kernels, on float32 tensors on the CPU."""

    def check_available(self, device: torch.device) -> None:
        """Raise UserError unless `device` is the CPU."""
        if device.type != "cpu":
            raise UserError(f"backend = cpu cannot draw vertices on {device}")

    def px_from_world(self, cameras: Cameras, verts: Tensor) -> Tensor:
        """See `RenderBackend.px_from_world`; of float32 with a kernel of its own."""
        if verts.dtype != torch.float32:
            return cameras.px_from_world(verts)
        matrices, offsets = cameras.px_matrices()
        return transform(verts, matrices, offsets)

    def rasterize(
        self, verts_px: Tensor, faces: Tensor, sizes: Tensor, pixel_width: Tensor, near: float
    ) -> Fragments:
        """See `RenderBackend.rasterize`."""
        prepare_kernels()
        keep_memory()
        maps = draw(as_array(verts_px), faces.numpy(), sizes.numpy(), near)
        fragments = collect(maps, verts_px, faces, sizes, pixel_width)
        fragments.bary, fragments.depth = Geometry.apply(verts_px, fragments)
        return fragments

    def interpolate(
        self, fragments: Fragments, attributes: Tensor, background: float | None = None
    ) -> Tensor:
        """See `RenderBackend.interpolate`."""
        return interpolate(fragments, attributes, background)

    def surface_pairs(self, fragments: Fragments) -> Pairs:
        """See `RenderBackend.surface_pairs`."""
        maps: Maps = fragments.slots
        widths, rooms = fragments.pixel_width.double().numpy(), 2 * fragments.offsets.numpy()
        verts, faces = as_array(fragments.verts_px), fragments.faces.numpy()
        face, depth = fragments.face.numpy(), as_array(fragments.depth)
        counts = np.zeros(len(widths), np.int64)
        p, q, axis = (np.empty(rooms[-1], np.int32) for _ in range(3))

        def find(views: np.ndarray) -> None:
            pair_kernels.find_surface_pairs(
                views, verts, faces, widths, maps.boxes, maps.starts, rooms, maps.ids, maps.inv_z,
                face, depth, p, q, axis, counts,
            )  # fmt: skip

        run(find, [(views,) for views in share_views(maps.counts[:, 0])])
        written = [slice(room, room + n) for room, n in zip(rooms.tolist(), counts.tolist())]
        p, q, axis = (np.concatenate([array[rows] for rows in written]) for array in (p, q, axis))
        return Pairs(torch.from_numpy(p), torch.from_numpy(q), torch.from_numpy(axis))

    def boundary_gradient(
        self, fragments: Fragments, pairs: list[Pairs], values: Tensor, grad: Tensor
    ) -> Tensor:
        """Gradient (B, V, 3) of verts_px; `silhouette.boundary_gradient` as one kernel."""
        result = torch.zeros(fragments.verts_px.shape)
        views, covered, faces = len(fragments.sizes), len(fragments), as_array(fragments.faces)
        pixels = fragments.pixel_view, fragments.pixel_y, fragments.pixel_x
        view, y, x = (as_array(tensor) for tensor in pixels)
        located = fragments.face, fragments.bary, fragments.depth
        face, bary, depth = (as_array(tensor) for tensor in located)
        values, grad, grad_verts = as_array(values), as_array(grad), result.numpy()
        groups = [(group.p.numpy(), group.q.numpy(), group.axis.numpy()) for group in pairs]

        def add_forces(first_view: int, last_view: int) -> None:
            for p, q, axis in groups:
                pair_kernels.boundary_backward(
                    first_view, last_view, values, grad, p, q, axis, covered, faces, view, y, x,
                    face, bary, depth, grad_verts,
                )  # fmt: skip

        run(add_forces, split(0, views, min(views, thread_count())))
        return result

    def samples(self, fragments: Fragments, chosen: Tensor, side: int, near: float) -> Samples:
        """See `RenderBackend.samples`. Each thread draws some of the faces."""
        verts, faces = as_array(fragments.verts_px), fragments.faces.numpy()
        points = sample_kernels.points_of(verts, near, side)
        number = numbered(fragments, chosen).numpy()
        view, y, x = (i[chosen].numpy() for i in (fragments.view, fragments.y, fragments.x))
        tiles = sample_kernels.tiles_about(view, y, x, number.shape)
        shape = len(chosen), side * side
        cuts = split(0, len(faces), thread_count() if len(faces) > FEW else 1)
        drawings = [
            (np.zeros(shape), np.full(shape, -1, np.int32), np.empty((*shape, 3), np.float32))
            for _ in cuts
        ]

        def draw_some(cut: tuple[int, int], drawing: tuple[np.ndarray, ...]) -> None:
            (first, last), (inv_z, face, bary) = cut, drawing
            for i in range(len(verts)):
                sample_kernels.draw_samples(
                    verts[i], points[i], faces, first, last, near, number[i], tiles[i], side,
                    inv_z, face, bary,
                )  # fmt: skip

        run(draw_some, list(zip(cuts, drawings)))
        inv_z, face, bary = nearest_of(drawings)
        pixel, place = np.nonzero(face >= 0)
        corners = faces[face[pixel, place]].astype(np.int64)
        depth = (1 / inv_z[pixel, place]).astype(np.float32)
        return Samples(
            torch.from_numpy(pixel),
            torch.from_numpy(corners),
            torch.from_numpy(bary[pixel, place]),
            torch.from_numpy(depth),
        )


@dataclass
class Maps:
    """The views' maps, one after the other in flat arrays; see `fill.place`."""

    boxes: np.ndarray  # (B, 4) covered pixels x0, y0, x1, y1, inclusive
    starts: np.ndarray  # (B + 1,) where a view's map starts
    inv_z: np.ndarray  # inverse depths, 0 where uncovered
    ids: np.ndarray  # face ids while drawing, then slots; -1: nothing
    counts: np.ndarray  # (B, 3) covered pixels, rim pixels, pairs of the two


@lru_cache(maxsize=1)
def prepare_kernels() -> None:
    """Drop compiled kernels older than any of their sources; say so if they must be compiled.

    Numba itself looks at a kernel's own file only, not at those it takes functions and constants
    from.
    """
    sources = [Path(module.__file__) for module in (*KERNELS, simd, shared_fragments)]
    newest = max(source.stat().st_mtime for source in sources)
    cached = [
        index
        for source in sources
        for index in Path(raster.draw.stats.cache_path).glob(f"{source.stem}.*.nbi")
    ]
    stale = [index for index in cached if index.stat().st_mtime < newest]
    for index in stale:
        index.unlink(missing_ok=True)
    if stale or not cached:
        print(
            "Compiling the CPU render operations: once, about a minute; kept on disk.", flush=True
        )


def draw(verts: np.ndarray, faces: np.ndarray, sizes: np.ndarray, near: float) -> Maps:
    """Draw verts (B, V, 3) homogeneous pixels into maps."""
    B, V, _ = verts.shape
    xy, inv_z = _scratch.get("xy", (B, V, 2), np.int32), _scratch.get("z", (B, V), np.float32)
    boxes, counts = np.empty((B, 4), np.int64), np.zeros((B, 3), np.int64)
    views = share_views(np.ones(B)) if B * V > FEW else [np.arange(B)]
    run(raster.project, [(own, verts, near, sizes, xy, inv_z, boxes) for own in views])
    extents = boxes[:, 2:] - boxes[:, :2] + 1
    areas = (extents[:, 0] + 2) * (extents[:, 1] + 2 * fill.MARGIN_ROWS) + simd.WIDTH
    areas[(extents <= 0).any(1)] = 0
    starts = np.concatenate([[0], areas.cumsum()])
    shared = thread_count() > B  # then each draws its share of the faces in every view
    views = share_views(np.where(areas, areas + 2 * len(faces), 0))
    jobs = [(own, 0, len(faces), 0) for own in views]
    if shared and views:
        cuts = split(0, len(faces), thread_count())
        jobs = [(np.flatnonzero(areas), first, last, i) for i, (first, last) in enumerate(cuts)]
    maps = len(jobs) if shared and views else 1
    ids, depths = (np.empty((maps, starts[-1]), dtype) for dtype in (np.int32, np.float32))

    def draw_some(own: np.ndarray, first: int, last: int, i: int) -> None:
        chosen = np.empty(raster.BATCH, np.int64)
        raster.draw(
            own, verts, faces, first, last, near, xy, inv_z, boxes, starts, depths[i], ids[i],
            chosen,
        )  # fmt: skip
        if maps == 1:
            fragment_kernels.count(own, sizes, boxes, starts, ids[0], counts)

    run(draw_some, jobs, uneven=True)  # few views, of different sizes
    for i in range(1, maps):
        raster.merge(depths[0], ids[0], depths[i], ids[i])
    if maps > 1:
        fragment_kernels.count(np.flatnonzero(areas), sizes, boxes, starts, ids[0], counts)
    return Maps(boxes, starts, depths[0], ids[0], counts)


def collect(
    maps: Maps, verts_px: Tensor, faces: Tensor, sizes: Tensor, pixel_width: Tensor
) -> Fragments:
    """The fragments that the views' maps show, without gradients; ids in the maps become slots.

    The other arguments are those of `RenderBackend.rasterize`.
    """
    verts, faces_np, sizes_np = as_array(verts_px), faces.numpy(), sizes.numpy()
    shares = share_fragments(maps.counts[:, 0])
    ends = np.concatenate([np.zeros((1, 3), np.int64), maps.counts.cumsum(0)])
    offsets, (N, R, P) = ends[:, 0].copy(), ends[-1].tolist()
    view, y, x = (np.empty(N + R, np.int32) for _ in range(3))
    face, bary, depth = (
        np.empty(N, np.int32), np.empty((N, 3), np.float32), np.empty(N, np.float32)
    )  # fmt: skip
    front = np.empty(N, np.bool_)
    p, q, axis = (np.empty(P, np.int32) for _ in range(3))

    def emit(own: np.ndarray) -> None:
        fragment_kernels.emit(
            own, sizes_np, maps.boxes, maps.starts, offsets, N + ends[:, 1], ends[:, 2], maps.ids,
            view, y, x, face, p, q, axis,
        )  # fmt: skip

    def locate(items: np.ndarray) -> None:
        fragment_kernels.locate(items, verts, faces_np, y, x, face, bary, depth, front)

    if shares.copies == 1:
        run(lambda own, items: (emit(own), locate(items)), zip(shares.views, shares.items))
    else:
        run(emit, [(own,) for own in shares.views])
        run(locate, [(items,) for items in shares.items])
    view, y, x, face, p, q, axis = map(torch.from_numpy, (view, y, x, face, p, q, axis))
    return Fragments(
        view[:N], y[:N], x[:N], face, torch.from_numpy(bary), torch.from_numpy(depth),
        torch.from_numpy(front), sizes, faces, verts_px, torch.from_numpy(offsets), view, y, x,
        Pairs(p, q, axis), maps, pixel_width,
    )  # fmt: skip
