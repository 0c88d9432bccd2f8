"""Subdivision of attributes, and the layers of paint."""

import numpy as np
import trimesh

from utils.synthetic.surface import Layers, loop_subdivided


def test_subdivision_carries_any_number_of_columns():
    mesh = trimesh.creation.icosphere(subdivisions=1)
    columns = np.hstack([mesh.vertices, mesh.vertices @ [[1.0], [2], [3]]])
    dense, faces = loop_subdivided(columns, mesh.faces, 2)
    expected, expected_faces = trimesh.remesh.subdivide_loop(mesh.vertices, mesh.faces, 2)
    assert (faces == expected_faces).all()
    assert np.allclose(dense[:, :3], expected)
    assert np.allclose(dense[:, 3], expected @ [1, 2, 3])  # subdivision is linear


def test_crossing_grooves_do_not_add_up():
    layers = Layers.blank(3)
    for depth in (0.5, 1.0, 0.7):
        layers.cut(depth, np.array([0.0, 1.0, 9.0]), 1.0, np.ones(3))
    assert np.allclose(layers.groove, [1, np.exp(-0.5), 0], atol=1e-9)
