"""Numba kernels that draw one triangle into the maps of a view.

Vertices lie on a grid of 1/4096 pixel and all coverage decisions are made in integers, so they are
exact: a pixel centre on an edge that two faces share belongs to exactly one of them, and no pixel
between them is missed.
"""

import numpy as np

from utils.compiled import njit
from utils.render.cpu.simd import FAST, SMALL, WIDTH, U, load, opaque, ramp, select, splat, store

SUBPIXEL_BITS = 12
ONE = 1 << SUBPIXEL_BITS  # grid steps in a pixel
TINY = 2  # pixels; a narrower bounding box is tested pixel by pixel
MARGIN_ROWS = 2  # of a map, above and below its box; beside it there is one column
LARGE = 64 << SUBPIXEL_BITS  # grid steps; wider or higher faces are filled span by span


@njit(**SMALL)
def place(box, start, x, y):
    """Index of pixel (x, y) in the map of `box` (x0, y0, x1, y1, inclusive) from `start` on."""
    return start + (y - box[1] + MARGIN_ROWS) * (box[2] - box[0] + 3) + x - box[0] + 1


@njit(**SMALL)
def covered(a, b, c, first, last):
    """The pixels within first..last between grid coordinates a, b, c: from, to (inclusive)."""
    low, high = (min(a, b, c) + ONE - 1) >> SUBPIXEL_BITS, max(a, b, c) >> SUBPIXEL_BITS
    return max(first, low), min(last, high)


@njit(**SMALL)
def owns(dx, dy):
    """1 if pixel centres on an edge of direction (dx, dy) are the face's, else 0.

    The face runs clockwise as seen in the image: upper and left edges are its own. Of the two
    directions in which two faces run along their shared edge, just one is owned.
    """
    return np.int64((dy < 0) | ((dy == 0) & (dx > 0)))


