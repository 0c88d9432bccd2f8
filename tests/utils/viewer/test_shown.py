"""What a live view shows, as arrays."""

import io
import json
import struct

import numpy as np
import pytest
import trimesh

from utils.viewer.glb import glb_bytes
from utils.viewer.shown import MOST_POINTS, Curves, PhotoCameras
from utils.viewer.tone import before_tone_mapping, tone_mapped

VERTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
COLORS = np.array([[0, 0, 0], [1, 1, 1], [0.8, 0.5, 0.4], [2, 0, 0.5]], np.float32)


def unpacked(data: bytes) -> tuple[dict, list[np.ndarray]]:
    """The mesh's primitive and the arrays of a GLB file."""
    magic, version, length, size, kind = struct.unpack("<4sII I4s", data[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    header, rest = json.loads(data[20 : 20 + size]), data[20 + size :]
    assert struct.unpack("<I4s", rest[:8]) == (len(rest) - 8, b"BIN\0")
    arrays = []
    for view, accessor in zip(header["bufferViews"], header["accessors"]):
        start = 8 + view["byteOffset"]
        kind = {5126: "<f4", 5125: "<u4"}[accessor["componentType"]]
        arrays.append(np.frombuffer(rest[start : start + view["byteLength"]], kind))
        assert view["byteOffset"] % 4 == 0
    return header["meshes"][0]["primitives"][0], arrays


@pytest.mark.parametrize(
    ("cells", "mode"), [([[0, 1, 2], [0, 2, 3]], 4), ([[0, 1], [1, 2], [2, 3]], 1)]
)
def test_faces_and_edges_arrive_with_their_colours(cells, mode):
    data = glb_bytes(VERTS, COLORS, np.array(cells))
    primitive, (verts, colors, indices) = unpacked(data)
    assert primitive["mode"] == mode and primitive["attributes"] == {"POSITION": 0, "COLOR_0": 1}
    np.testing.assert_array_equal(verts.reshape(-1, 3), VERTS)
    np.testing.assert_array_equal(colors.reshape(-1, 3), COLORS)
    np.testing.assert_array_equal(indices.reshape(len(cells), -1), cells)


def test_trimesh_reads_the_mesh():
    mesh = trimesh.load(
        io.BytesIO(glb_bytes(VERTS, COLORS, np.array([[0, 1, 2], [0, 2, 3]]))), file_type="glb"
    )
    (geometry,) = mesh.geometry.values()
    np.testing.assert_array_equal(geometry.vertices, VERTS)
    np.testing.assert_array_equal(geometry.faces, [[0, 1, 2], [0, 2, 3]])


def test_what_browsers_do_to_colours_is_undone():
    """Exactly for the colours of skin and for greys; pure ones are out of the curve's reach."""
    shades = np.linspace(0.002, 1, 50)[:, None] * np.array([[1, 1, 1]])
    skin = np.array([[0.8, 0.5, 0.4], [0.3, 0.16, 0.1], [0.95, 0.8, 0.7]])
    colors = np.concatenate([shades, skin])
    np.testing.assert_allclose(tone_mapped(before_tone_mapping(colors)), colors, atol=1e-3)
    assert (before_tone_mapping(np.eye(3)) >= 0).all()


def test_photos_lie_where_their_cameras_see_them():
    """The corners of the pixels, half a pixel around their centres, project onto themselves."""
    K = np.array([[100.0, 0, 30], [0, 120, 10], [0, 0, 1]])
    turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    photos = PhotoCameras(
        [np.zeros((40, 60, 3))] * 2,
        np.stack([K, K]),
        np.stack([np.eye(3), turn]),
        np.array([[0.1, 0.2, 3], [0, 0, 5]]),
    )
    for k, corners in enumerate(photos.corners(2.0)):
        own = corners @ photos.R[k].T + photos.t[k]
        np.testing.assert_allclose(own[:, 2], 2)
        px = own @ K.T / own[:, 2:]
        np.testing.assert_allclose(
            px[:, :2], [[-0.5, -0.5], [59.5, -0.5], [59.5, 39.5], [-0.5, 39.5]]
        )
    np.testing.assert_allclose(photos.centers(), [[-0.1, -0.2, -3], [5, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(photos.up(), [0, -1, 0])  # y points down in pictures


def test_cameras_that_hang_and_stand_have_the_first_ones_up():
    head_down = np.diag([-1.0, -1, 1])
    turns, nothing = np.stack([head_down, np.eye(3)]), np.zeros((2, 3))
    photos = PhotoCameras([], np.stack([np.eye(3)] * 2), turns, nothing)
    np.testing.assert_array_equal(photos.up(), [0, 1, 0])


def test_curves_are_of_the_latest_optimisation_and_never_too_many_points():
    curves = Curves()
    curves.add("level 1", {"total": 5.0}, None)
    for step in range(10 * MOST_POINTS):
        curves.add("level 2", {"sfs": step + 1.0, "camera": 0.0}, None)
        assert len(curves.points) < 2 * MOST_POINTS
    steps, terms = curves.table()
    assert (curves.title, curves.step) == ("level 2", 10 * MOST_POINTS - 1)
    assert list(terms) == ["sfs"]  # what is always 0 has no logarithm
    assert len(steps) >= MOST_POINTS and len(set(np.diff(steps))) == 1
    np.testing.assert_array_equal(terms["sfs"], steps + 1)


def test_a_step_that_is_named_counts_and_no_step_is_no_curve():
    curves = Curves()
    assert curves.table()[1] == {}
    curves.add("training", {"total": 1.0}, 50)
    assert curves.table()[0].tolist() == [50]
