"""A rendering held against photos on the CPU: colours and silhouettes, in one pass each.

Numba kernels that never write the rendering down: each covered pixel is interpolated, compared,
and its gradient goes to colours and vertices at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from utils.compiled import njit
from utils.render.cpu.fragments import invert
from utils.render.cpu.functions import as_array, shares_of, summed
from utils.render.cpu.pairs import first_of_view
from utils.render.cpu.simd import FAST, SMALL, U
from utils.render.cpu.threads import PIECES, run, split, thread_count
from utils.render.fragments import Fragments

COLOR, MASK, COMPARED, TRUSTED = U(0), U(3), U(4), U(5)  # columns of the photos' table
ZERO, ONE, HALF, THIRD = (np.float32(x) for x in (0, 1, 0.5, 1 / 3))


@njit(**FAST)
def mark_seen(items, faces, face, seen):
    """Set seen (B, V) uint8 at the corners of every fragment of items (n, 3)."""
    for item in range(items.shape[0]):
        own, last = seen[items[item, 0]], np.int32(-1)
        for i in range(U(items[item, 1]), U(items[item, 2])):
            if face[i] != last:
                last = face[i]
                for k in range(U(3)):
                    own[U(faces[U(last), k])] = 1


@njit(**SMALL)
def channel_error(predicted, observed, clip):
    """|min(predicted, 1) - observed|, at most `clip`, and its derivative in predicted."""
    error = min(predicted, ONE) - observed
    size = abs(error)
    if size > clip:
        return clip, ZERO
    if predicted > ONE or error == ZERO:
        return size, ZERO
    return size, ONE if error > ZERO else -ONE


@njit(**SMALL)
def transposed(row0, row1, row2, x, y, z):
    """M^T (x, y, z) of a matrix M's rows."""
    return (
        np.float32(row0[0] * x + row1[0] * y + row2[0] * z),
        np.float32(row0[1] * x + row1[1] * y + row2[1] * z),
        np.float32(row0[2] * x + row1[2] * y + row2[2] * z),
    )


@njit(**SMALL)
def compare_pixel(tint, by_color, a, b, c, u, v, w, table, row, weight, clip):
    """A pixel's error, summed over its channels, and its gradient times each corner's colour.

    tint (V, 3) colours of the corners a, b, c with barycentrics u, v, w; adds to by_color (V, 3).
    """
    errors = da = db = dc = ZERO
    for k in range(U(3)):
        at_a, at_b, at_c = tint[a, k], tint[b, k], tint[c, k]
        predicted = u * at_a + v * at_b + w * at_c
        error, slope = channel_error(predicted, table[row, COLOR + k], clip)
        errors += weight * error
        g = weight * slope
        by_color[a, k] += u * g
        by_color[b, k] += v * g
        by_color[c, k] += w * g
        da, db, dc = da + g * at_a, db + g * at_b, dc + g * at_c
    return errors, da, db, dc


