"""Numba kernels of what a small renderer draws at pixels, from what is interpolated there.

They are `models.neural.inputs.pixel_inputs` of the inputs reflection and visibility, the network,
and `models.neural.renderer.NeuralRenderer.own_colors` in one; and its gradient. A pixel's values
are those of `SurfaceTable.columns`, then the static colour: position, normal, diffuse shading (3
each), skin, harmonics of visibility (9), static colour (3).
"""

import math
from typing import NamedTuple

import numpy as np

from models.appearance.kernels import (
    ONE,
    TINY,
    ZERO,
    basis_gradient,
    bilinear,
    grazing,
    mirrored,
    mirrored_gradient,
    place_gradient,
    place_on_maps,
    write_basis,
)  # fmt: skip
from models.neural.network_kernels import (
    ROW,
    TILE,
    fill_layers,
    layers_backward,
    rows_before_outputs,
)  # fmt: skip
from utils.compiled import FAST, SMALL, U, njit

NORMAL, DIFFUSE, SKIN, HARMONICS, STATIC, VALUES = U(3), U(6), U(9), U(10), U(19), 22
NUMBERS = 9  # harmonics
AXES = 6  # of the encoding
SINES, COSINES, OPEN, ABOVE, SHINE, INPUTS = U(4), U(10), U(16), U(17), U(18), 21
STEEP = np.float32(math.pi / 2)  # of the encoding: the frequency of its one band
SIN = tuple(np.float32((-1) ** k / math.factorial(2 * k + 1)) for k in range(6))
COS = tuple(np.float32((-1) ** k / math.factorial(2 * k)) for k in range(7))


class Looks(NamedTuple):
    """What the colours of all pixels share.

    centers (views, 3) of the cameras; axes (6, 3) of the encoding; table, radius and grazing of
    the highlights (`models.appearance.light`), a table without rows where there are none; scale:
    of highlights as inputs; strengths (2,) of static colour and network.
    """

    centers: np.ndarray
    axes: np.ndarray
    table: np.ndarray
    radius: np.float32
    grazing: np.float32
    scale: np.float32
    strengths: np.ndarray


class Room(NamedTuple):
    """A thread's own: basis, by_basis (9,), shine (TILE, 3), by_shine (3,), tile and grads."""

    basis: np.ndarray
    by_basis: np.ndarray
    shine: np.ndarray
    by_shine: np.ndarray
    tile: np.ndarray
    grads: np.ndarray
    nothing: np.ndarray


@njit(**SMALL)
def sine_and_cosine(x):
    """sin x, cos x for |x| <= pi / 2, to 1e-7 (Taylor)."""
    s = x * x
    sine = SIN[3] + s * (SIN[4] + s * SIN[5])
    sine = x * (SIN[0] + s * (SIN[1] + s * (SIN[2] + s * sine)))
    cosine = COS[3] + s * (COS[4] + s * (COS[5] + s * COS[6]))
    return sine, COS[0] + s * (COS[1] + s * (COS[2] + s * cosine))


@njit(**SMALL)
def unit_normal(values, i):
    """The unit normal of pixel i, and the length of what is interpolated."""
    x, y, z = values[i, NORMAL], values[i, NORMAL + U(1)], values[i, NORMAL + U(2)]
    length = max(np.float32(math.sqrt(x * x + y * y + z * z)), TINY)
    return x / length, y / length, z / length, length


@njit(**SMALL)
def openness(values, i, basis):
    """How open the sky is at pixel i where its harmonics' basis is `basis`, not clipped."""
    value = ZERO
    for k in range(U(NUMBERS)):
        value += values[i, HARMONICS + k] * basis[k]
    return value


@njit(**SMALL)
def write_highlights(facing, mx, my, mz, looks, shine):
    """Write the highlights (3,) of a mirrored direction; zeros where there are none."""
    shine[U(0)] = shine[U(1)] = shine[U(2)] = ZERO
    if looks.table.shape[0] > 0:
        left, top, x, y, _ = place_on_maps(mx, my, mz, looks.radius, looks.table)
        factor, _ = grazing(facing, looks.grazing)
        for c in range(U(3)):
            value, _, _ = bilinear(looks.table, left, top, x, y, c)
            shine[c] = value * factor


