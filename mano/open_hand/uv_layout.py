"""The hand's part of the body's UVs, enlarged until it fills the unit square."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

GRID = 512  # cells along a side, in which free places are looked for
PAD = 6  # cells about each chart that stay free: 24 texels of 2048


def fill_unit_square(uv: np.ndarray, face_uv: np.ndarray) -> np.ndarray:
    """UVs (T, 2) of the same charts, all enlarged alike and moved, none overlapping another.

    face_uv (F, 3). The largest chart goes into the corner at the origin and touches the opposite
    margin; others take the free places nearest to the origin. Raises ValueError where one finds no
    place.
    """
    uv, face_uv = np.asarray(uv, float), np.asarray(face_uv, np.int64)
    chart = _charts(len(uv), face_uv)
    order = np.argsort(-np.bincount(chart), kind="stable")
    spans = [np.ptp(uv[chart == k], axis=0).max() for k in order]
    scale = (1 - (2 * PAD + 1) / GRID) / spans[0]
    taken = np.zeros((GRID, GRID), bool)
    filled = np.empty_like(uv)
    for k in order:
        own = uv[chart == k]
        own = (own - own.min(0)) * scale
        faces = np.searchsorted(np.flatnonzero(chart == k), face_uv[chart[face_uv[:, 0]] == k])
        cells = _cells(own, faces)
        x, y = _free_place(taken, cells)
        filled[chart == k] = own + (np.array([x, y]) + PAD) / GRID
        taken[y : y + cells.shape[0], x : x + cells.shape[1]] |= cells
    return filled


def _charts(count: int, face_uv: np.ndarray) -> np.ndarray:
    """The number (T,) of each UV's connected chart."""
    edges = face_uv[:, [0, 1, 1, 2]].reshape(-1, 2).T
    graph = sp.coo_matrix((np.ones(edges.shape[1]), edges), (count, count))
    return sp.csgraph.connected_components(graph, directed=False)[1]


def _cells(uv: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Cells (h, w) bool that a chart and a margin about it take, from its lower left corner on."""
    samples = np.linspace(0, 1, 9)
    a, b = (x.ravel() for x in np.meshgrid(samples, samples))
    inside = np.stack([a, b, 1 - a - b], 1)[a + b <= 1]
    points = np.einsum("sk,fkc->fsc", inside, uv[faces]).reshape(-1, 2)
    x, y = np.floor(points * GRID).astype(int).T + PAD
    cells = np.zeros((y.max() + PAD + 1, x.max() + PAD + 1), bool)
    for dy in range(-PAD, PAD + 1):
        for dx in range(-PAD, PAD + 1):
            cells[y + dy, x + dx] = True
    return cells


def _free_place(taken: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Where (x, y, in cells) `cells` fit among those taken, nearest to the origin."""
    height, width = cells.shape
    places = [(x + y, y, x) for y in range(GRID - height + 1) for x in range(GRID - width + 1)]
    for _, y, x in sorted(places):
        if not (taken[y : y + height, x : x + width] & cells).any():
            return np.array([x, y])
    raise ValueError("a chart of the UVs finds no free place in the square")
