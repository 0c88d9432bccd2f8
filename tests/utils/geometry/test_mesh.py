import numpy as np
import pytest
import scipy.sparse as sp
import torch
import trimesh

from utils.geometry.mesh import (
    COTANGENT_RANGE,
    boundary_vertices,
    cotangent_laplacian,
    edges_of,
    face_normals,
    sparse_tensor,
    uniform_laplacian,
    vertex_normals,
)

EXACT = 1e-12  # sums of a few products of float64

# Two triangles, counter-clockwise seen from +z, that share the edge 0-2:
#
#   3---2
#   | / |
#   0---1
SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
SQUARE_FACES = np.array([[0, 1, 2], [0, 2, 3]])


def equilateral_patch(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A flat rhombus of side 1 made of 2 rows^2 equilateral triangles.

    No cotangent in it is clipped, so the Laplacian is the plain one of finite elements.
    """
    i, j = np.meshgrid(*[np.arange(rows + 1)] * 2, indexing="ij")
    verts = np.stack([i + j / 2, j * np.sqrt(3) / 2, 0 * i], -1).reshape(-1, 3) / rows
    at = np.arange((rows + 1) ** 2).reshape(rows + 1, rows + 1)
    a, b, c, d = at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, d], -1), np.stack([b, c, d], -1)])
    return verts, faces.reshape(-1, 3)


def test_face_normal_points_to_who_sees_it_counter_clockwise_and_is_twice_the_area():
    verts = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 2, 0]])
    assert face_normals(verts, torch.tensor([[0, 1, 2]])).tolist() == [[0, 0, 6]]


def test_vertex_normals_of_one_triangle_are_its_normal():
    verts = torch.tensor([[0.0, 0, 5], [3, 0, 5], [0, 2, 5]])
    assert vertex_normals(verts, torch.tensor([[0, 1, 2]])).tolist() == [[0, 0, 1]] * 3


@pytest.mark.parametrize(("level", "degrees"), [(3, 0.7), (4, 0.35)])
def test_vertex_normals_of_a_sphere_point_outwards(level, degrees):
    # The normal of a polyhedron differs from the sphere's by part of an edge (8 and 4 degrees
    # here): the bound is measured (0.60, 0.31) and halves with the edges, as it should.
    sphere = trimesh.creation.icosphere(level)
    verts = torch.from_numpy(np.array(sphere.vertices))
    normals = vertex_normals(verts, torch.from_numpy(np.array(sphere.faces)))
    angle = torch.rad2deg(torch.acos((normals * verts).sum(1).clamp(max=1)))
    assert angle.max() < degrees


def test_a_vertex_of_no_face_has_no_normal_and_no_nan():
    verts = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9]], requires_grad=True)
    normals = vertex_normals(verts, torch.tensor([[0, 1, 2]]))
    normals.sum().backward()
    assert normals[3].tolist() == [0, 0, 0]
    assert verts.grad.isfinite().all()


def test_gradient_of_vertex_normals():
    sphere = trimesh.creation.icosphere(0)
    faces = torch.from_numpy(np.array(sphere.faces))
    verts = torch.from_numpy(np.array(sphere.vertices)).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: vertex_normals(v, faces), verts)


def test_edges_and_boundary_of_a_square_and_of_a_tetrahedron():
    assert edges_of(SQUARE_FACES).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [2, 3]]
    assert boundary_vertices(SQUARE_FACES).tolist() == [0, 1, 2, 3]
    closed = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    assert edges_of(closed).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert boundary_vertices(closed).tolist() == []


def test_boundary_of_a_fan_leaves_its_middle_out():
    # 0 is the middle of a closed fan of four triangles.
    fan = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]])
    assert boundary_vertices(fan).tolist() == [1, 2, 3, 4]


def test_uniform_laplacian_of_a_square():
    expected = [[3, -1, -1, -1], [-1, 2, -1, 0], [-1, -1, 3, -1], [-1, 0, -1, 2]]
    assert uniform_laplacian(SQUARE_FACES, 4).toarray().tolist() == expected


def test_uniform_laplacian_leaves_unused_vertices_alone():
    matrix = uniform_laplacian(SQUARE_FACES, 6).toarray()
    assert not matrix[4:].any() and not matrix[:, 4:].any()


@pytest.mark.parametrize("rows", [4, 16])
def test_cotangent_laplacian_gives_a_linear_functions_dirichlet_energy(rows):
    # Linear finite elements hold a linear function exactly, so its energy |g|^2 area is exact,
    # at both resolutions.
    verts, faces = equilateral_patch(rows)
    stiffness, areas = cotangent_laplacian(verts, faces)
    gradient = np.array([2.0, -3.0, 0.0])
    x = verts @ gradient + 7
    area = np.sqrt(3) / 2
    assert x @ (stiffness @ x) == pytest.approx(gradient @ gradient * area, rel=EXACT)
    assert areas.sum() == pytest.approx(area, rel=EXACT)


@pytest.mark.parametrize("rows", [4, 16])
def test_right_angles_cost_the_clipped_cotangent(rows):
    # cot 90 degrees = 0 is raised to the lower end of COTANGENT_RANGE: every diagonal of the grid
    # counts that much extra, whatever the resolution.
    at = np.arange((rows + 1) ** 2).reshape(rows + 1, rows + 1)
    i, j = np.meshgrid(*[np.arange(rows + 1)] * 2, indexing="ij")
    verts = np.stack([i, j, 0 * i], -1).reshape(-1, 3) / rows
    a, b, c, d = at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    stiffness, _ = cotangent_laplacian(verts, faces)
    x = verts[:, 0]
    assert x @ (stiffness @ x) == pytest.approx(1 + COTANGENT_RANGE[0], rel=EXACT)


def test_cotangent_laplacian_of_a_square_and_its_area():
    verts = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    laplacian, area = cotangent_laplacian(verts, faces)
    # Sides see one 45-degree angle: cot / 2 = 1/2. The diagonal sees right angles: the floor.
    floor = COTANGENT_RANGE[0]
    expected = np.array(
        [[0, 0.5, floor, 0.5], [0.5, 0, 0.5, 0], [floor, 0.5, 0, 0.5], [0.5, 0, 0.5, 0]]
    )
    np.testing.assert_allclose(-laplacian.toarray() + np.diag(laplacian.diagonal()), expected)
    np.testing.assert_allclose(laplacian.sum(1), 0, atol=1e-12)
    np.testing.assert_allclose(area, [1 / 3, 1 / 6, 1 / 3, 1 / 6])


def test_cotangent_laplacian_of_a_sphere_has_its_harmonics_as_eigenvectors():
    # Laplace-Beltrami on the unit sphere: x, y, z have eigenvalue 2, xy, yz, zx have 6. The
    # weak form on a mesh of 2,562 vertices is 0.5 % off (measured 0.1 and 0.3 %).
    sphere = trimesh.creation.icosphere(4)
    verts = np.array(sphere.vertices)
    stiffness, areas = cotangent_laplacian(verts, np.array(sphere.faces))
    for function, eigenvalue in ((verts[:, 2], 2), (verts[:, 0] * verts[:, 1], 6)):
        found = function @ (stiffness @ function) / (areas * function**2).sum()
        assert found == pytest.approx(eigenvalue, rel=5e-3)


def test_cotangent_laplacian_stays_positive_semi_definite_on_slivers():
    rng = np.random.default_rng(0)
    verts, faces = equilateral_patch(5)
    verts = verts * [1, 0.01, 1] + 0.002 * rng.normal(size=verts.shape)  # thin and folded
    stiffness, areas = cotangent_laplacian(verts, faces)
    eigenvalues = np.linalg.eigvalsh(stiffness.toarray())
    assert eigenvalues.min() > -1e-10 * eigenvalues.max()
    np.testing.assert_allclose(stiffness.sum(1), 0, atol=1e-10 * eigenvalues.max())
    assert (areas > 0).all()


def test_degenerate_faces_leave_no_nan():
    verts = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    stiffness, areas = cotangent_laplacian(verts, np.array([[0, 1, 2]]))
    assert np.isfinite(stiffness.toarray()).all() and areas.tolist() == [0, 0, 0]


def test_vertex_areas_are_a_third_of_the_faces_around():
    _, areas = cotangent_laplacian(SQUARE, SQUARE_FACES)
    np.testing.assert_allclose(areas, [1 / 3, 1 / 6, 1 / 3, 1 / 6], atol=EXACT)


def test_sparse_tensor_multiplies_as_its_matrix():
    matrix = sp.random(7, 5, 0.4, random_state=0)
    like = torch.zeros(1, dtype=torch.float32)
    tensor = sparse_tensor(matrix, like)
    assert tensor.dtype == torch.float32 and tensor.is_coalesced()
    x = torch.arange(5.0)[:, None]
    # float32 rounding of sums of five products
    np.testing.assert_allclose((tensor @ x).numpy(), matrix @ x.numpy(), rtol=1e-6, atol=1e-6)


def test_single_precision_normals_are_those_of_double_precision_with_their_gradient():
    """Which one kernel computes on the CPU, by formulas of its own."""
    mesh = trimesh.creation.icosphere(2)
    random, faces = np.random.default_rng(0), torch.from_numpy(np.array(mesh.faces))
    points = torch.from_numpy(mesh.vertices + 0.1 * random.normal(size=mesh.vertices.shape))
    weights = torch.from_numpy(random.normal(size=points.shape))
    results = []
    for dtype in (torch.float32, torch.float64):
        verts = points.to(dtype).requires_grad_()
        normals = vertex_normals(verts, faces)
        (normals * weights.to(dtype)).sum().backward()
        results.append((normals.detach().double(), verts.grad.double()))
    (found, gradient), (normals, expected) = results
    torch.testing.assert_close(found, normals, atol=1e-6, rtol=0)
    torch.testing.assert_close(gradient, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


def test_a_vertex_without_area_has_no_normal():
    verts = torch.zeros(4, 3, requires_grad=True)
    normals = vertex_normals(verts, torch.tensor([[0, 1, 2]]))
    normals.sum().backward()
    assert torch.equal(normals, torch.zeros(4, 3)) and verts.grad.isfinite().all()
