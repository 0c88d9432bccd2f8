"""Sparse systems solved by parts: against SciPy, whatever the parts, columns and threads."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spl
import trimesh

from utils import cholesky
from utils.cholesky import SparseCholesky
from utils.geometry.mesh import uniform_laplacian


def smoothing(*meshes: trimesh.Trimesh, alone: int = 0) -> sp.csc_matrix:
    """I + 20 L of the meshes, their vertices mixed, and of some vertices without a face."""
    together = trimesh.util.concatenate(meshes)
    count = len(together.vertices) + alone
    mixed = np.random.default_rng(0).permutation(count)
    return (sp.identity(count) + 20 * uniform_laplacian(mixed[together.faces], count)).tocsc()


LARGE, SMALL = trimesh.creation.icosphere(4), trimesh.creation.icosphere(1)  # 2562, 42 vertices
MATRICES = {
    "one part": smoothing(LARGE),
    "two hands, and more": smoothing(LARGE, SMALL, LARGE, alone=3),
    "small parts": smoothing(SMALL, SMALL, alone=3),
    "diagonal": sp.diags(np.arange(1.0, 6.0)),
}


@pytest.mark.parametrize("columns", [1, 3, 4, 9])
@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES.keys())
def test_it_equals_scipy(matrix, columns):
    b = np.random.default_rng(1).normal(size=(matrix.shape[0], columns)).astype(np.float32)
    before = b.copy()
    expected = spl.splu(matrix.tocsc()).solve(b.astype(float))
    np.testing.assert_allclose(SparseCholesky(matrix).solve(b), expected, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(b, before)


def test_large_parts_are_solved_for_themselves():
    parts = cholesky._parts(MATRICES["two hands, and more"].tocsr())
    assert [len(part) for part in parts] == [2562, 2562, 45]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(5169))


def test_the_threads_do_not_show(monkeypatch):
    b = np.random.default_rng(1).normal(size=(5169, 3)).astype(np.float32)
    solutions = []
    for threads in (1, 3):
        monkeypatch.setattr("utils.render.cpu.threads.thread_count", lambda n=threads: n)
        solutions.append(SparseCholesky(MATRICES["two hands, and more"]).solve(b))
    np.testing.assert_array_equal(*solutions)


@pytest.mark.parametrize("diagonal", [[1.0, -1.0], [1.0, 0.0]])
def test_a_matrix_that_is_not_positive_definite_is_refused(diagonal):
    with pytest.raises(ValueError, match="not positive definite"):
        SparseCholesky(sp.diags(diagonal))
