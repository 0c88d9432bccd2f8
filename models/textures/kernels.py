"""Numba kernels over millions of texels: which a photo shows, and what photos say on average."""

import math

import numpy as np

from utils.compiled import FAST, SMALL, U, njit

ONE, HALF = np.float32(1), np.float32(0.5)


@njit(**SMALL)
def robust(values, average, n, i, outlier):
    """Cauchy's weight of row n of values about the average of texel i."""
    largest = np.float32(0)
    for k in range(U(3)):
        largest = max(largest, abs(values[n, k] - average[i, k]))
    return ONE / (ONE + (largest / outlier) * (largest / outlier))


@njit(**FAST)
def find_seen(
    first, last, points, normals, matrix, center, depth, trust, least_facing, slack, index, pixel,
    weight,
):  # fmt: skip
    """List which of the texels first..last-1 a view sees; returns how many.

    points, normals (N, 3); matrix (3, 4) = K [R | t], center (3,); depth (H, W), inf where nothing
    is, and trust (H, W), float32; slack: how much deeper than what is seen a texel may be, as a
    share of its depth over its cosine. index, pixel (2,) and weight are written from `first` on.
    """
    height, width = depth.shape
    n = U(first)
    for i in range(U(first), U(last)):
        x, y, z = points[i, U(0)], points[i, U(1)], points[i, U(2)]
        tx, ty, tz = center[U(0)] - x, center[U(1)] - y, center[U(2)] - z
        squared = tx * tx + ty * ty + tz * tz
        facing = normals[i, U(0)] * tx + normals[i, U(1)] * ty + normals[i, U(2)] * tz
        cosine = facing / np.float32(math.sqrt(squared))
        if not cosine > least_facing:
            continue
        far = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]
        if not far > 0:
            continue
        px = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]) / far
        py = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]) / far
        if not (px > 0.5 and py > 0.5 and px < width - 1.5 and py < height - 1.5):
            continue
        shown = depth[U(np.int64(py + HALF)), U(np.int64(px + HALF))]
        if not shown < np.inf or far > shown + slack * far / cosine:
            continue
        left, top = U(np.int64(px)), U(np.int64(py))
        fx, fy = px - np.float32(left), py - np.float32(top)
        upper = (ONE - fx) * trust[top, left] + fx * trust[top, left + U(1)]
        lower = (ONE - fx) * trust[top + U(1), left] + fx * trust[top + U(1), left + U(1)]
        value = ((ONE - fy) * upper + fy * lower) * cosine * cosine / squared
        if value > 0:
            index[n], pixel[n, U(0)], pixel[n, U(1)], weight[n] = i, px, py, value
            n += U(1)
    return np.int64(n) - first


@njit(**FAST)
def add_said(first, last, index, values, weights, average, outlier, sums, totals):
    """Add weighted values (n, 4) of the texels first..last-1 among index (n,), in ascending order.

    A row's last number is its trust; weights (n,). With outlier > 0 weights fall with the largest
    difference d from the average (N, 3): 1 / (1 + (d / outlier)^2). sums (N, 3), totals (N,).
    """
    for n in range(U(np.searchsorted(index, first)), U(np.searchsorted(index, last))):
        i, weight = U(index[n]), weights[n] * values[n, U(3)]
        if outlier > 0:
            weight *= robust(values, average, n, i, outlier)
        totals[i] += weight
        for k in range(U(3)):
            sums[i, k] += weight * values[n, k]


@njit(**FAST)
def add_spread(first, last, index, values, weights, average, center, outlier, squares, spread):
    """The same weights' squares (N,), and their products with squared distances from `center`.

    average (N, 3) is what the weights were found with.
    """
    for n in range(U(np.searchsorted(index, first)), U(np.searchsorted(index, last))):
        i, weight = U(index[n]), weights[n] * values[n, U(3)]
        weight *= robust(values, average, n, i, outlier)
        squares[i] += weight * weight
        for k in range(U(3)):
            off = values[n, k] - center[i, k]
            spread[i] += weight * off * off
