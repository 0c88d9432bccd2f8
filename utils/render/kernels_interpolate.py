"""Numba kernels that interpolate on fragments and scatter gradients straight to the vertices.

From M b = z p (`kernels_fragments`) follow

    db = M^-1 (dz p - dM b),    dz = z 1^T M^-1 dM b,

and for a loss L with d = dL/db and g = dL/dz every vertex k of the face receives b_k w with the
one vector w = M^-T h, h = (b . d + z g) 1 - d.
"""

import numpy as np
from numba import njit

from utils.render.kernels_fragments import invert
from utils.render.kernels_raster import JIT, SMALL, U

LONG = 4  # fragments of a row that show one face: from here on they are summed first
GROUP = 4  # channels that are handled at once
FAST = {**JIT, "fastmath": True}
ONE, TWO, THREE, FOUR = U(1), U(2), U(3), U(4)  # signed numbers would turn indices into floats


@njit(**SMALL)
def blend(attributes, a, b, c, k, b0, b1, b2):
    """Channel k of the vertices a, b, c, weighted."""
    return b0 * attributes[a, k] + b1 * attributes[b, k] + b2 * attributes[c, k]


@njit(**FAST)
def interpolate(attributes, faces, face, bary, first, last, values):
    """values (N, C) of fragments first..last-1 from vertex attributes (V, C).

    Channels go four at a time, which become vector instructions; the last four may overlap.
    """
    channels = U(attributes.shape[1])
    for i in range(U(first), U(last)):
        f = U(face[i])
        a, b, c = U(faces[f, 0]), U(faces[f, 1]), U(faces[f, 2])
        b0, b1, b2 = bary[i, 0], bary[i, 1], bary[i, 2]
        if channels < FOUR:
            for k in range(channels):
                values[i, k] = blend(attributes, a, b, c, k, b0, b1, b2)
            continue
        for start in range(U(0), channels, FOUR):
            k = min(start, channels - FOUR)
            v0 = blend(attributes, a, b, c, k, b0, b1, b2)
            v1 = blend(attributes, a, b, c, k + ONE, b0, b1, b2)
            v2 = blend(attributes, a, b, c, k + TWO, b0, b1, b2)
            v3 = blend(attributes, a, b, c, k + THREE, b0, b1, b2)
            values[i, k] = v0
            values[i, k + ONE] = v1
            values[i, k + TWO] = v2
            values[i, k + THREE] = v3


@njit(**SMALL)
def add_four(target, v, k, weight, g0, g1, g2, g3):
    """target[v, k : k + 4] += weight * g, read before written so that it becomes one vector."""
    t0, t1 = target[v, k], target[v, k + ONE]
    t2, t3 = target[v, k + TWO], target[v, k + THREE]
    target[v, k] = t0 + weight * g0
    target[v, k + ONE] = t1 + weight * g1
    target[v, k + TWO] = t2 + weight * g2
    target[v, k + THREE] = t3 + weight * g3


@njit(**SMALL)
def dot_four(attributes, v, k, g0, g1, g2, g3):
    """attributes[v, k : k + 4] . g"""
    return (
        attributes[v, k] * g0
        + attributes[v, k + ONE] * g1
        + attributes[v, k + TWO] * g2
        + attributes[v, k + THREE] * g3
    )


@njit(**SMALL)
def four(attributes, v, k):
    """attributes[v, k : k + 4]"""
    return (
        attributes[v, k],
        attributes[v, k + ONE],
        attributes[v, k + TWO],
        attributes[v, k + THREE],
    )


@njit(**SMALL)
def four_of(grad, i, k, channels):
    """grad[i, k : k + 4], zeros beyond the last channel."""
    g1 = grad[i, k + ONE] if k + ONE < channels else np.float32(0)
    g2 = grad[i, k + TWO] if k + TWO < channels else np.float32(0)
    g3 = grad[i, k + THREE] if k + THREE < channels else np.float32(0)
    return grad[i, k], g1, g2, g3