@njit(**FAST)
def compare_colors(
    items, verts, colors, faces, face, bary, front, y, x, table, starts, widths, clip,
    grad_colors, grad_verts, sums,
):  # fmt: skip
    """Errors of the fragments of items (n, 3): view, first, last + 1.

    colors (B, V, 3) of the vertices; table (P, 6) of photos, whose view i starts at starts[i] and
    is widths[i] wide. Adds to sums (B, 3) float64: weighted errors, weights, and
    trusted (1 - 2 mask), which is what the pixel's being covered adds to the silhouette's error.
    Writes the gradient of the weighted errors to these views' rows of grad_colors (B, V, 3) and
    grad_verts (B, V, 3).
    """
    for item in range(items.shape[0]):
        view = items[item, 0]
        own, mine, tint, by_color = verts[view], grad_verts[view], colors[view], grad_colors[view]
        mine[:] = ZERO
        by_color[:] = ZERO
        start, width = starts[view], widths[view]
        errors = weights = rims = 0.0
        i, end = U(items[item, 1]), U(items[item, 2])
        while i < end:
            f = U(face[i])
            a, b, c = U(faces[f, U(0)]), U(faces[f, U(1)]), U(faces[f, U(2)])
            _, row0, row1, row2 = invert(own, faces, f)
            ax = ay = az = bx = by = bz = cx = cy = cz = ZERO
            while i < end and U(face[i]) == f:
                row = U(start + np.int64(y[i]) * width + np.int64(x[i]))
                u, v, w = bary[i, U(0)], bary[i, U(1)], bary[i, U(2)]
                rims += table[row, TRUSTED] * (ONE - table[row, MASK] - table[row, MASK])
                weight = table[row, COMPARED] if front[i] else ZERO
                i += U(1)
                if weight == ZERO:
                    continue
                weights += weight
                error, da, db, dc = compare_pixel(
                    tint, by_color, a, b, c, u, v, w, table, row, weight * THIRD, clip
                )
                errors += error
                mean = u * da + v * db + w * dc
                # A corner's own share of the motion is its barycentric.
                gx, gy, gz = transposed(row0, row1, row2, mean - da, mean - db, mean - dc)
                ax, ay, az = ax + u * gx, ay + u * gy, az + u * gz
                bx, by, bz = bx + v * gx, by + v * gy, bz + v * gz
                cx, cy, cz = cx + w * gx, cy + w * gy, cz + w * gz
            for corner, dx, dy, dz in ((a, ax, ay, az), (b, bx, by, bz), (c, cx, cy, cz)):
                mine[corner, U(0)] += dx
                mine[corner, U(1)] += dy
                mine[corner, U(2)] += dz
        sums[view, 0] += errors
        sums[view, 1] += weights
        sums[view, 2] += rims


@njit(**FAST)
def move_silhouettes(
    first_view, last_view, p, q, axis, covered, faces, view, y, x, face, bary, depth, table,
    starts, widths, grad_verts,
):  # fmt: skip
    """Write to grad_verts (B, V, 3) the forces of these views' rim pairs (`render.silhouette`).

    Of the error sum_i trusted_i (c_i - mask_i)^2 with coverage c, 1 on the first `covered` pixels.
    """
    grad_verts[first_view:last_view] = ZERO
    for i in range(first_of_view(first_view, view, p), first_of_view(last_view, view, p)):
        first, second = U(p[i]), U(q[i])
        v, grads = U(view[first]), ZERO
        for slot in (first, second):
            row = U(starts[v] + np.int64(y[slot]) * widths[v] + np.int64(x[slot]))
            value = ONE if slot < U(covered) else ZERO
            grads += (value - table[row, MASK]) * table[row, TRUSTED]  # half of the gradient
        front = first if first < U(covered) else second
        force = grads / depth[front] if front == first else -grads / depth[front]
        f, along = U(face[front]), U(axis[i])
        force_z = -force * np.float32(x[front] if axis[i] == 0 else y[front])
        for k in range(U(3)):
            corner, weight = U(faces[f, k]), bary[front, k]
            grad_verts[v, corner, along] += weight * force
            grad_verts[v, corner, U(2)] += weight * force_z


@njit(**FAST)
def weigh(first, last, by_vert, rims, by_color, share, by_rims, grad_verts, grad_colors):
    """Write numbers first..last-1 of share by_vert + by_rims rims and of share by_color.

    All arrays (n,).
    """
    for i in range(U(first), U(last)):
        grad_verts[i] = share * by_vert[i] + by_rims * rims[i]
        grad_colors[i] = share * by_color[i]


def seen_vertices(fragments: Fragments) -> Tensor:
    """Whether each view shows a face of each vertex (B, V) bool."""
    faces, face = fragments.faces.numpy(), fragments.face.numpy()
    seen = np.zeros(fragments.verts_px.shape[:2], np.uint8)
    run(lambda items: mark_seen(items, faces, face, seen), _items(fragments))
    return torch.from_numpy(seen.view(bool))


