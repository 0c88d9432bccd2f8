import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial import cKDTree

from models.hand import load_hand_model
from utils.geometry.subdivision import subdivide

EXACT = 1e-12  # sums of a few products of float64

# A strip of three triangles with one inner edge pair:
#
#   3---2---4
#    \ / \ /
#     0---1
STRIP = np.array([[0, 1, 2], [0, 2, 3], [1, 4, 2]])


def brute_force_step(faces: np.ndarray, n_verts: int) -> tuple[np.ndarray, np.ndarray]:
    """Loop's rules, read off the mesh one vertex and one edge at a time, as a dense matrix."""
    neighbours = [set() for _ in range(n_verts)]
    corners_of = {}
    for face in faces:
        for k in range(3):
            a, b, c = np.roll(face, -k)
            neighbours[a] |= {b, c}
            corners_of.setdefault(tuple(sorted((a, b))), []).append(c)
    rim = {edge for edge, corners in corners_of.items() if len(corners) == 1}
    old = np.zeros((n_verts, n_verts))
    for vertex in range(n_verts):
        along = [b if a == vertex else a for a, b in rim if vertex in (a, b)]
        if along:
            old[vertex, vertex] = 3 / 4
            old[vertex, along] = 1 / 8
            continue
        around = list(neighbours[vertex])
        k = len(around)
        beta = (5 / 8 - (3 / 8 + np.cos(2 * np.pi / k) / 4) ** 2) / k
        old[vertex, vertex] = 1 - k * beta
        old[vertex, around] = beta
    new, number = [], {}
    for edge in sorted(corners_of):
        row = np.zeros(n_verts)
        row[list(edge)] = 1 / 2 if edge in rim else 3 / 8
        if edge not in rim:
            row[corners_of[edge]] = 1 / 8
        number[edge] = n_verts + len(new)
        new.append(row)
    quarters = []
    for a, b, c in faces:
        ab, bc, ca = (number[tuple(sorted(e))] for e in ((a, b), (b, c), (c, a)))
        quarters += [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
    return np.vstack([old, *new]), np.array(quarters)


@pytest.fixture(scope="module")
def hand():
    return load_hand_model("right", "open", dtype=torch.float64)


@pytest.mark.parametrize("mesh", ["strip", "icosphere", "hand"])
def test_equals_brute_force_over_two_levels(mesh, hand):
    faces = {
        "strip": STRIP,
        "icosphere": np.asarray(trimesh.creation.icosphere(1).faces),
        "hand": hand.faces.numpy(),
    }[mesh]
    n_verts = faces.max() + 1
    found = subdivide(faces, n_verts, 2 if mesh != "hand" else 1)
    expected, expected_faces = brute_force_step(faces, n_verts)
    if mesh != "hand":
        second, expected_faces = brute_force_step(expected_faces, len(expected))
        expected = second @ expected
    np.testing.assert_array_equal(found.faces, expected_faces)
    np.testing.assert_allclose(found.matrix.toarray(), expected, atol=EXACT)


def test_equals_trimesh_up_to_the_order_of_vertices(hand):
    verts, faces = hand.v_template.numpy(), hand.faces.numpy()
    found = subdivide(faces, len(verts), 2)
    placed = found.matrix @ verts
    expected, expected_faces = trimesh.remesh.subdivide_loop(verts, faces, iterations=2)
    assert placed.shape == expected.shape and found.faces.shape == expected_faces.shape
    distance, match = cKDTree(expected).query(placed)
    assert distance.max() < EXACT
    as_sets = [set(map(frozenset, f.tolist())) for f in (match[found.faces], expected_faces)]
    assert as_sets[0] == as_sets[1]


def test_matrix_is_convex_and_carries_weights_and_labels(hand):
    verts = len(hand.v_template)
    both = np.concatenate([hand.faces.numpy(), hand.faces.numpy() + verts])
    found = subdivide(both, 2 * verts, 1)
    assert found.matrix.min() >= 0
    np.testing.assert_allclose(found.matrix.sum(1), 1, atol=EXACT)
    weights = found.carry(hand.weights.repeat(2, 1))
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(1), torch.ones_like(weights[:, 0]), atol=1e-6, rtol=0)
    labels = found.carry_labels(np.repeat([0, 1], verts))
    for face in found.faces:
        assert len(set(labels[face])) == 1
    assert labels[:verts].max() == 0 and labels[verts : 2 * verts].min() == 1
    np.testing.assert_array_equal(labels, np.round(found.matrix @ np.repeat([0, 1], verts)))


def test_carry_is_the_matrix_batched_and_differentiable():
    found = subdivide(STRIP, 5, 1)
    values = torch.randn(2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = np.einsum("nv,bvc->bnc", found.matrix.toarray(), values.numpy())
    np.testing.assert_allclose(found.carry(values).numpy(), expected, atol=EXACT)
    assert torch.autograd.gradcheck(found.carry, values.requires_grad_())
    assert found.carry(values[0].float()).dtype == torch.float32


def test_regressor_gives_the_same_joints(hand):
    found = hand.subdivide(2)
    regressor = found.carry_regressor(hand.J_regressor.numpy())
    shape = torch.randn(1, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    verts = hand.rest_verts(shape)
    joints = torch.from_numpy(regressor) @ found.carry(verts)
    torch.testing.assert_close(joints, hand.rest_joints(shape), atol=1e-8, rtol=0)


def test_uvs_are_halved_linearly_within_their_face(hand):
    found = hand.subdivide(2)
    assert found.face_uv.shape == found.faces.shape == (16 * len(hand.faces), 3)
    corners = hand.uv.numpy()[hand.face_uv.numpy()][found.parent_face]
    # Barycentric coordinates of the new corners in the parent's UV triangle are quarters.
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    thick = np.abs(area) > 1e-9  # the texture has a few slivers
    point = found.uv[found.face_uv] - a[:, None]
    u = (point[..., 0] * ac[:, None, 1] - point[..., 1] * ac[:, None, 0])[thick] / area[thick, None]
    v = (ab[:, None, 0] * point[..., 1] - ab[:, None, 1] * point[..., 0])[thick] / area[thick, None]
    for coordinate in (u, v, 1 - u - v):
        np.testing.assert_allclose(coordinate * 4, np.round(coordinate * 4), atol=1e-6)
        assert coordinate.min() > -1e-6
    assert thick.mean() > 0.99


def test_seams_keep_their_uvs(hand):
    """A UV vertex belongs to one vertex: what is one point on the mesh stays one on each side."""
    found = hand.subdivide(1)
    owner = np.full(len(found.uv), -1)
    owner[found.face_uv] = found.faces
    np.testing.assert_array_equal(owner[found.face_uv], found.faces)


def test_no_levels_is_the_mesh_itself(hand):
    found = hand.subdivide(0)
    np.testing.assert_array_equal(found.faces, hand.faces.numpy())
    assert (found.matrix != np.eye(len(hand.v_template))).sum() == 0


def test_edge_with_three_faces_is_refused():
    with pytest.raises(ValueError, match="manifold"):
        subdivide(np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]]), 5, 1)
