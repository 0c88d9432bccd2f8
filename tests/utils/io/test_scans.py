"""True surfaces in the forms in which people have them."""

import numpy as np
import pytest
import trimesh

from utils.errors import UserError
from utils.io.scans import load_scan


@pytest.fixture
def ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(3)  # 642 vertices, 1280 faces


@pytest.mark.parametrize("suffix", ["ply", "obj", "stl", "off", "glb"])
def test_meshes_of_all_formats_share_their_vertices(tmp_path, ball, suffix):
    """An .stl has three vertices a face: with every edge open, no sample would count."""
    ball.export(tmp_path / f"a.{suffix}")
    scan = load_scan(tmp_path / f"a.{suffix}")
    assert (len(scan.verts), len(scan.faces), scan.notes) == (642, 1280, ())
    corners = scan.verts[scan.faces]
    volume = np.linalg.det(corners).sum() / 6
    assert volume == pytest.approx(ball.volume, rel=1e-5)  # also tells that faces are turned right


def test_all_meshes_of_a_scene_count(tmp_path, ball):
    other = ball.copy()
    other.vertices += [3, 0, 0]
    trimesh.Scene({"left": ball, "right": other}).export(tmp_path / "a.glb")
    scan = load_scan(tmp_path / "a.glb")
    assert (len(scan.verts), len(scan.faces)) == (2 * 642, 2 * 1280)


def test_quads_are_cut(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n")
    assert load_scan(tmp_path / "a.obj").faces.shape == (2, 3)


FORMS = {
    "a.xyz": "{} {} {}\n",
    "a.txt": "{}, {}, {}, 255, 0, 0\n",
    "a.obj": "v {} {} {}\n",
    "a.pts": "{} {} {} 17\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_clouds_as_text(tmp_path, ball, name):
    head = {"a.txt": "# x y z\n", "a.pts": f"{len(ball.vertices)}\n"}.get(name, "")
    rows = [FORMS[name].format(*point) for point in ball.vertices.tolist()]
    (tmp_path / name).write_text(head + "".join(rows))
    scan = load_scan(tmp_path / name)
    assert scan.is_cloud and "one way" in scan.notes[0]
    np.testing.assert_allclose(scan.verts, ball.vertices)


def test_holes_in_a_cloud_are_left_out_and_said(tmp_path, ball):
    points = np.array(ball.vertices)
    points[5] = np.nan
    trimesh.PointCloud(points).export(tmp_path / "a.ply")
    scan = load_scan(tmp_path / "a.ply")
    assert len(scan.verts) == 641
    assert scan.notes[1] == "1 points of the truth are not finite: left out"


BROKEN = {
    "a.ply": (b"", "is no readable surface"),
    "a.txt": (b"hello\n", "is no readable surface"),
    "a.xyz": (b"1 2 3\n", "holds 1 points and no faces, expected a mesh or at least 100"),
    "a.csv": (b"\xff\xfe\x00", "is no readable surface"),
    "a.png": (b"x", "is no readable surface"),
    "a.obj": (b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "vertex 1 of 3 is "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_surface_is_told_what_is(tmp_path, name):
    content, message = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{message}.*give the true surface as a mesh"):
        load_scan(tmp_path / name)
