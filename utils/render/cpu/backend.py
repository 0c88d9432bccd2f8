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

from utils.render import fragments as fragments_module
from utils.render.cpu import fill as kernels_fill
from utils.render.cpu import fragments as kf
from utils.render.cpu import interpolate as ki
from utils.render.cpu import pairs as kp
from utils.render.cpu import raster as kr
from utils.render.cpu import raster as kt
from utils.render.cpu import samples as ks
from utils.render.cpu import simd
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

__all__ = [
    "boundary_gradient",
    "interpolate",
    "rasterize",
    "samples",
    "surface_pairs",
    "transform",
]


@dataclass
class Maps:
    """The views' maps, one after the other in flat arrays; see `kernels_fill.place`."""

    boxes: np.ndarray  # (B, 4) covered pixels x0, y0, x1, y1, inclusive
    starts: np.ndarray  # (B + 1,) where a view's map starts
    inv_z: np.ndarray  # inverse depths, 0 where uncovered
    ids: np.ndarray  # face ids while drawing, then slots; -1: nothing
    counts: np.ndarray  # (B, 3) covered pixels, rim pixels, pairs of the two


_scratch = Scratch()


@lru_cache(maxsize=1)
def prepare_kernels() -> None:
    """Drop compiled kernels older than any of their sources; say so if they must be compiled.

    Numba itself looks at a kernel's own file only, not at those it takes functions and constants
    from.
    """
    modules = (fragments_module, simd, kernels_fill, kr, kf, kp, ki, kt, ks)
    sources = [Path(module.__file__) for module in modules]
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


def draw(verts: np.ndarray, faces: np.ndarray, sizes: np.ndarray, near: float) -> Maps:
    """Draw verts (B, V, 3) homogeneous pixels into maps."""
    B, V, _ = verts.shape
    xy, inv_z = _scratch.get("xy", (B, V, 2), np.int32), _scratch.get("z", (B, V), np.float32)
    boxes, counts = np.empty((B, 4), np.int64), np.zeros((B, 3), np.int64)
    views = share_views(np.ones(B)) if B * V > FEW else [np.arange(B)]
    run(kr.project, [(own, verts, near, sizes, xy, inv_z, boxes) for own in views])
    extents = boxes[:, 2:] - boxes[:, :2] + 1
    areas = (extents[:, 0] + 2) * (extents[:, 1] + 2 * kernels_fill.MARGIN_ROWS) + simd.WIDTH
    areas[(extents <= 0).any(1)] = 0
    starts = np.concatenate([[0], areas.cumsum()])
    shared = thread_count() > B  # then each draws its part of the faces in every view
    views = share_views(np.where(areas, areas + 2 * len(faces), 0))
    jobs = [(own, (0, len(faces)), 0) for own in views]
    if shared and views:
        parts = enumerate(split(0, len(faces), thread_count()))
        jobs = [(np.flatnonzero(areas), cut, i) for i, cut in parts]
    maps = len(jobs) if shared and views else 1
    ids, depths = (np.empty((maps, starts[-1]), dtype) for dtype in (np.int32, np.float32))

    def draw_part(own: np.ndarray, cut: tuple[int, int], part: int) -> None:
        to = depths[part], ids[part], np.empty(kr.BATCH, np.int64)
        kr.draw(own, verts, faces, *cut, near, xy, inv_z, boxes, starts, *to)
        if maps == 1:
            kf.count(own, sizes, boxes, starts, ids[0], counts)

    run(draw_part, jobs)
    for i in range(1, maps):
        kr.merge(depths[0], ids[0], depths[i], ids[i])
    if maps > 1:
        kf.count(np.flatnonzero(areas), sizes, boxes, starts, ids[0], counts)
    return Maps(boxes, starts, depths[0], ids[0], counts)