@njit(**SMALL)
def row_span(e, step, first, last):
    """Shrink pixels first..last of a row to those where e + step * k >= 0."""
    if step > 0:
        if e < 0:
            first = max(first, (step - 1 - e) // step)
    elif step < 0:
        if e < 0:
            last = -1
        else:
            last = min(last, e // -step)
    elif e < 0:
        last = -1
    return first, last


@njit(**SMALL)
def fill_small(
    ax, ay, bx, by, cx, cy, za, zb, zc, face, lo_x, hi_x, lo_y, hi_y, first, stride, zbuf, ids
):
    """Draw a triangle of a few pixels: test every pixel centre of its bounding box.

    Corners in grid units, counter-clockwise or clockwise, and their inverse depths; first is the
    map index of (lo_x, lo_y). Inverse depth is computed only where a pixel is covered, since most
    of a dense mesh's faces cover none.
    """
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area == 0:
        return
    if area < 0:
        bx, by, zb, cx, cy, zc = cx, cy, zc, bx, by, zb
        area = -area
    dax, day, dbx, dby, dcx, dcy = cx - bx, cy - by, ax - cx, ay - cy, bx - ax, by - ay
    own_a, own_b, own_c = 1 - owns(dax, day), 1 - owns(dbx, dby), 1 - owns(dcx, dcy)
    scale = 1.0 / area
    px, py = lo_x << SUBPIXEL_BITS, lo_y << SUBPIXEL_BITS
    row_a = dax * (py - by) - day * (px - bx) - own_a
    row_b = dbx * (py - cy) - dby * (px - cx) - own_b
    row_c = dcx * (py - ay) - dcy * (px - ax) - own_c
    for _ in range(hi_y - lo_y + 1):
        ea, eb, ec = row_a, row_b, row_c
        for i in range(first, first + U(hi_x - lo_x + 1)):
            if (ea | eb | ec) >= 0:
                z = (ea + own_a) * za + (eb + own_b) * zb + (ec + own_c) * zc
                z = np.float32(z * scale)
                if z > zbuf[i]:
                    zbuf[i] = z
                    ids[i] = face
            ea -= day << SUBPIXEL_BITS
            eb -= dby << SUBPIXEL_BITS
            ec -= dcy << SUBPIXEL_BITS
        row_a += dax << SUBPIXEL_BITS
        row_b += dbx << SUBPIXEL_BITS
        row_c += dcx << SUBPIXEL_BITS
        first += stride


@njit(**SMALL)
def depth_plane(day, dby, dcy, dax, dbx, dcx, ea, eb, ec, za, zb, zc):
    """Inverse depth where the edge functions are ea, eb, ec; its change to the right and down."""
    scale = 1.0 / (ea + eb + ec)
    right = -(day * za + dby * zb + dcy * zc) * scale * ONE
    down = (dax * za + dbx * zb + dcx * zc) * scale * ONE
    return (ea * za + eb * zb + ec * zc) * scale, right, down


@njit(**SMALL)
def draw_eight(inside, z, number, i, zbuf, ids):
    """Draw face `number` where flagged and nearer, at eight pixels from index i on."""
    old, same = load(zbuf, i), opaque(i)
    nearer = inside & (z > old)
    store(zbuf, same, select(nearer, z, old))
    store(ids, same, select(nearer, number, load(ids, i)))


@njit(**SMALL)
def fill_blocks(
    ax, ay, bx, by, cx, cy, za, zb, zc, face, lo_x, hi_x, lo_y, hi_y, first, stride, zbuf, ids
):
    """Draw a triangle up to LARGE, eight pixels at a time; none may lie right of hi_x.

    An edge function E changes by whole pixels' steps, multiples of ONE, so that E >= 0 exactly
    where E >> SUBPIXEL_BITS >= 0: small enough for vectors of 32 bits. first is the map index of
    (lo_x, lo_y).
    """
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area == 0:
        return
    if area < 0:
        bx, by, zb, cx, cy, zc = cx, cy, zc, bx, by, zb
        area = -area
    px, py = lo_x << SUBPIXEL_BITS, lo_y << SUBPIXEL_BITS
    dax, day, dbx, dby, dcx, dcy = cx - bx, cy - by, ax - cx, ay - cy, bx - ax, by - ay
    ea = dax * (py - by) - day * (px - bx)
    eb = dbx * (py - cy) - dby * (px - cx)
    ec = area - ea - eb
    row_z, step_z, down_z = depth_plane(day, dby, dcy, dax, dbx, dcx, ea, eb, ec, za, zb, zc)
    row_a = start_row(ea - 1 + owns(dax, day), day)
    row_b = start_row(eb - 1 + owns(dbx, dby), dby)
    row_c = start_row(ec - 1 + owns(dcx, dcy), dcy)
    down_a, down_b, down_c = splat(np.int32(dax)), splat(np.int32(dbx)), splat(np.int32(dcx))
    next_a, next_b = splat(np.int32(-day * WIDTH)), splat(np.int32(-dby * WIDTH))
    next_c, next_z = splat(np.int32(-dcy * WIDTH)), splat(np.float32(step_z * WIDTH))
    steps_z, none, number = ramp(np.float32(step_z)), splat(np.int32(0)), splat(np.int32(face))
    for _ in range(hi_y - lo_y + 1):
        a, b, c, z = row_a, row_b, row_c, splat(np.float32(row_z)) + steps_z
        for i in range(first, first + U(hi_x - lo_x + 1), U(WIDTH)):
            draw_eight((a | b | c) >= none, z, number, i, zbuf, ids)
            a, b, c, z = a + next_a, b + next_b, c + next_c, z + next_z
        row_a, row_b, row_c = row_a + down_a, row_b + down_b, row_c + down_c
        row_z += down_z
        first += stride


@njit(**SMALL)
def start_row(e, dy):
    """Edge function e, whole pixels of it, at eight pixels beside each other."""
    return splat(np.int32(e >> SUBPIXEL_BITS)) + ramp(np.int32(-dy))


@njit(**FAST)
def fill_wide(ax, ay, bx, by, cx, cy, za, zb, zc, face, box, start, zbuf, ids):
    """Draw a triangle row by row: find the span by division, then fill it without tests."""
    lo_x, hi_x = covered(ax, bx, cx, box[0], box[2])
    lo_y, hi_y = covered(ay, by, cy, box[1], box[3])
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if lo_x > hi_x or area == 0:
        return
    if area < 0:
        bx, by, zb, cx, cy, zc = cx, cy, zc, bx, by, zb
        area = -area
    px, py = lo_x << SUBPIXEL_BITS, lo_y << SUBPIXEL_BITS
    dax, day, dbx, dby, dcx, dcy = cx - bx, cy - by, ax - cx, ay - cy, bx - ax, by - ay
    ea = dax * (py - by) - day * (px - bx)
    eb = dbx * (py - cy) - dby * (px - cx)
    ec = area - ea - eb
    row_z, step_z, down_z = depth_plane(day, dby, dcy, dax, dbx, dcx, ea, eb, ec, za, zb, zc)
    ea -= 1 - owns(dax, day)
    eb -= 1 - owns(dbx, dby)
    ec -= 1 - owns(dcx, dcy)
    stride = box[2] - box[0] + 3
    first = place(box, start, lo_x, lo_y)
    lanes, steps_z = ramp(np.int32(1)), ramp(np.float32(step_z))
    number, next_z = splat(np.int32(face)), splat(np.float32(WIDTH * step_z))
    for _ in range(hi_y - lo_y + 1):
        k0, k1 = row_span(ea, -day << SUBPIXEL_BITS, 0, hi_x - lo_x)
        k0, k1 = row_span(eb, -dby << SUBPIXEL_BITS, k0, k1)
        k0, k1 = row_span(ec, -dcy << SUBPIXEL_BITS, k0, k1)
        z = splat(np.float32(row_z + k0 * step_z)) + steps_z
        for k in range(k0, k1 + 1, WIDTH):
            within = splat(np.int32(k1 + 1 - k)) > lanes
            draw_eight(within, z, number, U(first + k), zbuf, ids)
            z = z + next_z
        ea += dax << SUBPIXEL_BITS
        eb += dbx << SUBPIXEL_BITS
        ec += dcx << SUBPIXEL_BITS
        row_z += down_z
        first += stride
