"""Real models of COLMAP: their reprojection errors are those that COLMAP states."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from utils.captures.calibrations.colmap import FORMAT

REAL = ROOT.parent / "shared" / "formats" / "colmap"
HALF = 0.5  # COLMAP's centre of the top-left pixel
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="no real models beside the repository")


def observations_text(folder: Path):
    """3D points by number, and (pixels (N, 2), numbers (N,)) of each image by name."""
    rows = [line.split() for line in (folder / "points3D.txt").read_text().splitlines()]
    points = {int(r[0]): np.array(r[1:4], float) for r in rows if r and r[0] != "#"}
    lines = [line for line in (folder / "images.txt").read_text().splitlines() if line[:1] != "#"]
    seen = {}
    for pose, tracks in zip(lines[::2], lines[1::2]):
        xyi = np.array(tracks.split(), float).reshape(-1, 3)
        seen[pose.split()[-1]] = xyi[:, :2], xyi[:, 2].astype(int)
    return points, seen


def observations_binary(folder: Path):
    points, seen = {}, {}
    with open(folder / "points3D.bin", "rb") as file:
        for _ in range(*struct.unpack("<Q", file.read(8))):
            key, x, y, z, _, _, _, _, tracks = struct.unpack("<Q3d3BdQ", file.read(51))
            points[key] = np.array([x, y, z])
            file.seek(8 * tracks, os.SEEK_CUR)
    with open(folder / "images.bin", "rb") as file:
        for _ in range(*struct.unpack("<Q", file.read(8))):
            file.seek(64, os.SEEK_CUR)
            name = b"".join(iter(lambda: file.read(1), b"\0")).decode()
            (count,) = struct.unpack("<Q", file.read(8))
            data = np.frombuffer(file.read(24 * count), [("xy", "<2f8"), ("id", "<i8")])
            seen[name] = data["xy"], data["id"]
    return points, seen


@pytest.mark.parametrize(
    "folder, observations, expected",
    [  # images, observations, mean and median in pixels: as COLMAP's own ERROR column has them
        ("maupertuis_text", observations_text, (4, 3355, 0.3465, 0.2499)),
        ("binary_2017", observations_binary, (23, 5931, 0.8975, 0.7413)),
        ("undistorted_2017", observations_binary, (23, 5931, 0.2958, 0.2446)),
    ],
)
def test_real_models_reproject_as_colmap_says(folder, observations, expected):
    calibration = FORMAT.read(REAL / folder)
    points, seen = observations(REAL / folder)
    errors = []
    for camera in calibration.cameras:
        xy, keys = seen[camera.name]
        found = np.array([key in points for key in keys])
        px = camera.project(np.array([points[key] for key in keys[found]]))
        errors.extend(np.linalg.norm(px + HALF - xy[found], axis=1))
    facts = (np.mean(errors), np.median(errors))
    assert (len(calibration.cameras), len(errors)) == expected[:2]
    assert np.abs(np.array(facts) - expected[2:]).max() < 1e-4  # the digits that are stated


def test_real_centres_and_fisheyes():
    by_name = {c.name: c for c in FORMAT.read(REAL / "binary_2017").cameras}
    centre = by_name["DSC_5283.jpg"].center
    assert np.abs(centre - [0.46419, -2.63391, 2.61431]).max() < 1e-5
    cameras = FORMAT.read(REAL / "t265_text").cameras
    assert [c.name for c in cameras[:2]] == [
        f"{side}raw/frame_000000001.jpg" for side in ("right", "left")
    ]
    for camera, expected in zip(cameras, [(499.0383, 455.1735), (506.3016, 448.5731)]):
        point = camera.R.T @ (np.array([0.3, 0.2, 1.0]) - camera.t)
        assert np.abs(camera.project(point[None]) + HALF - expected).max() < 1e-4
