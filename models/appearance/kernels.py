"""Numba kernels for the colours of vertices under every view's light, and their gradient.

The formulas are `models.appearance.model`'s and `models.appearance.light`'s. Vertices that a view
does not see cost nothing there.
"""

import math

import numpy as np

from utils.compiled import FAST, SMALL, U, njit

TINY = np.float32(1e-12)
ZERO, ONE, TWO, HALF = (np.float32(x) for x in (0, 1, 2, 0.5))


@njit(**SMALL)
def write_basis(x, y, z, basis):
    """`sh_basis` of the normal x, y, z, as many functions as basis (n,) holds."""
    basis[U(0)] = ONE
    if basis.shape[0] > 1:
        basis[U(1)], basis[U(2)], basis[U(3)] = y, z, x
    if basis.shape[0] > 4:
        basis[U(4)], basis[U(5)], basis[U(7)] = x * y, y * z, z * x
        basis[U(6)], basis[U(8)] = TWO * z * z - x * x - y * y, x * x - y * y


@njit(**SMALL)
def basis_gradient(x, y, z, g):
    """The gradient in the normal x, y, z of g (n,) in its basis."""
    gx = gy = gz = ZERO
    if g.shape[0] > 1:
        gx, gy, gz = g[U(3)], g[U(1)], g[U(2)]
    if g.shape[0] > 4:
        gx += g[U(4)] * y + g[U(7)] * z + TWO * x * (g[U(8)] - g[U(6)])
        gy += g[U(4)] * x + g[U(5)] * z - TWO * y * (g[U(6)] + g[U(8)])
        gz += g[U(5)] * y + g[U(7)] * x + TWO * TWO * z * g[U(6)]
    return gx, gy, gz


@njit(**SMALL)
def shade_of(light, basis):
    """Radiance: light (n,) times basis (n,)."""
    shade = ZERO
    for k in range(U(basis.shape[0])):
        shade += light[k] * basis[k]
    return shade


@njit(**SMALL)
def mirrored(nx, ny, nz, center, vert):
    """Of a vertex with unit normal n: unit vector t to a camera's centre and the distance, cosine
    f = n . t, and t mirrored by the normal, 2 f n - t.
    """
    x, y, z = center[U(0)] - vert[U(0)], center[U(1)] - vert[U(1)], center[U(2)] - vert[U(2)]
    distance = max(np.float32(math.sqrt(x * x + y * y + z * z)), TINY)
    tx, ty, tz = x / distance, y / distance, z / distance
    facing = nx * tx + ny * ty + nz * tz
    twice = TWO * facing
    return tx, ty, tz, distance, facing, twice * nx - tx, twice * ny - ty, twice * nz - tz


@njit(**SMALL)
def place_on_maps(mx, my, mz, radius, table):
    """Where the mirrored direction lies in the table (side, 2 side, 3): corner and shares of x, y;
    and the factor that takes mx, my to the maps.
    """
    factor = radius / (ONE + abs(mz))
    u = HALF * (mx * factor + (-ONE if mz < ZERO else ONE))
    x = HALF * (u + ONE) * np.float32(table.shape[1] - 1)
    y = HALF * (my * factor + ONE) * np.float32(table.shape[0] - 1)
    left = min(max(np.int64(x), 0), table.shape[1] - 2)
    top = min(max(np.int64(y), 0), table.shape[0] - 2)
    return U(left), U(top), x - np.float32(left), y - np.float32(top), factor


@njit(**SMALL)
def bilinear(table, left, top, x, y, k):
    """Channel k of the table between four of its points, and its slopes along x and y."""
    a, b = table[top, left, k], table[top, left + U(1), k]
    c, d = table[top + U(1), left, k], table[top + U(1), left + U(1), k]
    upper, lower = a + x * (b - a), c + x * (d - c)
    along_x = (ONE - y) * (b - a) + y * (d - c)
    return upper + y * (lower - upper), along_x, lower - upper


@njit(**SMALL)
def grazing(facing, strength):
    """How much brighter a highlight is at this cosine, and the derivative."""
    rest = ONE - min(max(facing, ZERO), ONE)
    root = np.float32(math.sqrt(rest))
    slope = np.float32(-1.5) * strength * root if ZERO <= facing <= ONE else ZERO
    return ONE + strength * rest * root, slope


@njit(**SMALL)
def place_gradient(by_x, by_y, scale, radius, table, mx, my, mz):
    """The gradient in the mirrored direction m of one in its place (by_x, by_y) in the table.

    `place_on_maps` gave `scale`.
    """
    by_u = HALF * by_x * np.float32(table.shape[1] - 1)
    by_v = HALF * by_y * np.float32(table.shape[0] - 1)
    by_scale = HALF * by_u * mx + by_v * my
    steep = -scale * scale / radius * (-ONE if mz < ZERO else ONE)
    return HALF * by_u * scale, by_v * scale, by_scale * steep


