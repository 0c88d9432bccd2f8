"""Worlds are moved without moving pictures; marks and similarities give what they were made of."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from utils.calibration.agreement import compare_cameras
from utils.calibration.marks import marks_scale
from utils.calibration.placing import camera_sigmas, middle_of_view, moved_cameras, upright
from utils.calibration.points import fit_similarity, triangulate
from utils.calibration.structure import Structure
from utils.errors import UserError
from utils.synthetic.phone.path import walk

RNG = np.random.default_rng(1)
POINTS = RNG.normal(0, 0.05, (40, 3)) + np.array([0.1, 0.2, 1.0])
CAMERAS = walk(POINTS, 9, (480, 360), (0.08, -0.1), RNG).cameras


def test_moving_the_world_leaves_the_pictures():
    matrix = upright(CAMERAS, 3.0)
    moved = moved_cameras(CAMERAS, matrix)
    there = POINTS @ matrix[:3, :3].T + matrix[:3, 3]
    for before, after in zip(CAMERAS, moved):
        assert after.project(there) == pytest.approx(before.project(POINTS), abs=1e-6)
    assert np.linalg.norm(middle_of_view(moved)) < 0.3  # three times the world's size
    assert np.mean([camera.R[1, 2] for camera in moved]) < -0.5  # y down is z down


def test_a_similarity_is_found():
    R = Rotation.from_rotvec([0.3, -1, 2]).as_matrix()
    scale, found, t = fit_similarity(POINTS, 2.5 * POINTS @ R.T + [1, 2, 3])
    assert scale == pytest.approx(2.5)
    assert found == pytest.approx(R)
    assert t == pytest.approx([1, 2, 3])


def test_cameras_are_compared_after_a_similarity():
    matrix = np.eye(4)
    matrix[:3, :3] = 2 * Rotation.from_rotvec([0.3, -1, 2]).as_matrix()
    matrix[:3, 3] = [1, 2, 3]
    px, (scale, _, _) = compare_cameras(moved_cameras(CAMERAS, matrix), CAMERAS, POINTS)
    assert px.max() < 1e-3
    assert scale == pytest.approx(2, rel=1e-6)


def test_a_point_is_triangulated_through_lenses():
    point, miss = triangulate([(camera, camera.project(POINTS[:1])[0]) for camera in CAMERAS])
    assert point == pytest.approx(POINTS[0], abs=1e-6)
    assert miss.max() < 1e-4


def test_sigmas_are_what_noise_does():
    """Poses solved again from noisy sightings scatter as camera_sigmas says, within a third."""
    import cv2

    camera, noise = CAMERAS[0], 0.7
    clean, spread = camera.project(POINTS), []
    lens = np.array(camera.lens.numbers)
    for _ in range(60):
        noisy = clean + RNG.normal(0, noise, clean.shape)
        turn, t = cv2.solvePnPRefineLM(
            POINTS, noisy, camera.K, lens, cv2.Rodrigues(camera.R)[0], camera.t[:, None].copy()
        )
        centre = POINTS.mean(0, keepdims=True)
        spread.append(cv2.projectPoints(centre, turn, t, camera.K, lens)[0][0, 0])
    measured = np.sqrt(np.var(spread, axis=0).mean())
    rows = np.arange(40)
    seen = Structure([camera], POINTS, 0 * rows, rows, noisy, [], [])
    assert camera_sigmas(seen, POINTS.mean(0))[0] == pytest.approx(measured, rel=0.33)


def test_marked_points_give_the_scale(tmp_path):
    path = tmp_path / "marks.json"
    marks = {
        name: {c.name: c.project(POINTS[k : k + 1])[0].tolist() for c in CAMERAS[:4]}
        for k, name in enumerate("ab")
    }
    path.write_text(json.dumps(marks))
    apart = np.linalg.norm(POINTS[0] - POINTS[1])
    scale, error = marks_scale(CAMERAS, path, 1000 * apart)
    assert scale == pytest.approx(1, rel=1e-4)
    assert error < 1e-3
    marks["a"]["00"] = [0.0, 0.0]
    path.write_text(json.dumps(marks))
    with pytest.raises(UserError, match="marks of point a miss each other"):
        marks_scale(CAMERAS, path, 100)
    path.write_text(json.dumps({"a": {"00": [1, 2], "IMG_9.jpg": [1, 2]}, "b": {}}))
    with pytest.raises(UserError, match=r"IMG_9\.jpg, which has no camera"):
        marks_scale(CAMERAS, path, 100)