@njit(**SMALL)
def attribute_gradient(grad, i, attributes, a, b, c, b0, b1, b2, grad_attributes):
    """Scatter fragment i's gradient to attributes (unless without rows); return dL/db (3).

    attributes and grad_attributes are padded to whole groups of four channels: groups that overlap
    would read what was just written in other groups, which stalls the processor.
    """
    channels = U(grad.shape[1])
    want = grad_attributes.shape[0] > 0
    zero = np.float32(0)
    d0 = d1 = d2 = zero
    for k in range(U(0), channels, FOUR):
        g0, g1, g2, g3 = four_of(grad, i, k, channels)
        d0 += dot_four(attributes, a, k, g0, g1, g2, g3)
        d1 += dot_four(attributes, b, k, g0, g1, g2, g3)
        d2 += dot_four(attributes, c, k, g0, g1, g2, g3)
        if want:
            add_four(grad_attributes, a, k, b0, g0, g1, g2, g3)
            add_four(grad_attributes, b, k, b1, g0, g1, g2, g3)
            add_four(grad_attributes, c, k, b2, g0, g1, g2, g3)
    return d0, d1, d2


@njit(**SMALL)
def point_gradient(a, b, c, b0, b1, b2, h0, h1, h2, inverse, grad_verts):
    """Add b_k M^-T h to the vertices a, b, c of a face whose M^-1 is `inverse`."""
    x = inverse[0, 0] * h0 + inverse[1, 0] * h1 + inverse[2, 0] * h2
    y = inverse[0, 1] * h0 + inverse[1, 1] * h1 + inverse[2, 1] * h2
    z = inverse[0, 2] * h0 + inverse[1, 2] * h1 + inverse[2, 2] * h2
    zero = np.float32(0)
    add_four(grad_verts, a, U(0), b0, x, y, z, zero)
    add_four(grad_verts, b, U(0), b1, x, y, z, zero)
    add_four(grad_verts, c, U(0), b2, x, y, z, zero)


@njit(**SMALL)
def corner_gradient(v, h0, h1, h2, inverse, grad_verts):
    """Add M^-T h to vertex v of a face whose M^-1 is `inverse`."""
    x = inverse[0, 0] * h0 + inverse[1, 0] * h1 + inverse[2, 0] * h2
    y = inverse[0, 1] * h0 + inverse[1, 1] * h1 + inverse[2, 1] * h2
    z = inverse[0, 2] * h0 + inverse[1, 2] * h1 + inverse[2, 2] * h2
    add_four(grad_verts, v, U(0), np.float32(1), x, y, z, np.float32(0))


@njit(**SMALL)
def run_gradient(grad, bary, first, last, attributes, a, b, c, grad_attributes, h):
    """The same for fragments first..last-1 of one face at once, summed in registers.

    Row k of h (3, 3) becomes the sum of b_k h over the fragments. With the sums G_k of b_k grad,
    which the attributes receive, and A_j a vertex's attributes, that of b_k d_j is A_j . G_k.
    """
    channels = U(grad.shape[1])
    want = grad_attributes.shape[0] > 0
    zero = np.float32(0)
    h[:] = zero
    for k in range(U(0), channels, FOUR):
        a0, a1, a2, a3 = four(attributes, a, k)
        b0, b1, b2, b3 = four(attributes, b, k)
        c0, c1, c2, c3 = four(attributes, c, k)
        p0 = p1 = p2 = p3 = q0 = q1 = q2 = q3 = r0 = r1 = r2 = r3 = zero
        sum_a = sum_b = sum_c = zero
        for i in range(first, last):
            u, v, w = bary[i, 0], bary[i, 1], bary[i, 2]
            g0, g1, g2, g3 = four_of(grad, i, k, channels)
            m = g0 * (u * a0 + v * b0 + w * c0) + g1 * (u * a1 + v * b1 + w * c1)
            m += g2 * (u * a2 + v * b2 + w * c2) + g3 * (u * a3 + v * b3 + w * c3)
            sum_a, sum_b, sum_c = sum_a + u * m, sum_b + v * m, sum_c + w * m
            p0, p1, p2, p3 = p0 + u * g0, p1 + u * g1, p2 + u * g2, p3 + u * g3
            q0, q1, q2, q3 = q0 + v * g0, q1 + v * g1, q2 + v * g2, q3 + v * g3
            r0, r1, r2, r3 = r0 + w * g0, r1 + w * g1, r2 + w * g2, r3 + w * g3
        for j, corner in enumerate((a, b, c)):
            h[0, j] += sum_a - dot_four(attributes, corner, k, p0, p1, p2, p3)
            h[1, j] += sum_b - dot_four(attributes, corner, k, q0, q1, q2, q3)
            h[2, j] += sum_c - dot_four(attributes, corner, k, r0, r1, r2, r3)
        if want:
            one = np.float32(1)
            add_four(grad_attributes, a, k, one, p0, p1, p2, p3)
            add_four(grad_attributes, b, k, one, q0, q1, q2, q3)
            add_four(grad_attributes, c, k, one, r0, r1, r2, r3)


