"""Sparse symmetric systems that are solved again and again, with few columns at a time.

SuperLU (Li 2005, in SciPy) factorises A = L D L^T. Its own solution takes twice as long for three
columns as the sweeps here, which also leave Python's lock alone: parts of a mesh that do not touch,
such as two hands, are worked on side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from utils.compiled import FAST, U, njit
from utils.render.cpu.threads import run

LANES = 4  # columns that a sweep takes at once
APART = 1000  # rows of a part that is factorised for itself; smaller ones are one part together


class SparseCholesky:
    """Solves A x = b for a sparse symmetric positive definite A (V, V), factorised once.

    Raises ValueError where A is not positive definite.
    """

    def __init__(self, matrix: sp.spmatrix):
        matrix = matrix.tocsr()
        self._factors = [_factor(matrix[rows][:, rows], rows) for rows in _parts(matrix)]

    def solve(self, b: np.ndarray) -> np.ndarray:
        """x (V, C) float32 for b (V, C) float32."""
        x = np.empty_like(b)
        for first in range(0, b.shape[1], LANES):
            columns = slice(first, first + LANES)
            jobs = [(factor, b[:, columns], x[:, columns]) for factor in self._factors]
            run(_solve_part, jobs)
        return x


@dataclass(frozen=True)
class _Factor:
    """L and D of a part of n rows: order (n,) are its rows in A, in the order of elimination.

    starts (n + 1,), rows and values: L's columns below the diagonal, which is 1; inverse (n,):
    1 / D.
    """

    order: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    inverse: np.ndarray


def _parts(matrix: sp.csr_matrix) -> list[np.ndarray]:
    """Row numbers of the parts of A that have nothing to do with one another, the largest first.

    They do not depend on the number of threads, lest the last digit of a solution should.
    """
    _, labels = connected_components(matrix, directed=False)
    sizes = np.bincount(labels)
    labels[sizes[labels] < APART] = len(sizes)
    by_part = np.argsort(labels, kind="stable")
    cuts = np.flatnonzero(np.diff(labels[by_part])) + 1
    return sorted(np.split(by_part, cuts), key=len, reverse=True)


def _factor(matrix: sp.csr_matrix, ids: np.ndarray) -> _Factor:
    # No pivots are sought, as positive definite matrices need none; rows are permuted as columns.
    options = {"SymmetricMode": True}
    try:
        lu = splu(matrix.tocsc(), "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    except RuntimeError as error:  # exactly singular
        raise ValueError(f"the matrix is not positive definite ({error})") from None
    lower, pivots = lu.L, lu.U.diagonal()
    if not (pivots > 0).all() or (lu.perm_r != lu.perm_c).any():
        raise ValueError("the matrix is not positive definite")
    lower.sort_indices()
    below = np.ones(lower.nnz, bool)
    below[lower.indptr[:-1]] = False  # each column's first entry is that of the diagonal
    return _Factor(
        ids[np.argsort(lu.perm_c)],
        (lower.indptr - np.arange(len(lower.indptr))).astype(np.int32),
        lower.indices[below].astype(np.int32),
        lower.data[below].astype(np.float32),
        (1 / pivots).astype(np.float32),
    )


def _solve_part(factor: _Factor, b: np.ndarray, x: np.ndarray) -> None:
    y = np.empty((len(factor.order), LANES), np.float32)
    _sweep(
        factor.order, factor.starts, factor.rows, factor.values, factor.inverse, b, y, x
    )  # fmt: skip


@njit(**FAST)
def _sweep(order, starts, rows, values, inverse, b, y, x):
    """Down by L, up by D L^T: the rows `order` of x (V, up to LANES) from those of b.

    y (n, LANES) is room to work in. All lanes are computed, so that they are one vector.
    """
    count, columns = U(order.shape[0]), U(b.shape[1])
    one, two, three = U(1), U(2), U(3)
    for i in range(count):
        for k in range(U(LANES)):
            y[i, k] = b[U(order[i]), k] if k < columns else np.float32(0)
    for j in range(count):
        y0, y1, y2, y3 = y[j, U(0)], y[j, one], y[j, two], y[j, three]
        for entry in range(U(starts[j]), U(starts[j + one])):
            i, value = U(rows[entry]), values[entry]
            y[i, U(0)] -= value * y0
            y[i, one] -= value * y1
            y[i, two] -= value * y2
            y[i, three] -= value * y3
    for back in range(one, count + one):
        j = count - back
        d = inverse[j]
        y0, y1, y2, y3 = d * y[j, U(0)], d * y[j, one], d * y[j, two], d * y[j, three]
        for entry in range(U(starts[j]), U(starts[j + one])):
            i, value = U(rows[entry]), values[entry]
            y0 -= value * y[i, U(0)]
            y1 -= value * y[i, one]
            y2 -= value * y[i, two]
            y3 -= value * y[i, three]
        y[j, U(0)], y[j, one], y[j, two], y[j, three] = y0, y1, y2, y3
        for k in range(columns):
            x[U(order[j]), k] = y[j, k]
