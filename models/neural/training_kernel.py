"""Numba kernel of a training step: the error of some pixels' colours, and its gradient."""

import numpy as np

from models.neural.network_kernels import (
    ROW,
    TILE,
    ZERO,
    fill_layers,
    layers_backward,
    rows_before_outputs,
)  # fmt: skip
from utils.compiled import FAST, SMALL, U, njit

ONE = np.float32(1)


@njit(**SMALL)
def gather(chosen, first, count, inputs, tile):
    """Write the inputs (N, I) of `count` chosen pixels, from `first` on, into a tile."""
    for p in range(U(count)):
        pixel = U(chosen[U(first) + p])
        for k in range(U(inputs.shape[1])):
            tile[k * ROW + p] = inputs[pixel, k]


@njit(**SMALL)
def static_color(features, corners, bary, pixel, channel):
    """Feature `channel` (V, C) at a pixel."""
    value = ZERO
    for corner in range(U(3)):
        value += bary[pixel, corner] * features[U(corners[pixel, corner]), channel]
    return value


@njit(**SMALL)
def bent(error, bend):
    """Huber's loss over `bend`, and its derivative."""
    size = abs(error)
    if size <= bend:
        return np.float32(0.5) * error * error / bend, error / bend
    return size - np.float32(0.5) * bend, (ONE if error > ZERO else -ONE)


@njit(**FAST)
def color_error(
    chosen, inputs, base, is_skin, corners, bary, view, color, features, gain, offset, strengths,
    bend, network, tile, grads,
    by_weights, by_biases, by_features, by_gain, by_offset,
):  # fmt: skip
    """The sum of the chosen pixels' colour errors, and its gradients, which are added to by_*.

    Colours are base + is_skin (strengths[0] features[:3] + strengths[1] network(inputs)), then
    gain[view] * . + offset[view]; errors Huber's over `bend`. by_gain, by_offset (views, 3) are
    float64; by_weights, by_biases hold eight sums of each number.
    """
    loss, out = 0.0, rows_before_outputs(network)
    for first in range(0, chosen.shape[0], TILE):
        count = min(TILE, chosen.shape[0] - first)
        gather(chosen, first, count, inputs, tile)
        fill_layers(network, tile)
        for place in range(out * ROW, U(grads.shape[0])):
            grads[place] = ZERO
        for p in range(U(count)):
            pixel = U(chosen[U(first) + p])
            seen, skin = U(view[pixel]), is_skin[pixel, U(0)]
            for c in range(U(3)):
                added = strengths[U(0)] * static_color(features, corners, bary, pixel, c)
                added += strengths[U(1)] * tile[(out + c) * ROW + p]
                drawn = base[pixel, c] + skin * added
                error, slope = bent(gain[seen, c] * drawn + offset[seen, c] - color[pixel, c], bend)
                loss += error
                by_gain[seen, c] += slope * drawn
                by_offset[seen, c] += slope
                pulled = slope * gain[seen, c] * skin
                grads[(out + c) * ROW + p] = pulled * strengths[U(1)]
                for corner in range(U(3)):
                    vertex = U(corners[pixel, corner])
                    by_features[vertex, c] += pulled * strengths[U(0)] * bary[pixel, corner]
        layers_backward(network, tile, grads, by_weights, by_biases, False)
    return loss
