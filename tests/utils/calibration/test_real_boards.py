"""A real ChArUco board in other people's photos: found, refined, and the size that it says.

The files are not in the repository: their licence is another.
"""

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from utils.calibration.board_scale import board_scale, marker_ratios
from utils.calibration.boards import Board
from utils.calibration.points import fit_similarity, triangulate
from utils.captures.calibrations.anipose import read
from utils.errors import UserError

RIG = ROOT.parent / "shared" / "formats" / "anipose" / "sleap_anipose"
BOARD = Board.of("charuco:8x11:24:18.75:4X4_1000")
pytestmark = pytest.mark.skipif(not RIG.is_dir(), reason=f"{RIG} is not there")


@pytest.fixture(scope="module")
def photos():
    return {name: cv2.imread(str(RIG / f"{name}.jpg"), 0) for name in ("back", "mid", "side")}


@pytest.fixture(scope="module")
def rig():
    return {camera.name: camera for camera in read(RIG / "calibration.toml").cameras}


def test_every_corner_is_found_and_lies_on_a_plane(photos, rig):
    for name in ("back", "mid"):  # side's calibration is wrong, as its README says
        ids, xy = BOARD.find(photos[name])
        assert len(ids) == 70
        camera = rig[name]
        lens = np.array(camera.lens.numbers)
        points = BOARD.points(ids)
        _, turn, t = cv2.solvePnP(points, xy, camera.K, lens)
        px, _ = cv2.projectPoints(points, turn, t, camera.K, lens)
        assert np.linalg.norm(px[:, 0] - xy, axis=1).mean() < 0.6


def test_two_calibrated_cameras_see_the_board_at_its_size(photos, rig):
    found = {name: BOARD.find(photos[name]) for name in ("back", "mid")}
    points = [
        triangulate([(rig[name], xy[k]) for name, (_, xy) in found.items()])[0] for k in range(70)
    ]
    scale, _, _ = fit_similarity(np.array(points), BOARD.points(found["back"][0]))
    assert scale == pytest.approx(1, abs=0.004)  # the rig is calibrated by this board, in mm


def test_real_markers_do_not_contradict_their_squares(photos):
    ratio, side = np.median(marker_ratios(photos["back"], BOARD), axis=0)
    said = BOARD.marker / BOARD.square
    assert abs(ratio / said - 1) < 0.04 + 2 / side
    assert ratio < said  # blur takes from dark markers


def test_the_wrong_camera_is_no_ground_for_a_scale(photos, rig):
    cameras = [rig[name] for name in ("back", "mid", "side")]
    sightings = [BOARD.find(photos[camera.name]) for camera in cameras]
    with pytest.raises(UserError, match="corners"):
        board_scale(cameras, [sightings[0], sightings[2], sightings[2]], BOARD)
