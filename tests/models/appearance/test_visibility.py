"""What a spot can see past the mesh: exact cases of two squares and a ball."""

import pytest
import torch
import trimesh

from models.appearance.visibility import visibility_harmonics, visible_along
from utils.geometry.mesh import vertex_normals


def visible(mesh: trimesh.Trimesh, vertex: int, direction) -> float:
    verts = torch.tensor(mesh.vertices, dtype=torch.float32)
    faces = torch.tensor(mesh.faces)
    harmonics = visibility_harmonics(verts, faces, vertex_normals(verts, faces))
    return float(visible_along(harmonics[vertex][None], torch.tensor([direction]))[0, 0])


@pytest.mark.parametrize("direction", [(0.0, 0, 1), (0.6, 0, 0.8), (0.0, -0.6, 0.8)])
def test_a_ball_hides_nothing_of_its_own_sky(direction):
    ball = trimesh.creation.icosphere(3)
    top = int(ball.vertices[:, 2].argmax())
    assert visible(ball, top, direction) > 0.95


def test_a_roof_hides_the_sky_above_and_not_beside():
    ground = trimesh.creation.box((2, 2, 0.1)).subdivide_loop(3)
    roof = trimesh.creation.box((1.0, 2.0, 0.1)).apply_translation((1.0, 0, 0.6))
    both = trimesh.util.concatenate([ground, roof])
    middle = int(abs(ground.vertices - (0, 0, ground.vertices[:, 2].max())).sum(1).argmin())
    # Nine harmonics blur the roof's edge, which is at an angle of 38 degrees from the horizon.
    assert visible(both, middle, (0.8, 0.0, 0.6)) < 0.5
    assert visible(both, middle, (-0.8, 0.0, 0.6)) > 0.8


def test_the_unit_does_not_matter():
    ball = trimesh.creation.icosphere(2)
    large = ball.copy().apply_scale(250).apply_translation((1000, 0, 0))
    assert visible(large, 5, (0.0, 0, 1)) == pytest.approx(visible(ball, 5, (0.0, 0, 1)), abs=0.05)
