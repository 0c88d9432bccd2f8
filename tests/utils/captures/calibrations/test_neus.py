"""Cameras of IDR and NeuS: made-up ones, and DTU's scan 65."""

import json

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.scenes import calibrations as scene
from utils.captures.calibrations.neus import FORMAT
from utils.errors import UserError

REAL = ROOT.parent / "shared" / "formats" / "neus_idr"
real_files = pytest.mark.skipif(not REAL.is_dir(), reason="no real file beside the repository")


def write(path, scale_mat=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for view, (R, t) in enumerate(scene.poses()):
        projection = np.vstack([-3 * scene.matrix() @ np.c_[R, t], [0, 0, 0, 1]])  # of any scale
        arrays[f"world_mat_{view}"] = projection
        if scale_mat is not None:
            arrays[f"scale_mat_{view}"] = scale_mat
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("place", ["cameras_sphere.npz", "cameras.npz", "camera/param.npz"])
def test_matrices_project_as_they_are(tmp_path, place):
    write(tmp_path / place)
    calibration = FORMAT.read(FORMAT.find([tmp_path]))
    project = scene.brown([])
    for view, (camera, (R, t)) in enumerate(zip(calibration.cameras, scene.poses())):
        expected = project(scene.points() @ R.T + t)
        assert np.abs(camera.project(scene.points()) - expected).max() < 1e-6
        assert (camera.name, camera.photo, camera.size) == (str(view), None, None)
    assert calibration.world_from_norm is None and not calibration.names_photos


def test_the_frame_about_the_subject_is_passed_on(tmp_path):
    scale_mat = np.array([[2.0, 0, 0, 1], [0, 2, 0, 3], [0, 0, 2, -4], [0, 0, 0, 1]])
    calibration = FORMAT.read(write(tmp_path / "cameras.npz", scale_mat))
    assert np.array_equal(calibration.world_from_norm, scale_mat)


def test_broken_files_are_refused(tmp_path):
    path = tmp_path / "cameras.npz"
    with pytest.raises(UserError, match="is missing"):
        FORMAT.read(path)
    path.write_bytes(write(tmp_path / "whole.npz").read_bytes()[:-300])
    with pytest.raises(UserError, match=f"{path} is not a readable .npz"):
        FORMAT.read(path)


@real_files
def test_the_matches_of_dtu_meet():
    calibration = FORMAT.read(REAL / "cameras_sphere.npz")
    cameras = calibration.cameras
    assert len(cameras) == 49
    scale, offset = calibration.world_from_norm[0, 0], calibration.world_from_norm[:3, 3]
    assert np.abs((cameras[0].center - offset) / scale - [1.33, 0.1629, -3.7434]).max() < 1e-4
    K = cameras[0].K
    stated = [2892.33, 2883.175, 823.205, 619.071]
    assert np.abs([K[0, 0], K[1, 1], K[0, 2], K[1, 2]] - np.array(stated)).max() < 1e-3
    medians = []
    for pair, xy in json.loads((REAL / "matches.json").read_text()).items():
        seen, xy = [cameras[int(view)] for view in pair.split("_")], np.array(xy)
        P = [camera.K @ np.c_[camera.R, camera.t] for camera in seen]
        X = cv2.triangulatePoints(*P, xy[:, :2].T, xy[:, 2:].T)
        X = (X[:3] / X[3]).T
        misses = [seen[k].project(X) - xy[:, 2 * k : 2 * k + 2] for k in (0, 1)]
        medians.append(np.median(np.linalg.norm(misses, axis=-1)))
    # Triangulation weighs lines by the unit of the world, hence not the last digit.
    assert np.abs(np.array(medians) - [0.247, 0.162, 0.118]).max() < 2e-3
