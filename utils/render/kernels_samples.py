"""Numba kernel that finds which face is seen at points within some pixels."""

import numpy as np
from numba import njit

from utils.render.kernels_fragments import invert
from utils.render.simd import FAST, U


@njit(**FAST)
def draw_samples(verts, faces, first, last, near, xy, number, side, inv_z, face, bary):
    """Draw faces first..last-1 (F, 3) of one view at side x side points of some pixels.

    verts (V, 3) homogeneous pixels, xy (V, 2) pixels; number (H, W) int32: which of the E pixels
    each is, or -1. inv_z, face (E, side^2) and bary (E, side^2, 3) get the nearest face, row by
    row; they start at 0 and -1. Coverage is that of faces with exact corners.
    """
    height, width = number.shape
    for f in range(first, last):
        a, b, c = U(faces[f, 0]), U(faces[f, 1]), U(faces[f, 2])
        x0, x1, y0, y1 = 0, width - 1, 0, height - 1
        if min(verts[a, 2], verts[b, 2], verts[c, 2]) > near:
            left, right = min(xy[a, 0], xy[b, 0], xy[c, 0]), max(xy[a, 0], xy[b, 0], xy[c, 0])
            top, bottom = min(xy[a, 1], xy[b, 1], xy[c, 1]), max(xy[a, 1], xy[b, 1], xy[c, 1])
            if not (right >= -1 and left <= width and bottom >= -1 and top <= height):
                continue
            x0, x1 = np.int64(max(left + 0.5, 0.0)), np.int64(min(right + 0.5, width - 1.0))
            y0, y1 = np.int64(max(top + 0.5, 0.0)), np.int64(min(bottom + 0.5, height - 1.0))
        known = False
        det, row0, row1, row2 = 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                e = number[y, x]
                if e < 0:
                    continue
                if not known:
                    det, row0, row1, row2 = invert(verts, faces, U(f))
                    known = True
                if det == 0:
                    continue
                for s in range(side * side):
                    px = x + (s % side + 0.5) / side - 0.5
                    py = y + (s // side + 0.5) / side - 0.5
                    b0 = row0[0] * px + row0[1] * py + row0[2]
                    b1 = row1[0] * px + row1[1] * py + row1[2]
                    b2 = row2[0] * px + row2[1] * py + row2[2]
                    inverse = b0 + b1 + b2
                    inside = (b0 >= 0) & (b1 >= 0) & (b2 >= 0)
                    if inside and inv_z[e, s] < inverse < 1 / near:
                        inv_z[e, s], face[e, s] = inverse, f
                        bary[e, s, 0], bary[e, s, 1] = b0 / inverse, b1 / inverse
                        bary[e, s, 2] = b2 / inverse
