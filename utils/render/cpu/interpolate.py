"""Numba kernels that interpolate on fragments and scatter gradients straight to the vertices.

From M b = z p (`cpu.fragments`) follow

    db = M^-1 (dz p - dM b),    dz = z 1^T M^-1 dM b,

and for a loss L with d = dL/db and g = dL/dz every vertex k of the face receives b_k w with the
one vector w = M^-T h, h = (b . d + z g) 1 - d.

Fragments come in runs: neighbours in a row that show one face, whose gradients are summed in
registers before they are scattered. Work items (n, 3) are rows view, first fragment, last + 1.
"""

import numpy as np

from utils.compiled import njit
from utils.render.cpu.fragments import invert
from utils.render.cpu.simd import FAST, SMALL, WIDTH, U, load, load_some, splat, store, total

ONE = U(1)  # signed numbers would turn indices into floats
GROUP = U(WIDTH)


@njit(**SMALL)
def corner_rows(faces, f, row, stride):
    """Flat indices of the rows of face f's corners in arrays of `stride` columns, from `row` on."""
    a, b, c = U(faces[f, U(0)]), U(faces[f, U(1)]), U(faces[f, U(2)])
    return (row + a) * stride, (row + b) * stride, (row + c) * stride


@njit(**SMALL)
def value_at(attributes, rows, k, count, bary, i):
    """`count` channels of fragment i, from k on."""
    value = splat(bary[i, 0]) * load_some(attributes, rows[0] + k, count)
    value = value + splat(bary[i, 1]) * load_some(attributes, rows[1] + k, count)
    return value + splat(bary[i, 2]) * load_some(attributes, rows[2] + k, count)