@njit(**SMALL)
def mirrored_gradient(hx, hy, hz, by_facing, nx, ny, nz, tx, ty, tz, facing):
    """The gradients in the normal n, and in the vector whose direction is t times its length.

    Of h in the mirrored direction 2 f n - t, and of by_facing in the cosine f.
    """
    by_f = by_facing + TWO * (hx * nx + hy * ny + hz * nz)
    twice = TWO * facing
    gx, gy, gz = twice * hx + by_f * tx, twice * hy + by_f * ty, twice * hz + by_f * tz
    ux, uy, uz = by_f * nx - hx, by_f * ny - hy, by_f * nz - hz
    along = ux * tx + uy * ty + uz * tz
    return gx, gy, gz, ux - along * tx, uy - along * ty, uz - along * tz


@njit(**FAST)
def vertex_colors(
    first, last, albedo, light, gain, normals, verts, centers, table, radius, strength, seen,
    basis, colors,
):  # fmt: skip
    """colors (B, V, 3) of vertices first..last-1, 0 where a view has not seen (B, V) uint8 them.

    albedo, normals, verts (V, 3); light (B, n); gain, centers (B, 3); table (side, 2 side, 3) of
    highlights, or without rows; basis (n,) is room.
    """
    for i in range(U(first), U(last)):
        nx, ny, nz = normals[i, U(0)], normals[i, U(1)], normals[i, U(2)]
        write_basis(nx, ny, nz, basis)
        for view in range(U(seen.shape[0])):
            if seen[view, i] == 0:
                for k in range(U(3)):
                    colors[view, i, k] = ZERO
                continue
            shade = shade_of(light[view], basis)
            if table.shape[0] == 0:
                for k in range(U(3)):
                    colors[view, i, k] = albedo[i, k] * shade * gain[view, k]
                continue
            _, _, _, _, facing, mx, my, mz = mirrored(nx, ny, nz, centers[view], verts[i])
            left, top, x, y, _ = place_on_maps(mx, my, mz, radius, table)
            factor, _ = grazing(facing, strength)
            for k in range(U(3)):
                shine, _, _ = bilinear(table, left, top, x, y, k)
                colors[view, i, k] = (albedo[i, k] * shade + shine * factor) * gain[view, k]


@njit(**FAST)
def vertex_colors_backward(
    first, last, albedo, light, gain, normals, verts, centers, table, radius, strength, seen,
    grad, basis, by_basis, by_albedo, by_light, by_gain, by_normals, by_verts, by_centers,
):  # fmt: skip
    """Add to the by_ arrays what grad (B, V, 3) in `vertex_colors` means for its arguments.

    by_light (B, n), by_gain and by_centers (B, 3) float64 are a thread's own; basis, by_basis (n,)
    are room.
    """
    for i in range(U(first), U(last)):
        nx, ny, nz = normals[i, U(0)], normals[i, U(1)], normals[i, U(2)]
        write_basis(nx, ny, nz, basis)
        for k in range(U(basis.shape[0])):
            by_basis[k] = ZERO
        gx = gy = gz = ZERO
        for view in range(U(seen.shape[0])):
            g0, g1, g2 = grad[view, i, U(0)], grad[view, i, U(1)], grad[view, i, U(2)]
            if seen[view, i] == 0 or (g0 == ZERO and g1 == ZERO and g2 == ZERO):
                continue
            own = light[view]
            shade, by_shade, by_factor, by_x, by_y = shade_of(own, basis), ZERO, ZERO, ZERO, ZERO
            tx = ty = tz = distance = facing = mx = my = mz = x = y = factor = slope = ZERO
            scale, left, top = ZERO, U(0), U(0)
            if table.shape[0] > 0:
                tx, ty, tz, distance, facing, mx, my, mz = mirrored(
                    nx, ny, nz, centers[view], verts[i]
                )
                left, top, x, y, scale = place_on_maps(mx, my, mz, radius, table)
                factor, slope = grazing(facing, strength)
            for k in range(U(3)):
                g, a, shine = grad[view, i, k], albedo[i, k], ZERO
                pulled = g * gain[view, k]
                if table.shape[0] > 0:
                    shine, along_x, along_y = bilinear(table, left, top, x, y, k)
                    by_factor += pulled * shine
                    by_x += pulled * factor * along_x
                    by_y += pulled * factor * along_y
                by_gain[view, k] += g * (a * shade + shine * factor)
                by_albedo[i, k] += pulled * shade
                by_shade += pulled * a
            for k in range(U(basis.shape[0])):
                by_light[view, k] += by_shade * basis[k]
                by_basis[k] += by_shade * own[k]
            if table.shape[0] > 0:
                hx, hy, hz = place_gradient(by_x, by_y, scale, radius, table, mx, my, mz)
                hx, hy, hz, ux, uy, uz = mirrored_gradient(
                    hx, hy, hz, by_factor * slope, nx, ny, nz, tx, ty, tz, facing
                )
                gx, gy, gz = gx + hx, gy + hy, gz + hz
                ux, uy, uz = ux / distance, uy / distance, uz / distance
                by_verts[i, U(0)] -= ux
                by_verts[i, U(1)] -= uy
                by_verts[i, U(2)] -= uz
                by_centers[view, U(0)] += ux
                by_centers[view, U(1)] += uy
                by_centers[view, U(2)] += uz
        bx, by, bz = basis_gradient(nx, ny, nz, by_basis)
        by_normals[i, U(0)] = gx + bx
        by_normals[i, U(1)] = gy + by
        by_normals[i, U(2)] = gz + bz
