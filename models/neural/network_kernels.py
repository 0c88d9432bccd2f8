"""Numba kernels for a small network of single pixels, forward and backward.

TILE pixels go through all layers while they are in the cache. Tiles hold a row of TILE numbers for
every unit of every layer, the inputs first; layers have multiples of BLOCK units, those beyond the
network's own with weights of zero.
"""

from typing import NamedTuple

import numpy as np

from utils.compiled import FAST, SMALL, U, njit
from utils.render.cpu.interpolate import add_to
from utils.render.cpu.simd import WIDTH, load, select, splat, store

TILE = 64  # pixels
BLOCK = 4  # units
LANES = U(WIDTH)
ROW = U(TILE)
ZERO = np.float32(0)


class Network(NamedTuple):
    """sizes (L + 1,): the layers' units, the inputs first; weights: the matrices (units, units
    before) of one layer after another; turned: the same transposed; biases: the layers' biases.
    """

    sizes: np.ndarray
    weights: np.ndarray
    turned: np.ndarray
    biases: np.ndarray


@njit(**SMALL)
def positive(x):
    """max(x, 0) of eight numbers."""
    return select(x > splat(ZERO), x, splat(ZERO))


@njit(**FAST)
def affine(weights, at, biases, at_bias, x, x_row, count, y, y_row, units, bend):
    """Rows y = weights x + bias (none where at_bias < 0), bent to max(0, .) if `bend`.

    weights (units, count) from `at` on; x, y are tiles, whose rows begin at x_row, y_row.
    """
    for j in range(U(0), U(units), U(BLOCK)):
        w = U(at) + j * U(count)
        for p in range(U(0), ROW, U(2) * LANES):
            a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = splat(ZERO)
            if at_bias >= 0:
                first = U(at_bias) + j
                a0 = a1 = splat(biases[first])
                b0 = b1 = splat(biases[first + U(1)])
                c0 = c1 = splat(biases[first + U(2)])
                d0 = d1 = splat(biases[first + U(3)])
            for k in range(U(count)):
                place = (U(x_row) + k) * ROW + p
                x0, x1 = load(x, place), load(x, place + LANES)
                factor = splat(weights[w + k])
                a0, a1 = a0 + factor * x0, a1 + factor * x1
                factor = splat(weights[w + U(count) + k])
                b0, b1 = b0 + factor * x0, b1 + factor * x1
                factor = splat(weights[w + U(2) * U(count) + k])
                c0, c1 = c0 + factor * x0, c1 + factor * x1
                factor = splat(weights[w + U(3) * U(count) + k])
                d0, d1 = d0 + factor * x0, d1 + factor * x1
            if bend:
                a0, a1, b0, b1 = positive(a0), positive(a1), positive(b0), positive(b1)
                c0, c1, d0, d1 = positive(c0), positive(c1), positive(d0), positive(d1)
            place = (U(y_row) + j) * ROW + p
            store(y, place, a0)
            store(y, place + LANES, a1)
            store(y, place + ROW, b0)
            store(y, place + ROW + LANES, b1)
            store(y, place + U(2) * ROW, c0)
            store(y, place + U(2) * ROW + LANES, c1)
            store(y, place + U(3) * ROW, d0)
            store(y, place + U(3) * ROW + LANES, d1)


@njit(**FAST)
def weight_gradient(x, x_row, count, g, g_row, units, by_weights, at, by_biases, at_bias):
    """Add what gradients g of a layer's units mean for its weights and biases.

    Eight sums of each, for eight pixels out of TILE at a time: by_weights (units, count, 8).
    """
    for j in range(U(0), U(units), U(2)):
        first, second = (U(g_row) + j) * ROW, (U(g_row) + j + U(1)) * ROW
        a = b = splat(ZERO)
        for p in range(U(0), ROW, LANES):
            a, b = a + load(g, first + p), b + load(g, second + p)
        add_to(by_biases, (U(at_bias) + j) * LANES, a)
        add_to(by_biases, (U(at_bias) + j + U(1)) * LANES, b)
        for k in range(U(0), U(count), U(BLOCK)):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = splat(ZERO)
            for p in range(U(0), ROW, LANES):
                ga, gb = load(g, first + p), load(g, second + p)
                place = (U(x_row) + k) * ROW + p
                value = load(x, place)
                a0, b0 = a0 + ga * value, b0 + gb * value
                value = load(x, place + ROW)
                a1, b1 = a1 + ga * value, b1 + gb * value
                value = load(x, place + U(2) * ROW)
                a2, b2 = a2 + ga * value, b2 + gb * value
                value = load(x, place + U(3) * ROW)
                a3, b3 = a3 + ga * value, b3 + gb * value
            place = (U(at) + j * U(count) + k) * LANES
            add_to(by_weights, place, a0)
            add_to(by_weights, place + LANES, a1)
            add_to(by_weights, place + U(2) * LANES, a2)
            add_to(by_weights, place + U(3) * LANES, a3)
            place += U(count) * LANES
            add_to(by_weights, place, b0)
            add_to(by_weights, place + LANES, b1)
            add_to(by_weights, place + U(2) * LANES, b2)
            add_to(by_weights, place + U(3) * LANES, b3)


@njit(**FAST)
def fill_layers(network, tile):
    """Fill the layers of a tile whose inputs are there."""
    sizes = network.sizes
    row, at, at_bias, last = 0, 0, 0, sizes.shape[0] - 2
    for layer in range(sizes.shape[0] - 1):
        count, units = sizes[layer], sizes[layer + 1]
        affine(
            network.weights, at, network.biases, at_bias, tile, row, count, tile, row + count,
            units, layer < last,
        )  # fmt: skip
        row, at, at_bias = row + count, at + count * units, at_bias + units


@njit(**SMALL)
def rows_before_outputs(network):
    """The row of the first output in a tile."""
    row = 0
    for layer in range(network.sizes.shape[0] - 1):
        row += network.sizes[layer]
    return U(row)


@njit(**FAST)
def layers_backward(network, tile, grads, by_weights, by_biases, to_inputs):
    """Send the outputs' gradients, the last rows of the tile `grads`, back through the layers.

    Adds the weights' and biases' gradients, unless by_weights has no numbers. The inputs' get
    theirs, the first rows, if wanted.
    """
    sizes = network.sizes
    row = at = at_bias = 0
    for layer in range(sizes.shape[0] - 1):
        row, at = row + sizes[layer], at + sizes[layer] * sizes[layer + 1]
        at_bias += sizes[layer + 1]
    for layer in range(sizes.shape[0] - 2, -1, -1):
        count, units = sizes[layer], sizes[layer + 1]
        before, at, at_bias = row - count, at - count * units, at_bias - units
        if by_weights.shape[0] > 0:
            weight_gradient(
                tile, before, count, grads, row, units, by_weights, at, by_biases, at_bias
            )
        if layer > 0 or to_inputs:
            affine(
                network.turned,
                at,
                network.biases,
                -1,
                grads,
                row,
                units,
                grads,
                before,
                count,
                False,
            )
        if layer > 0:
            for place in range(U(before) * ROW, U(row) * ROW, LANES):
                alive = load(tile, place) > splat(ZERO)
                store(grads, place, select(alive, load(grads, place), splat(ZERO)))
        row = before