@njit(**FAST)
def interpolate(items, attributes, faces, face, bary, values, spare):
    """values (M, C) at the items' fragments from attributes (1 or B, V, C).

    Eight channels are written at once. What lies beyond a row's last channel spills into the next
    rows, which are written later: the last channels come first. spare: eight numbers.
    """
    V, C = U(attributes.shape[1]), U(attributes.shape[2])
    for item in range(items.shape[0]):
        first_row = V * U(items[item, 0]) if attributes.shape[0] > 1 else U(0)
        first, end = items[item, 1], items[item, 2]
        for group in range((attributes.shape[2] - 1) // WIDTH, -1, -1):
            k, count = U(group) * GROUP, np.int32(C - U(group) * GROUP)
            within = max(first, end + 1 - np.int64((k + GROUP + C - ONE) // C))
            for i in range(U(first), U(within)):
                rows = corner_rows(faces, U(face[i]), first_row, C)
                store(values, i * C + k, value_at(attributes, rows, k, count, bary, i))
            for i in range(U(within), U(end)):  # these would spill into another thread's rows
                rows = corner_rows(faces, U(face[i]), first_row, C)
                store(spare, U(0), value_at(attributes, rows, k, count, bary, i))
                for lane in range(min(GROUP, C - k)):
                    values[i, k + lane] = spare[lane]


@njit(**SMALL)
def add_to(target, index, value):
    """target[index : index + 8] += value"""
    store(target, index, load(target, index) + value)


@njit(**SMALL)
def add_transposed(target, v, rows, h):
    """target[v] += M^-T h, given the rows of M^-1."""
    for k in range(U(3)):
        product = rows[0][k] * h[0] + rows[1][k] * h[1] + rows[2][k] * h[2]
        target[v, k] += np.float32(product)


@njit(**SMALL)
def scatter(to, rows, k, at_a, at_b, at_c):
    """Add to channels k, k + 1 ... of the corners' rows in `to`, unless that has none."""
    if to.shape[0] > 0:
        add_to(to, rows[0] + k, at_a)
        add_to(to, rows[1] + k, at_b)
        add_to(to, rows[2] + k, at_c)


@njit(**SMALL)
def fragment_gradient(g, u, v, w, at_a, at_b, at_c, to, rows, k):
    """Scatter a fragment's gradient g to the attributes; return b_k h of its corners k.

    u, v, w: barycentrics; at_a, at_b, at_c: the corners' attributes.
    """
    scatter(to, rows, k, splat(u) * g, splat(v) * g, splat(w) * g)
    d0, d1, d2 = total(g * at_a), total(g * at_b), total(g * at_c)
    m = u * d0 + v * d1 + w * d2
    h0, h1, h2 = m - d0, m - d1, m - d2
    return (u * h0, u * h1, u * h2), (v * h0, v * h1, v * h2), (w * h0, w * h1, w * h2)


@njit(**SMALL)
def run_gradient(grad, first, last, stride, count, bary, at_a, at_b, at_c, to, rows, k):
    """The same for fragments first..last-1 of one face at once.

    Returns the sums of b_k h. With S_jk the sums of b_j b_k g, vertex k's attributes receive
    G_k = sum_j S_jk, and with A_j the vertices' attributes the sum of b_k h_j is
    sum_i A_i . S_ik - A_j . G_k.
    """
    uu = uv = uw = vv = vw = ww = splat(np.float32(0))
    for i in range(first, last):
        g = load_some(grad, i * stride + k, count)
        u, v, w = splat(bary[i, 0]), splat(bary[i, 1]), splat(bary[i, 2])
        ug, vg, wg = u * g, v * g, w * g
        uu, uv, uw = uu + u * ug, uv + u * vg, uw + u * wg
        vv, vw, ww = vv + v * vg, vw + v * wg, ww + w * wg
    g_a, g_b, g_c = uu + uv + uw, uv + vv + vw, uw + vw + ww
    scatter(to, rows, k, g_a, g_b, g_c)
    m_a = at_a * uu + at_b * uv + at_c * uw
    m_b = at_a * uv + at_b * vv + at_c * vw
    m_c = at_a * uw + at_b * vw + at_c * ww
    return (
        (total(m_a - at_a * g_a), total(m_a - at_b * g_a), total(m_a - at_c * g_a)),
        (total(m_b - at_a * g_b), total(m_b - at_b * g_b), total(m_b - at_c * g_b)),
        (total(m_c - at_a * g_c), total(m_c - at_b * g_c), total(m_c - at_c * g_c)),
    )


@njit(**SMALL)
def group_backward(item, k, verts, attributes, faces, face, bary, grad, to, grad_verts):
    """`interpolate_backward` of up to eight channels from k on, for one view's work item."""
    V, C, padded = U(attributes.shape[1]), U(attributes.shape[2]), U(to.shape[2])
    first_row, count = V * U(item[0]) if attributes.shape[0] > 1 else U(0), np.int32(C - k)
    i, end = U(item[1]), U(item[2])
    while i < end:
        f = U(face[i])
        stop = i + ONE
        while stop < end and face[stop] == face[i]:
            stop += ONE
        a, b, c = corner_rows(faces, f, first_row, C)
        at_a, at_b = load_some(attributes, a + k, count), load_some(attributes, b + k, count)
        at_c = load_some(attributes, c + k, count)
        rows = corner_rows(faces, f, first_row, padded)
        if stop - i == ONE:
            g, u, v, w = load_some(grad, i * C + k, count), bary[i, 0], bary[i, 1], bary[i, 2]
            h = fragment_gradient(g, u, v, w, at_a, at_b, at_c, to, rows, k)
        else:
            h = run_gradient(grad, i, stop, C, count, bary, at_a, at_b, at_c, to, rows, k)
        i = stop
        if grad_verts.shape[0] > 0:
            _, row0, row1, row2 = invert(verts, faces, f)
            add_transposed(grad_verts, U(faces[f, U(0)]), (row0, row1, row2), h[0])
            add_transposed(grad_verts, U(faces[f, U(1)]), (row0, row1, row2), h[1])
            add_transposed(grad_verts, U(faces[f, U(2)]), (row0, row1, row2), h[2])


@njit(**FAST)
def interpolate_backward(
    items, verts, attributes, faces, face, bary, grad, grad_attributes, grad_verts
):
    """Add the gradients of `interpolate` to its attributes and to homogeneous pixels.

    verts (B, V, 3); grad (M, C); grad_attributes (1 or B, V, C'), C' a multiple of 8;
    grad_verts (B, V, 3). One of no rows leaves that gradient out.
    """
    for item in range(items.shape[0]):
        view = items[item, 0]
        mine = grad_verts[view if grad_verts.shape[0] > 0 else 0]
        for k in range(U(0), U(attributes.shape[2]), GROUP):
            group_backward(
                items[item], k, verts[view], attributes, faces, face, bary, grad,
                grad_attributes, mine,
            )  # fmt: skip


@njit(**FAST)
def geometry_backward(items, verts, faces, face, bary, depth, grad_bary, grad_depth, grad_verts):
    """Add to grad_verts (B, V, 3) what barycentrics and depths receive."""
    for item in range(items.shape[0]):
        own, mine = verts[items[item, 0]], grad_verts[items[item, 0]]
        last_face = np.int32(-1)
        row0 = row1 = row2 = (0.0, 0.0, 0.0)
        for i in range(U(items[item, 1]), U(items[item, 2])):
            if face[i] != last_face:
                last_face = face[i]
                _, row0, row1, row2 = invert(own, faces, U(last_face))
            d0, d1, d2 = grad_bary[i, 0], grad_bary[i, 1], grad_bary[i, 2]
            m = bary[i, 0] * d0 + bary[i, 1] * d1 + bary[i, 2] * d2 + depth[i] * grad_depth[i]
            for k in range(U(3)):
                b, corner = bary[i, k], U(faces[U(last_face), k])
                h = b * (m - d0), b * (m - d1), b * (m - d2)
                add_transposed(mine, corner, (row0, row1, row2), h)
