from itertools import pairwise

import numpy as np
import pytest
import trimesh

from models.gcn.hierarchy import build_hierarchy, cached_hierarchy, upsampling
from models.hand.files import load_hand_data
from utils.errors import UserError
from utils.geometry.decimation import decimate
from utils.geometry.mesh import boundary_vertices

COUNTS = [120, 40]


@pytest.fixture(scope="module")
def ball():
    mesh = trimesh.creation.icosphere(subdivisions=3)  # 642 vertices
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


@pytest.fixture(scope="module")
def grid():
    """A flat square of 15 x 15 vertices with an open border."""
    y, x = np.mgrid[:15, :15]
    verts = np.stack([x, y, 0 * x], -1).reshape(-1, 3).astype(float)
    corner = (15 * y + x)[:-1, :-1].ravel()
    quads = np.stack([corner, corner + 1, corner + 16, corner + 15], 1)
    return verts, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def test_coarse_meshes_are_closed_surfaces_on_a_subset_of_the_vertices(ball):
    verts, faces = ball
    levels = build_hierarchy(verts, faces, COUNTS)
    assert [len(level) for level in levels] == [642, *COUNTS]
    for fine, coarse in pairwise(levels):
        assert set(coarse.ids) < set(fine.ids)
        mesh = trimesh.Trimesh(verts[coarse.ids], coarse.faces, process=False)
        assert mesh.is_watertight and mesh.is_winding_consistent and mesh.euler_number == 2
    # A polyhedron of 120 vertices on a sphere has about 0.93 of its volume; folds would lose more.
    middle = trimesh.Trimesh(verts[levels[1].ids], levels[1].faces, process=False)
    assert middle.volume > 0.9 * 4 / 3 * np.pi


def test_flat_parts_go_first_and_open_borders_stay(grid):
    verts, faces = grid
    ids, coarse = decimate(verts, faces, [40])[0]
    points = verts[ids]
    area = trimesh.Trimesh(points, coarse, process=False).area
    assert area == pytest.approx(14**2)  # the square is still covered, corners and all
    assert len(boundary_vertices(coarse)) >= 4


def test_decimation_stops_where_nothing_can_go_any_more():
    verts = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    ids, left = decimate(verts, faces, [2])[0]
    assert len(ids) == 4 and len(left) == 4  # a tetrahedron without one vertex is no surface


def test_upsampling_interpolates_and_keeps_what_was_kept(ball):
    verts, faces = ball
    levels = build_hierarchy(verts, faces, COUNTS)
    for fine, coarse in pairwise(levels):
        matrix = upsampling(verts, fine, coarse)
        assert np.allclose(matrix.sum(1), 1) and matrix.min() >= 0
        assert np.diff(matrix.indptr).max() <= 3
        kept = np.isin(fine.ids, coarse.ids)
        lifted = matrix @ verts[coarse.ids]
        assert np.allclose(lifted[kept], verts[coarse.ids])
        # 40 vertices are some 0.6 apart: in the middle of such faces 1 - cos(0.6 / sqrt 3) = 0.06.
        assert np.linalg.norm(lifted - verts[fine.ids], axis=1).mean() < 0.06


def test_fingers_do_not_borrow_from_their_neighbours():
    hand = load_hand_data("right", "open")
    levels = build_hierarchy(hand.v_template, hand.f, [400, 100])
    # MANO's joints 1-15 are three a finger; a vertex belongs to the finger that moves it most.
    finger = (hand.weights[:, 1:].reshape(-1, 5, 3)).sum(2)
    for fine, coarse in pairwise(levels):
        matrix = upsampling(hand.v_template, fine, coarse)
        own = finger[fine.ids]
        tips = own.max(1) > 0.99
        borrowed = matrix @ finger[coarse.ids]
        others = np.where(own.max(1, keepdims=True) == own, 0, borrowed).max(1)
        assert others[tips].max() < 0.3


def test_the_chebyshev_operator_is_symmetric_with_eigenvalues_in_minus_one_to_one(ball):
    verts, faces = ball
    level = build_hierarchy(verts, faces, COUNTS)[1]
    operator = level.chebyshev_operator().toarray()
    values, vectors = np.linalg.eigh(operator)
    assert np.allclose(operator, operator.T)
    assert values.min() == pytest.approx(-1) and values.max() <= 1
    smooth = np.abs(vectors[:, 0])  # -1: the smoothest function, the root of the degrees
    degrees = (operator != 0).sum(1)
    assert np.allclose(smooth / smooth[0], np.sqrt(degrees / degrees[0]))


def test_the_hierarchy_is_computed_once(ball, tmp_path, monkeypatch):
    verts, faces = ball
    first = cached_hierarchy(verts, faces, COUNTS, tmp_path)
    assert len(list(tmp_path.glob("hierarchy_*.npz"))) == 1
    monkeypatch.setattr("models.gcn.hierarchy.build_hierarchy", None)
    again = cached_hierarchy(verts, faces, COUNTS, tmp_path)
    for a, b in zip(first, again):
        assert np.array_equal(a.ids, b.ids) and np.array_equal(a.faces, b.faces)
    monkeypatch.undo()
    cached_hierarchy(verts + 0.1, faces, COUNTS, tmp_path)
    assert len(list(tmp_path.glob("hierarchy_*.npz"))) == 2


def test_a_damaged_file_is_made_again(ball, tmp_path):
    first = cached_hierarchy(*ball, COUNTS, tmp_path)
    (path,) = tmp_path.glob("hierarchy_*.npz")
    good = path.read_bytes()
    for content in (b"", b"text", good[:-300], good[:100] + bytes(50) + good[150:]):
        path.write_bytes(content)
        again = cached_hierarchy(*ball, COUNTS, tmp_path)
        assert all(np.array_equal(a.ids, b.ids) for a, b in zip(first, again, strict=True))
        cached_hierarchy(*ball, COUNTS, tmp_path)
        assert np.load(path)["ids_0"].size  # whole again


@pytest.mark.parametrize("counts", [[], [120, 120], [700], [120, 3]])
def test_levels_that_cannot_be_are_named(ball, counts):
    verts, faces = ball
    with pytest.raises(UserError, match=r"gcn.levels = .*expected falling numbers .* 642"):
        build_hierarchy(verts, faces, counts)
