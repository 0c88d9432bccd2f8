import numpy as np
import torch
import trimesh

from models.hand import load_hand_model
from utils.geometry.mesh import vertex_normals
from utils.geometry.tangents import vertex_tangents

EXACT = 1e-12  # sums of a few products of float64

# A unit square in the plane z = 0, seen from +z, that a texture covers.
#
#   3---2
#   | / |
#   0---1
SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])
UP = np.tile([0.0, 0, 1], (4, 1))


def turned(degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def test_tangent_of_an_upright_texture_is_x_and_its_bitangent_y():
    tangents, handedness = vertex_tangents(SQUARE, FACES, UP, SQUARE[:, :2], FACES)
    assert np.allclose(tangents, [1, 0, 0], atol=EXACT)
    assert (handedness == 1).all()
    assert np.allclose(np.cross(UP, tangents), [0, 1, 0], atol=EXACT)


def test_a_turned_texture_turns_the_tangents():
    uv = SQUARE[:, :2] @ turned(30).T  # the texture's u axis lies 30 degrees below x
    tangents, handedness = vertex_tangents(SQUARE, FACES, UP, uv, FACES)
    assert np.allclose(tangents[:, :2], turned(-30)[:, 0], atol=EXACT)
    assert (handedness == 1).all()


def test_a_mirrored_texture_has_the_other_hand():
    tangents, handedness = vertex_tangents(SQUARE, FACES, UP, SQUARE[:, :2] * [-1, 1], FACES)
    assert np.allclose(tangents, [-1, 0, 0], atol=EXACT)
    assert (handedness == -1).all()
    assert np.allclose(handedness[:, None] * np.cross(UP, tangents), [0, 1, 0], atol=EXACT)


def test_faces_of_a_texture_seam_keep_their_own_tangents():
    uv = np.concatenate([SQUARE[:, :2], SQUARE[:, :2] @ turned(90).T])
    face_uv = np.array([[0, 1, 2], [4, 6, 7]])  # the second face lies turned elsewhere
    tangents, _ = vertex_tangents(SQUARE, FACES, UP, uv, face_uv)
    assert np.allclose(tangents[[0, 1, 2]], [1, 0, 0], atol=EXACT)
    assert np.allclose(tangents[[4, 6, 7]], [0, -1, 0], atol=EXACT)


def test_tangents_are_averaged_by_angles():
    # At the shared corner 0, a face of 90 degrees has its u along x, and one of 45 along y.
    verts = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 1, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    uv = np.array([[0.0, 0], [1, 0], [0, 1], [0, 1]])
    uv = np.concatenate([uv, [[1.0, 0], [2, 1]]])
    face_uv = np.array([[0, 1, 2], [0, 4, 5]])  # the second: u along its edge 0-2, which is y
    tangents, _ = vertex_tangents(verts, faces, UP, uv, face_uv)
    first, second = np.array([1.0, 0, 0]), np.array([0.0, 1, 0])
    # second face: edges (0,1)->du 1, dv 0 and (-1,1)->du 2, dv 1: u grows along (0, 1, 0)
    expected = 90 * first + 45 * second
    assert np.allclose(tangents[0], expected / np.linalg.norm(expected), atol=EXACT)


def test_degenerate_faces_have_no_say_and_a_corner_of_none_but_these_gets_a_perpendicular():
    uv = np.concatenate([SQUARE[:, :2], [[0.5, 0.5]] * 3])
    tangents, handedness = vertex_tangents(SQUARE, FACES, UP, uv, np.array([[0, 1, 2], [4, 5, 6]]))
    assert np.allclose(tangents[:3], [1, 0, 0], atol=EXACT)
    assert np.allclose(np.linalg.norm(tangents, axis=1), 1, atol=EXACT)
    assert np.allclose(tangents[4:, 2], 0, atol=EXACT)
    assert (handedness == 1).all()


def test_a_globe_has_its_tangents_along_the_parallels():
    # 96 x 48 patches: a facet's gradient differs from the sphere's by part of its 3.75 degrees.
    lon, lat = np.meshgrid(np.linspace(0, 2 * np.pi, 97), np.linspace(-1.2, 1.2, 49))
    verts = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
    at = np.arange(lon.size).reshape(lon.shape)
    a, b, c, d = (x.ravel() for x in (at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    verts, uv = verts.reshape(-1, 3), np.stack([lon, lat], -1).reshape(-1, 2)
    tangents, handedness = vertex_tangents(verts, faces, verts, uv, faces)
    east = np.stack([-np.sin(lon), np.cos(lon), 0 * lon], -1).reshape(-1, 3)
    inner = at[1:-1, 1:-1].ravel()
    angle = np.degrees(np.arccos((tangents * east).sum(1).clip(-1, 1)))[inner]
    assert angle.max() < 1.0
    assert (handedness == 1).all()


def test_tangents_of_a_hand_are_unit_and_perpendicular_and_turn_with_it():
    model = load_hand_model("right", "open", dtype=torch.float64)
    verts, faces = model.v_template, model.faces
    normals, uv = vertex_normals(verts, faces).numpy(), model.uv.numpy()
    face_uv = model.face_uv.numpy()
    tangents, handedness = vertex_tangents(verts.numpy(), faces.numpy(), normals, uv, face_uv)
    at = np.zeros((len(uv), 3))
    at[face_uv.ravel()] = normals[faces.numpy().ravel()]
    assert np.abs((tangents * at).sum(1)).max() < EXACT
    assert np.allclose(np.linalg.norm(tangents, axis=1), 1, atol=EXACT)
    assert set(handedness) <= {-1.0, 1.0}
    turn = trimesh.transformations.rotation_matrix(1.0, [1, 2, 3])[:3, :3]
    moved, same = vertex_tangents(
        verts.numpy() @ turn.T, faces.numpy(), normals @ turn.T, uv, face_uv
    )
    assert np.abs(moved - tangents @ turn.T).max() < 1e-9
    assert (same == handedness).all()