@njit(**SMALL)
def along_axis(axes, k, x, y, z):
    """Coordinate k of the encoding, in radians."""
    return STEEP * (x * axes[k, U(0)] + y * axes[k, U(1)] + z * axes[k, U(2)])


@njit(**SMALL)
def write_inputs(i, p, values, center, looks, basis, shine, tile):
    """Write pixel i's inputs into column p of a tile, and its highlights into shine (3,)."""
    nx, ny, nz, _ = unit_normal(values, i)
    _, _, _, _, facing, mx, my, mz = mirrored(nx, ny, nz, center, values[i])
    tile[p], tile[ROW + p] = facing, mx
    tile[U(2) * ROW + p], tile[U(3) * ROW + p] = my, mz
    for k in range(U(AXES)):
        sine, cosine = sine_and_cosine(along_axis(looks.axes, k, mx, my, mz))
        tile[(SINES + k) * ROW + p], tile[(COSINES + k) * ROW + p] = sine, cosine
    write_basis(mx, my, mz, basis)
    open_sky = min(max(openness(values, i, basis), ZERO), ONE)
    write_highlights(facing, mx, my, mz, looks, shine)
    tile[OPEN * ROW + p], tile[ABOVE * ROW + p] = open_sky, values[i, HARMONICS]
    for c in range(U(3)):
        tile[(SHINE + c) * ROW + p] = looks.scale * open_sky * shine[c]


@njit(**SMALL)
def fill_tile(begin, count, values, view, looks, network, room):
    """Fill room.tile with what the network makes of `count` pixels, and room.shine."""
    for p in range(U(count)):
        i = U(begin) + p
        center = looks.centers[U(view[i])]
        write_inputs(i, p, values, center, looks, room.basis, room.shine[p], room.tile)
    fill_layers(network, room.tile)


@njit(**FAST)
def colors(first, last, values, view, looks, network, room, drawn):
    """Write drawn (N, 3) of pixels first..last-1 with values (N, 22), seen by view (N,)."""
    out, shine, tile = rows_before_outputs(network), room.shine, room.tile
    for begin in range(first, last, TILE):
        count = min(TILE, last - begin)
        fill_tile(begin, count, values, view, looks, network, room)
        for p in range(U(count)):
            i = U(begin) + p
            for c in range(U(3)):
                added = looks.strengths[U(0)] * values[i, STATIC + c]
                added += looks.strengths[U(1)] * tile[(out + c) * ROW + p]
                base = values[i, DIFFUSE + c]
                drawn[i, c] = base + values[i, SKIN] * (shine[p, c] + added)


@njit(**SMALL)
def highlights_backward(facing, mx, my, mz, looks, open_sky, by_shine, grads, p):
    """What highlights and their inputs mean for the mirrored direction, cosine and openness.

    by_shine (3,) is what the highlights receive besides their inputs.
    """
    left, top, x, y, to_maps = place_on_maps(mx, my, mz, looks.radius, looks.table)
    factor, slope = grazing(facing, looks.grazing)
    by_x = by_y = by_factor = by_open = ZERO
    for c in range(U(3)):
        value, along_x, along_y = bilinear(looks.table, left, top, x, y, c)
        told = looks.scale * grads[(SHINE + c) * ROW + p]
        pulled = by_shine[c] + told * open_sky
        by_open += told * value * factor
        by_factor += pulled * value
        by_x += pulled * factor * along_x
        by_y += pulled * factor * along_y
    hx, hy, hz = place_gradient(by_x, by_y, to_maps, looks.radius, looks.table, mx, my, mz)
    return hx, hy, hz, by_factor * slope, by_open