def rasterize(
    verts_px: Tensor, faces: Tensor, sizes: Tensor, pixel_width: Tensor, near: float
) -> Fragments:
    """Fragments of verts_px (B, V, 3) float32; see `Renderer.rasterize_px`."""
    prepare_kernels()
    keep_memory()
    verts, faces_np, sizes_np = as_array(verts_px), faces.numpy(), sizes.numpy()
    maps = draw(verts, faces_np, sizes_np, near)
    shares = share_fragments(maps.counts[:, 0])
    ends = np.concatenate([np.zeros((1, 3), np.int64), maps.counts.cumsum(0)])
    offsets, (N, R, P) = ends[:, 0].copy(), ends[-1].tolist()
    view, y, x = (np.empty(N + R, np.int32) for _ in range(3))
    face, bary, depth = np.empty(N, np.int32), np.empty((N, 3), np.float32), np.empty(N, np.float32)
    front = np.empty(N, np.bool_)
    p, q, axis = (np.empty(P, np.int32) for _ in range(3))
    firsts = offsets, N + ends[:, 1], ends[:, 2]

    def emit(own: np.ndarray) -> None:
        kf.emit(own, sizes_np, maps.boxes, maps.starts, *firsts, maps.ids,
                view, y, x, face, p, q, axis)  # fmt: skip

    def locate(own: np.ndarray) -> None:
        kf.locate(own, verts, faces_np, y, x, face, bary, depth, front)

    if shares.copies == 1:
        run(lambda own, items: (emit(own), locate(items)), zip(shares.views, shares.items))
    else:
        run(emit, [(own,) for own in shares.views])
        run(locate, [(items,) for items in shares.items])
    view, y, x, face, p, q, axis = map(torch.from_numpy, (view, y, x, face, p, q, axis))
    fragments = Fragments(
        view[:N], y[:N], x[:N], face, torch.from_numpy(bary), torch.from_numpy(depth),
        torch.from_numpy(front), sizes, faces, verts_px, torch.from_numpy(offsets), view, y, x,
        Pairs(p, q, axis), maps, pixel_width,
    )  # fmt: skip
    fragments.bary, fragments.depth = Geometry.apply(verts_px, fragments)
    return fragments


def boundary_gradient(
    fragments: Fragments, pairs: list[Pairs], values: Tensor, grad: Tensor
) -> Tensor:
    """Gradient (B, V, 3) of verts_px; `silhouette.boundary_gradient` as one kernel."""
    result = torch.zeros(fragments.verts_px.shape)
    f, B = fragments, len(fragments.sizes)
    places = f.faces, f.pixel_view, f.pixel_y, f.pixel_x, f.face, f.bary, f.depth
    places = [as_array(a) for a in places]
    image = as_array(values), as_array(grad)
    groups = [[a.numpy() for a in group.fields()] for group in pairs]

    def work(first: int, last: int) -> None:
        for ends in groups:
            kp.boundary_backward(first, last, *image, *ends, len(f.face), *places, result.numpy())

    run(work, split(0, B, min(B, thread_count())))
    return result


def surface_pairs(fragments: Fragments) -> Pairs:
    """Pairs of covered pixels where one part of the surface occludes another."""
    maps: Maps = fragments.slots
    widths, rooms = fragments.pixel_width.double().numpy(), 2 * fragments.offsets.numpy()
    found = np.zeros(len(widths), np.int64)
    pairs = [np.empty(rooms[-1], np.int32) for _ in range(3)]
    mesh = as_array(fragments.verts_px), fragments.faces.numpy()
    places = widths, maps.boxes, maps.starts, rooms, maps.ids, maps.inv_z
    surface = fragments.face.numpy(), as_array(fragments.depth)
    run(
        kp.find_surface_pairs,
        [(own, *mesh, *places, *surface, *pairs, found) for own in share_views(maps.counts[:, 0])],
    )
    own = [slice(first, first + n) for first, n in zip(rooms.tolist(), found.tolist())]
    return Pairs(*(torch.from_numpy(np.concatenate([a[s] for s in own])) for a in pairs))


def samples(fragments: Fragments, chosen: Tensor, side: int, near: float) -> Samples:
    """Samples of chosen (E,) fragments; see `Renderer.samples`. Each thread draws some faces."""
    verts, faces = as_array(fragments.verts_px), fragments.faces.numpy()
    points = ks.points_of(verts, near, side)
    number = numbered(fragments, chosen).numpy()
    places = (i[chosen].numpy() for i in (fragments.view, fragments.y, fragments.x))
    tiles = ks.tiles_about(*places, number.shape)
    shape = len(chosen), side * side
    cuts = split(0, len(faces), thread_count() if len(faces) > FEW else 1)
    parts = [
        (np.zeros(shape), np.full(shape, -1, np.int32), np.empty((*shape, 3), np.float32))
        for _ in cuts
    ]

    def draw_part(cut: tuple[int, int], part: tuple[np.ndarray, ...]) -> None:
        for view in range(len(verts)):
            own = verts[view], points[view], faces
            ks.draw_samples(*own, *cut, near, number[view], tiles[view], side, *part)

    run(draw_part, list(zip(cuts, parts)))
    inv_z, face, bary = nearest_of(parts)
    pixel, place = np.nonzero(face >= 0)
    corners = faces[face[pixel, place]].astype(np.int64)
    depth = (1 / inv_z[pixel, place]).astype(np.float32)
    return Samples(*map(torch.from_numpy, (pixel, corners, bary[pixel, place], depth)))