@njit(**FAST)
def interpolate_backward(
    verts, attributes, faces, face, bary, grad, first, last, grad_attributes, grad_verts
):
    """Add the gradients of `interpolate` to attributes (V, C') and homogeneous pixels (V, 4).

    grad (N, C); attributes and grad_attributes have their channels padded to C', a multiple of 4;
    the last column of grad_verts is padding. An array of no rows as grad_attributes or grad_verts
    leaves that gradient out.
    """
    want_verts = grad_verts.shape[0] > 0
    inverse, h = np.empty((3, 3), np.float32), np.empty((3, 3), np.float32)
    i, end = U(first), U(last)
    while i < end:
        f = face[i]
        stop = i + ONE
        while stop < end and face[stop] == f:
            stop += ONE
        a, b, c = U(faces[U(f), 0]), U(faces[U(f), 1]), U(faces[U(f), 2])
        regular = want_verts and invert(verts, faces, f, inverse) != 0
        if stop - i >= U(LONG):
            run_gradient(grad, bary, i, stop, attributes, a, b, c, grad_attributes, h)
            i = stop
            if regular:
                corner_gradient(a, h[0, 0], h[0, 1], h[0, 2], inverse, grad_verts)
                corner_gradient(b, h[1, 0], h[1, 1], h[1, 2], inverse, grad_verts)
                corner_gradient(c, h[2, 0], h[2, 1], h[2, 2], inverse, grad_verts)
        while i < stop:
            b0, b1, b2 = bary[i, 0], bary[i, 1], bary[i, 2]
            d0, d1, d2 = attribute_gradient(
                grad, i, attributes, a, b, c, b0, b1, b2, grad_attributes
            )
            if regular:
                m = b0 * d0 + b1 * d1 + b2 * d2
                point_gradient(a, b, c, b0, b1, b2, m - d0, m - d1, m - d2, inverse, grad_verts)
            i += ONE


@njit(**FAST)
def boundary_backward(values, grad, p, q, axis, covered, faces, view, y, x, face, bary, depth,
                      grad_verts):  # fmt: skip
    """Add to grad_verts (B, V, 3) the forces of boundary pairs: `silhouette.surface_forces`.

    values, grad (M, C) on the covered pixels, then the rim pixels; p, q, axis (P,); the others are
    the fragments' arrays.
    """
    channels = values.shape[1]
    for i in range(p.shape[0]):
        first, second = U(p[i]), U(q[i])
        force = np.float32(0)
        for k in range(U(0), U(channels)):
            mean = np.float32(0.5) * (grad[first, k] + grad[second, k])
            force += mean * (values[first, k] - values[second, k])
        front = first
        if first >= U(covered) or (second < U(covered) and depth[second] < depth[first]):
            front = second
        force /= depth[front]
        v, f = U(view[front]), U(face[front])
        along = U(axis[i])
        force_z = -force * np.float32(x[front] if axis[i] == 0 else y[front])
        for k in range(3):
            corner, weight = U(faces[f, U(k)]), bary[front, U(k)]
            grad_verts[v, corner, along] += weight * force
            grad_verts[v, corner, TWO] += weight * force_z


@njit(**FAST)
def geometry_backward(
    verts, faces, face, bary, depth, grad_bary, grad_depth, first, last, grad_verts
):
    """Add to grad_verts (V, 4; the last is padding) what barycentrics and depths receive."""
    inverse = np.empty((3, 3), np.float32)
    run = -1
    regular = False
    for i in range(U(first), U(last)):
        f = face[i]
        if f != run:
            run = f
            regular = invert(verts, faces, f, inverse) != 0
        if regular:
            a, b, c = U(faces[U(f), 0]), U(faces[U(f), 1]), U(faces[U(f), 2])
            b0, b1, b2 = bary[i, 0], bary[i, 1], bary[i, 2]
            d0, d1, d2 = grad_bary[i, 0], grad_bary[i, 1], grad_bary[i, 2]
            m = b0 * d0 + b1 * d1 + b2 * d2 + depth[i] * grad_depth[i]
            point_gradient(a, b, c, b0, b1, b2, m - d0, m - d1, m - d2, inverse, grad_verts)