@njit(**SMALL)
def inputs_backward(i, p, values, center, looks, room, by_values):
    """Write into pixel i's row of by_values what its inputs' gradients in room.grads mean."""
    grads, basis, by_basis, axes = room.grads, room.basis, room.by_basis, looks.axes
    nx, ny, nz, length = unit_normal(values, i)
    tx, ty, tz, distance, facing, mx, my, mz = mirrored(nx, ny, nz, center, values[i])
    hx, hy, hz = grads[ROW + p], grads[U(2) * ROW + p], grads[U(3) * ROW + p]
    for k in range(U(AXES)):
        sine, cosine = sine_and_cosine(along_axis(axes, k, mx, my, mz))
        pulled = grads[(SINES + k) * ROW + p] * cosine - grads[(COSINES + k) * ROW + p] * sine
        pulled *= STEEP
        hx += pulled * axes[k, U(0)]
        hy += pulled * axes[k, U(1)]
        hz += pulled * axes[k, U(2)]
    write_basis(mx, my, mz, basis)
    raw = openness(values, i, basis)
    by_open, by_facing = grads[OPEN * ROW + p], grads[p]
    if looks.table.shape[0] > 0:
        open_sky = min(max(raw, ZERO), ONE)
        px, py, pz, more_facing, more_open = highlights_backward(
            facing, mx, my, mz, looks, open_sky, room.by_shine, grads, p
        )
        hx, hy, hz = hx + px, hy + py, hz + pz
        by_facing, by_open = by_facing + more_facing, by_open + more_open
    if raw < ZERO or raw > ONE:
        by_open = ZERO
    for k in range(U(NUMBERS)):
        by_values[i, HARMONICS + k] = by_open * basis[k]
        by_basis[k] = by_open * values[i, HARMONICS + k]
    by_values[i, HARMONICS] += grads[ABOVE * ROW + p]
    px, py, pz = basis_gradient(mx, my, mz, by_basis)
    gx, gy, gz, ux, uy, uz = mirrored_gradient(
        hx + px, hy + py, hz + pz, by_facing, nx, ny, nz, tx, ty, tz, facing
    )
    along = gx * nx + gy * ny + gz * nz
    by_values[i, NORMAL] = (gx - along * nx) / length
    by_values[i, NORMAL + U(1)] = (gy - along * ny) / length
    by_values[i, NORMAL + U(2)] = (gz - along * nz) / length
    by_values[i, U(0)], by_values[i, U(1)] = -ux / distance, -uy / distance
    by_values[i, U(2)] = -uz / distance


@njit(**FAST)
def colors_backward(first, last, values, view, looks, network, room, by_drawn, by_values):
    """Write by_values (N, 22): what by_drawn (N, 3) means for the values of `colors`."""
    out, shine, tile, grads = rows_before_outputs(network), room.shine, room.tile, room.grads
    strengths = looks.strengths
    for begin in range(first, last, TILE):
        count = min(TILE, last - begin)
        fill_tile(begin, count, values, view, looks, network, room)
        for place in range(out * ROW, U(grads.shape[0])):
            grads[place] = ZERO
        for p in range(U(count)):
            i = U(begin) + p
            by_skin, skin = ZERO, values[i, SKIN]
            for c in range(U(3)):
                g, place = by_drawn[i, c], (out + c) * ROW + p
                added = strengths[U(0)] * values[i, STATIC + c] + strengths[U(1)] * tile[place]
                by_skin += g * (shine[p, c] + added)
                grads[place] = g * skin * strengths[U(1)]
                by_values[i, DIFFUSE + c] = g
                by_values[i, STATIC + c] = g * skin * strengths[U(0)]
            by_values[i, SKIN] = by_skin
        layers_backward(network, tile, grads, room.nothing, room.nothing, True)
        for p in range(U(count)):
            i = U(begin) + p
            for c in range(U(3)):
                room.by_shine[c] = by_drawn[i, c] * values[i, SKIN]
            inputs_backward(i, p, values, looks.centers[U(view[i])], looks, room, by_values)
