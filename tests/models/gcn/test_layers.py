import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from models.gcn.layers import ChebyshevConv, GroupNorm, SparseMatrix


@pytest.fixture
def matrix():
    return sp.random(7, 5, density=0.5, random_state=0, format="csr")


def test_sparse_products_are_those_of_the_dense_matrix(matrix):
    x = torch.randn(5, 2, 3)
    dense = torch.from_numpy(matrix.toarray()).float()
    found = SparseMatrix(matrix)(x)
    assert torch.allclose(found, torch.einsum("mn,nbc->mbc", dense, x), atol=1e-6)


def test_sparse_products_have_the_right_gradient(matrix):
    layer = SparseMatrix(matrix)
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)


def test_empty_rows_give_zeros():
    layer = SparseMatrix(sp.csr_matrix(np.array([[0, 0], [0, 2.0], [0, 0]])))
    assert layer(torch.ones(2, 1)).flatten().tolist() == [0, 2, 0]


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
def test_chebyshev_convolution_is_the_sum_of_the_polynomials(order):
    rng = np.random.default_rng(order)
    L = rng.normal(size=(6, 6))
    L = (L + L.T) / 10
    layer = ChebyshevConv(SparseMatrix(sp.csr_matrix(L)), 3, 2, order)
    x = torch.randn(6, 4, 3)
    T = [torch.eye(6), torch.from_numpy(L).float()]  # T_k = 2 L T_{k-1} - T_{k-2}
    while len(T) <= order:
        T.append(2 * T[1] @ T[-1] - T[-2])
    weights = layer.weight.split(2, dim=1)
    expected = sum(torch.einsum("vw,wbc,cd->vbd", t, x, w) for t, w in zip(T, weights))
    assert torch.allclose(layer(x), expected + layer.bias, atol=1e-5)


def test_group_norm_is_pytorchs():
    x = 3 * torch.randn(11, 4, 16) + 1
    ours, theirs = GroupNorm(16), nn.GroupNorm(2, 16)
    with torch.no_grad():
        ours.weight.normal_()
        ours.bias.normal_()
    theirs.load_state_dict(ours.state_dict())
    expected = theirs(x.permute(1, 2, 0)).permute(2, 0, 1)
    assert torch.allclose(ours(x), expected, atol=1e-5)
