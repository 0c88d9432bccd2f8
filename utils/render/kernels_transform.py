"""Numba kernels that take points to the homogeneous pixels of several views, and gradients back."""

from numba import njit

from utils.render.simd import FAST, U


@njit(**FAST)
def transform(first, last, points, matrices, offsets, pixels):
    """pixels (B, V, 3) = matrices (B, 3, 3) points (1 or B, V, 3) + offsets (B, 3).

    Of points first..last-1.
    """
    for view in range(pixels.shape[0]):
        source = points[view if points.shape[0] > 1 else 0]
        m, t, target = matrices[view], offsets[view], pixels[view]
        for i in range(U(first), U(last)):
            x, y, z = source[i, 0], source[i, 1], source[i, 2]
            for k in range(3):
                target[i, k] = m[k, 0] * x + m[k, 1] * y + m[k, 2] * z + t[k]


@njit(**FAST)
def transform_backward(first, last, grad, matrices, grad_points):
    """Add the gradient in points first..last-1 to grad_points (1 or B, V, 3), given pixels'."""
    for view in range(grad.shape[0]):
        target = grad_points[view if grad_points.shape[0] > 1 else 0]
        m, source = matrices[view], grad[view]
        for i in range(U(first), U(last)):
            x, y, z = source[i, 0], source[i, 1], source[i, 2]
            for k in range(3):
                target[i, k] += m[0, k] * x + m[1, k] * y + m[2, k] * z
