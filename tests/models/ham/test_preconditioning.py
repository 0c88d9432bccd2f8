import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spl
import torch
import trimesh

from models.ham.preconditioning import CholeskySolver, PreconditionedVertices, UniformAdam
from tests.scenes.cuda import EVERY_DEVICE
from utils.geometry.mesh import uniform_laplacian

SMOOTHNESS = 20.0


@pytest.fixture(scope="module")
def sphere():
    return trimesh.creation.icosphere(2)  # 162 vertices


@pytest.fixture(scope="module")
def matrix(sphere):
    n = len(sphere.vertices)
    return (sp.identity(n) + SMOOTHNESS * uniform_laplacian(sphere.faces, n)).tocsc()


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("device", EVERY_DEVICE)
def test_solver_equals_scipy(matrix, device):
    b = numbers(matrix.shape[0], 3)
    expected = spl.spsolve(matrix, b.double().numpy())
    x = CholeskySolver(matrix, device)(b.to(device)).cpu()
    # float32 factorisation of a matrix of condition 1 + 2 * 6 * 20: 240 * 6e-8 and some room
    np.testing.assert_allclose(x.numpy(), expected, rtol=0, atol=3e-5)


@pytest.mark.parametrize("device", EVERY_DEVICE)
def test_gradient_of_the_solver_is_another_solve(matrix, device):
    """x = A^-1 b with A = A^T: the gradient of g . x in b is A^-1 g."""
    b, g = numbers(matrix.shape[0], 3).requires_grad_(), numbers(matrix.shape[0], 3, seed=1)
    (CholeskySolver(matrix, device)(b.to(device)) * g.to(device)).sum().backward()
    expected = spl.spsolve(matrix, g.double().numpy())
    np.testing.assert_allclose(b.grad.numpy(), expected, rtol=0, atol=3e-5)


def test_solver_takes_views_and_leaves_its_argument_alone(matrix):
    solver, b = CholeskySolver(matrix), numbers(3, matrix.shape[0]).T
    before = b.clone()
    x = solver(b)
    assert torch.equal(b, before)
    torch.testing.assert_close(x, solver(b.contiguous()))


def test_vertices_start_where_they_are(sphere):
    start = torch.tensor(sphere.vertices.copy(), dtype=torch.float32)
    surface = PreconditionedVertices(start, sphere.faces, SMOOTHNESS)
    assert torch.equal(surface.verts(), start)
    assert surface.displacement().abs().max() == 0


def test_a_gradient_at_one_vertex_moves_its_neighbourhood(sphere):
    start = torch.tensor(sphere.vertices.copy(), dtype=torch.float32)
    moved = {}
    for smoothness in (0.0, SMOOTHNESS):
        surface = PreconditionedVertices(start, sphere.faces, smoothness)
        surface.verts()[5, 0].backward()
        with torch.no_grad():
            surface.u -= surface.u.grad
        moved[smoothness] = -surface.displacement().detach()[:, 0]
    alone, spread = moved[0.0], moved[SMOOTHNESS]
    assert alone[5] == 1 and alone.count_nonzero() == 1
    # The graph Laplacian only spreads: everything goes the same way, the vertex itself farthest,
    # and the sum stays (its rows sum to 0).
    assert (spread > 0).all() and spread.argmax() == 5
    assert spread.sum().item() == pytest.approx(1, rel=1e-3)
    rings = [np.unique(sphere.vertex_neighbors[5])]
    rings.append(np.setdiff1d(np.concatenate([sphere.vertex_neighbors[i] for i in rings[0]]), [5]))
    first, second = (float(spread[ring].mean()) for ring in rings)
    assert spread[5] / 4 < first < spread[5] and second < first


def test_displacements_of_a_constant_are_that_constant(sphere):
    """(I + lambda L) leaves translations alone: a common step moves all by that step."""
    start = torch.tensor(sphere.vertices.copy(), dtype=torch.float32)
    surface = PreconditionedVertices(start, sphere.faces, SMOOTHNESS)
    with torch.no_grad():
        surface.u += 0.01
    torch.testing.assert_close(surface.displacement(), torch.full_like(start, 0.01))


def test_uniform_adam_reaches_the_minimum_of_a_quadratic():
    target = numbers(20, 3)
    x = torch.zeros(20, 3, requires_grad=True)
    optimizer = UniformAdam([x], lr=0.05)
    for step in range(600):
        optimizer.factor = 0.99**step
        optimizer.zero_grad()
        (x - target).square().sum().backward()
        optimizer.step()
    # The last steps are 0.05 * 0.99^600 = 1e-4 long at most.
    torch.testing.assert_close(x.detach(), target, atol=1e-3, rtol=0)


def test_first_step_of_uniform_adam_is_the_gradient_scaled_to_its_largest_entry():
    x = torch.zeros(3, requires_grad=True)
    x.grad = torch.tensor([4.0, -2.0, 0.0])
    UniformAdam([x], lr=0.1).step()
    torch.testing.assert_close(x.detach(), torch.tensor([-0.1, 0.05, 0.0]))


def test_uniform_adam_does_not_depend_on_the_scale_of_the_loss():
    found = []
    for scale in (1.0, 1e4):
        x = torch.zeros(4, requires_grad=True)
        optimizer = UniformAdam([x], lr=0.01)
        for _ in range(10):
            optimizer.zero_grad()
            (scale * (x - 1).square() * torch.arange(4)).sum().backward()
            optimizer.step()
        found.append(x.detach().clone())
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-7)


def test_uniform_adam_skips_what_has_no_gradient():
    x, y = torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    x.grad = torch.ones(2)
    UniformAdam([x, y], lr=0.1).step()
    assert x.detach().abs().min() > 0 and y.detach().abs().max() == 0
