import numpy as np
import pytest
import trimesh

from utils.geometry.crossings import crossing_faces, flipped_faces

# A triangle in the plane z = 0, and others to hold against it.
FLOOR = np.array([[0.0, 0, 0], [4, 0, 0], [0, 4, 0]])
TWO = np.array([[0, 1, 2], [3, 4, 5]])


def crossing(other: list[list[float]]) -> list[int]:
    return crossing_faces(np.concatenate([FLOOR, np.array(other, float)]), TWO).tolist()


def test_a_triangle_that_pierces_another_crosses_it():
    assert crossing([[1, 1, -1], [1, 1, 1], [9, 9, 1]]) == [0, 1]


@pytest.mark.parametrize(
    "other",
    [
        [[1, 1, 1], [2, 1, 1], [1, 2, 2]],  # above
        [[1, 1, 0], [1, 1, 1], [2, 1, 1]],  # stands on it with one corner
        [[1, 1, 0], [2, 1, 0], [1, 1, 1]],  # stands on it with an edge
        [[4, 0, 0], [4, 0, 3], [9, 0, 3]],  # the same place in one corner
        [[3, 3, -1], [3, 3, 1], [9, 9, 1]],  # passes beside it
    ],
    ids=["above", "corner on it", "edge on it", "same corner", "beside"],
)
def test_triangles_that_do_not_meet_or_only_touch_do_not_cross(other):
    assert crossing(other) == []


def test_a_strip_that_runs_through_itself():
    """A belt of 12 squares bent into a loop that passes through its own beginning.

       ______
      |      |
    --+---   |     seen from the side; only the squares at the + cross
      |______|
    """
    side = [[-2, 0], [-1, 0], [0, 0], [1, 0], [2, 0], [2, 1], [1, 1.5], [0, 2], [-0.6, 1.5]]
    side += [[-0.6, 0.4], [-0.6, -0.5], [-0.6, -1.5]]
    side = np.array(side, float)
    n = len(side)
    verts = np.concatenate([np.insert(side, 1, y, axis=1) for y in (0, 1)])
    a = np.arange(n - 1)
    faces = np.concatenate([np.stack([a, a + 1, a + n], 1), np.stack([a + 1, a + n + 1, a + n], 1)])
    found = crossing_faces(verts, faces)
    assert {int(f) % (n - 1) for f in found} == {1, 9}  # squares (-1..0, 0) and (-.6, .4..-.5)


def brute_force(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Every pair of faces without a common vertex; an edge crosses a triangle where it has the
    triangle's three corners on one side around it and its own ends on both sides of it."""

    def volume(a, b, c, d):
        return np.linalg.det([b - a, c - a, d - a])

    def pierces(p, q, a, b, c):
        if volume(a, b, c, p) * volume(a, b, c, q) >= 0:
            return False
        signs = [np.sign(volume(p, q, *e)) for e in ((a, b), (b, c), (c, a))]
        return abs(sum(signs)) == 3

    crossed = np.zeros(len(faces), bool)
    for i in range(len(faces)):
        for j in range(i):
            if set(faces[i]) & set(faces[j]):
                continue
            s, t = verts[faces[i]], verts[faces[j]]
            hits = [pierces(s[k], s[k - 1], *t) or pierces(t[k], t[k - 1], *s) for k in range(3)]
            if any(hits):
                crossed[[i, j]] = True
    return np.flatnonzero(crossed)


@pytest.mark.parametrize("seed", range(4))
def test_equals_brute_force_on_random_triangles(seed):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 6, (50, 1, 3))
    sizes = rng.choice([0.3, 1.0, 4.0], (50, 1, 1))  # faces larger and smaller than a grid cell
    corners = centres + sizes * rng.uniform(-1, 1, (50, 3, 3))
    faces = np.arange(150).reshape(50, 3)
    faces[1::5, 0] = faces[0::5, 0]  # some share a vertex
    verts = corners.reshape(-1, 3)
    expected = brute_force(verts, faces)
    assert 5 < len(expected) < 45
    np.testing.assert_array_equal(crossing_faces(verts, faces), expected)


def test_the_result_does_not_depend_on_unit_and_place():
    rng = np.random.default_rng(0)
    verts, faces = rng.uniform(0, 3, (90, 3)), np.arange(90).reshape(30, 3)
    expected = crossing_faces(verts, faces)
    assert len(expected) > 3
    for scale, offset in ((1e-3, 0.0), (1000.0, 5e3)):
        np.testing.assert_array_equal(crossing_faces(scale * verts + offset, faces), expected)


def test_spheres_that_meet_cross_where_they_meet():
    sphere = trimesh.creation.icosphere(3)
    beside = np.add(sphere.vertices, [1.2, 0.013, 0.007])
    verts = np.concatenate([sphere.vertices, beside])
    faces = np.concatenate([sphere.faces, sphere.faces + len(sphere.vertices)])
    assert len(crossing_faces(sphere.vertices, sphere.faces)) == 0
    found = crossing_faces(verts, faces)
    middles = verts[faces[found]].mean(1)
    # They meet in the circle x = 0.6 of radius 0.8; a face reaches 0.16 from its middle.
    assert len(found) > 60
    assert np.abs(middles[:, 0] - 0.6).max() < 0.16
    assert np.abs(np.linalg.norm(middles[:, 1:], axis=1) - 0.8).max() < 0.16


def test_one_vertex_that_ran_away_costs_neither_memory_nor_crossings():
    sphere = trimesh.creation.icosphere(3)
    verts = np.array(sphere.vertices)
    verts[0] *= 1e5  # its faces span 10^5 grid cells of the others' size
    found = crossing_faces(verts, sphere.faces)
    assert len(found) == 0


def test_an_empty_mesh_has_no_crossings():
    assert crossing_faces(np.zeros((0, 3)), np.zeros((0, 3), int)).tolist() == []


def test_one_face_turned_over_is_found():
    sphere = trimesh.creation.icosphere(3)
    verts, faces = np.array(sphere.vertices), np.array(sphere.faces)
    assert flipped_faces(verts, faces).tolist() == []
    faces[77] = faces[77, ::-1]
    assert flipped_faces(verts, faces).tolist() == [77]


def test_a_vertex_pushed_through_its_fan_turns_faces_over():
    sphere = trimesh.creation.icosphere(3)
    verts, faces = np.array(sphere.vertices), np.array(sphere.faces)
    vertex, *opposite = faces[200]
    verts[vertex] += 1.6 * (verts[opposite].mean(0) - verts[vertex])
    found = flipped_faces(verts, faces)
    assert 200 in found
    assert (faces[found] == vertex).any(1).all()  # and none that did not change


def test_a_mesh_turned_inside_out_as_a_whole_is_consistent():
    sphere = trimesh.creation.icosphere(2)
    assert len(flipped_faces(np.array(sphere.vertices), np.array(sphere.faces)[:, ::-1])) == 0