def compare_with_photos(
    fragments: Fragments, colors: Tensor, table: Tensor, starts: Tensor, clip: float
) -> tuple[Tensor, Tensor]:
    """Two scalars: weighted mean colour error; what the covered pixels add to silhouettes' error.

    The first is sum_i w_i mean_c min(|min(p_ic, 1) - o_ic|, clip) / sum_i w_i over fragments i that
    face us, p interpolated from colors (B, V, 3); the second sum_i t_i ((1 - m_i)^2 - m_i^2). Of
    the photos' table (P, 6), a row a pixel, come the colours o, masks m, weights w and trust t, in
    this order; view i's rows start at starts[i]. Differentiable in colors and vertices.
    """
    return _Comparison.apply(fragments.verts_px, colors, fragments, table, starts, clip)


def _items(fragments: Fragments) -> list[tuple[np.ndarray]]:
    return [(items,) for items in shares_of(fragments).items]


class _Comparison(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        verts_px: Tensor,
        colors: Tensor,
        fragments: Fragments,
        table: Tensor,
        starts: Tensor,
        clip: float,
    ) -> tuple[Tensor, Tensor]:
        verts, tint = as_array(verts_px), as_array(colors)
        shares = shares_of(fragments)
        # Every share writes its views' rows; views that show nothing are in none.
        new = np.empty if fragments.offsets.diff().all() else np.zeros
        by_color, by_vert = (new((shares.copies, *x.shape), np.float32) for x in (tint, verts))
        sums = np.zeros((max(1, len(shares.items)), len(verts), 3))
        photos = as_array(table), as_array(starts), fragments.sizes[:, 1].numpy()
        names = ("faces", "face", "bary", "front", "y", "x")
        drawn = [as_array(getattr(fragments, name)) for name in names]

        def compare_some(items: np.ndarray, i: int) -> None:
            copy = i % shares.copies
            compare_colors(
                items, verts, tint, *drawn, *photos, np.float32(clip), by_color[copy],
                by_vert[copy], sums[i],
            )  # fmt: skip

        rims, silhouettes = silhouette_forces(fragments, *photos)
        jobs = [(compare_some, items, i) for i, items in enumerate(shares.items)]
        run(lambda work, *job: work(*job), [*jobs, *silhouettes])
        errors, weights, over = sums.sum((0, 1))
        ctx.weights = max(weights, 1.0)
        ctx.by_color, ctx.by_vert = summed(by_color), summed(by_vert)
        ctx.rims = rims
        return verts_px.new_tensor(errors / ctx.weights), verts_px.new_tensor(over)

    @staticmethod
    def backward(ctx: Any, by_error: Tensor, by_rims: Tensor) -> tuple[Tensor | None, ...]:
        arrays = [x.numpy().reshape(-1) for x in (ctx.by_vert, ctx.rims, ctx.by_color)]
        factors = [np.float32(float(x)) for x in (by_error / ctx.weights, by_rims)]
        results = torch.empty_like(ctx.by_vert), torch.empty_like(ctx.by_color)
        written = [x.numpy().reshape(-1) for x in results]
        cuts = split(0, len(arrays[0]), thread_count())
        run(lambda first, last: weigh(first, last, *arrays, *factors, *written), cuts)
        return *results, None, None, None, None


def silhouette_forces(
    fragments: Fragments, table: np.ndarray, starts: np.ndarray, widths: np.ndarray
) -> tuple[Tensor, list[tuple]]:
    """The gradient (B, V, 3) in homogeneous pixels of the silhouettes' error.

    It is there when the jobs, which come with it, are done: functions and what they take.
    """
    result, pairs = np.empty(fragments.verts_px.shape, np.float32), fragments.rim_pairs
    names = ("pixel_view", "pixel_y", "pixel_x", "face", "bary", "depth")
    drawn = [as_array(getattr(fragments, name)) for name in names]
    given = [as_array(x) for x in (pairs.p, pairs.q, pairs.axis)]
    rest = len(fragments), as_array(fragments.faces), *drawn, table, starts, widths, result
    views = len(result)
    cuts = split(0, views, min(views, PIECES * thread_count()))
    return torch.from_numpy(result), [(move_silhouettes, *cut, *given, *rest) for cut in cuts]
