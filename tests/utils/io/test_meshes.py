"""OBJ files as the suite writes them are read without trimesh, whose import takes half a second."""

import builtins

import numpy as np
import pytest

from utils.io.meshes import load_mesh, save_mesh

TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])
POINTS = np.array([[0.1, -2e-9, 3], [1, 0, 0], [1, 1, 1e5], [0, 1, 0]])
FOREIGN = {
    "slashes": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1/1 2/2 3/3\n",
    "normals": "v 0 0 0\nv 1 0 0\nv 0 1 0\nvn 0 0 1\nf 1//1 2//1 3//1\n",
    "comments": "# of another program\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "counted from the end": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\n",
    "mixed": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\nv 5 5 5\n",
    "no last end of line": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3",
}


@pytest.mark.parametrize("colors", [None, np.full((4, 3), 0.25)])
def test_ours_need_no_trimesh(tmp_path, monkeypatch, colors):
    save_mesh(tmp_path / "a.obj", POINTS, TRIANGLES, colors)
    found = builtins.__import__

    def without_trimesh(name, *args, **kwargs):
        if name == "trimesh":
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_trimesh)
    verts, faces = load_mesh(tmp_path / "a.obj")
    np.testing.assert_allclose(verts, POINTS, rtol=1e-8)
    assert np.array_equal(faces, TRIANGLES) and faces.dtype == np.int64


@pytest.mark.parametrize("form", FOREIGN)
def test_others_are_read_by_trimesh(tmp_path, form):
    (tmp_path / "a.obj").write_text(FOREIGN[form])
    verts, faces = load_mesh(tmp_path / "a.obj")
    assert verts[:3].tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert faces.tolist() == [[0, 1, 2]]
