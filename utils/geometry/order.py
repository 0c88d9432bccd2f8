"""An order of points in which neighbours in space are neighbours in memory."""

from __future__ import annotations

import numpy as np

CELLS = 1 << 10  # along the longest side of the points' box


def spatial_order(points: np.ndarray) -> np.ndarray:
    """Indices (N,) of points (N, 3) along a Z-order curve (Morton 1966) through their box.

    Work on a mesh whose vertices are so ordered finds most of what it needs in the cache.
    """
    low = points.min(0)
    side = float(np.ptp(points, 0).max()) or 1.0
    cells = np.minimum((points - low) * (CELLS / side), CELLS - 1).astype(np.int64)
    code = sum(_spread(cells[:, k]) << k for k in range(3))
    return np.argsort(code, kind="stable")


def _spread(numbers: np.ndarray) -> np.ndarray:
    """The 10 bits of each number, with two zeros between them."""
    for shift, mask in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
        numbers = (numbers | numbers << shift) & mask
    return numbers
