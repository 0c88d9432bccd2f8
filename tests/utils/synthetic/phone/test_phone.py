"""A phone's path, lens, panels and shaken photos are what the truth beside them says."""

import numpy as np
import pytest

from make_demo import main
from utils.calibration.boards import Board
from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.captures.calibrations.cameras_json import read
from utils.captures.pose_files import load_pose
from utils.io.files import load_json
from utils.io.images import image_size, load_mask
from utils.keypoints.order import load_keypoints
from utils.synthetic.phone.options import PhoneOptions
from utils.synthetic.phone.path import drift, walk
from utils.synthetic.phone.photos import PhoneLens, exposures, shutter_turns
from utils.synthetic.phone.raster import Rasteriser
from utils.synthetic.phone.scenery import room
from utils.synthetic.rig import make_lights

SIZE = (96, 72)


def test_the_path_goes_round_and_sees_the_subject_whole():
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (50, 3))
    path = walk(points, 40, SIZE, (0.1, -0.1), np.random.default_rng(1))
    azimuths = [np.arctan2(*c.center[1::-1]) for c in path.cameras]
    assert np.ptp(np.unwrap(azimuths)) > 2 * np.pi
    inside = [
        ((c.project(points) > 0) & (c.project(points) < np.array(SIZE[::-1]))).mean()
        for c in path.cameras
    ]
    assert np.mean(inside) > 0.97
    assert path.stated_focal == pytest.approx(path.cameras[0].K[0, 0], rel=0.031)


def test_a_hand_drifts_by_what_was_asked_and_comes_back_on_average():
    motions = np.stack(drift(30, 4.0, np.random.default_rng(2)))
    way = motions[:, :3, 3]
    assert np.linalg.norm(way, axis=1).max() == pytest.approx(0.004)
    assert np.abs(way.mean(0)).max() < 1e-9
    assert np.linalg.norm(np.diff(way, axis=0), axis=1).max() < 0.002  # smooth


def test_the_lens_bends_pictures_as_its_camera_projects():
    """Dots drawn in the pinhole picture turn up where the camera with its lens sees them."""
    K = np.array([[70.0, 0, 34], [0, 70, 50], [0, 0, 1]])
    camera = CalibratedCamera("0", K, np.eye(3), np.zeros(3), SIZE, Lens.brown([0.15, -0.1, 0, 0]))
    lens = PhoneLens(camera)
    rays = np.array([[0.1, 0.2], [-0.3, 0.4], [0.25, -0.5]])
    y, x = np.mgrid[: lens.size[0], : lens.size[1]]
    for ray in rays:
        at = lens.K[0, 0] * ray + lens.K[:2, 2]
        spot = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 8).astype(np.float32)
        photo = lens.expose(spot, np.zeros((1, 3)))
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
        centre = np.array([(columns * photo).sum(), (rows * photo).sum()]) / photo.sum()
        expected = camera.project(np.array([[*ray, 1.0]]))[0]
        assert centre == pytest.approx(expected, abs=0.05)  # of a spot 2 px wide


def test_so_many_photos_are_shaken_as_were_asked_for():
    turns = shutter_turns(20, 0.15, np.random.default_rng(0))
    assert sum(len(each) > 1 for each in turns) == 3
    assert all(np.abs(each.mean(0)).max() < 1e-12 for each in turns)


def test_exposure_is_fixed_or_drifts():
    rng = np.random.default_rng(0)
    assert (exposures(9, "fixed", rng) == 1).all()
    gains = exposures(60, "drift", rng)
    assert 1.3 < gains.max() / gains.min() < 4


def test_the_boards_corners_are_where_its_panel_lies(hands):
    """The board is found in a picture from above, at its size."""
    points = np.concatenate([hand.verts for hand in hands])
    rng = np.random.default_rng(5)
    board = Board()
    panels = room(points, "plain", board, rng)
    panel = panels[-1]
    middle = panel.corner + panel.right / 2 + panel.down / 2
    scene = Rasteriser(hands, make_lights(middle, rng), panels)
    K = np.array([[500.0, 0, 239.5], [0, 500, 319.5], [0, 0, 1]])
    x = panel.right / np.linalg.norm(panel.right)
    down = panel.down / np.linalg.norm(panel.down)
    R = np.stack([x, down, np.cross(x, down)])
    eye = middle - 0.12 * R[2]
    K[0, 0] = K[1, 1] = 240.0
    picture = scene.render(K, (R, -R @ eye), (640, 480))
    grey = (255 * (picture / picture.max()).mean(2) ** (1 / 2.2)).astype(np.uint8)
    ids, corners = board.find(grey)
    assert len(ids) >= 8
    places = board.points(ids)[:, :2] / 1000
    spans = np.linalg.norm(places - places[0], axis=1)
    assert np.linalg.norm(corners - corners[0], axis=1) == pytest.approx(
        spans * 240 / 0.12, abs=1.0, rel=0.01
    )


def test_a_capture_and_its_truth(tmp_path):
    arguments = "--rig phone --photos 4 --hands right --renderer raster --levels 0 --res 72x96"
    more = "--distortion 0.1 --motion 3 --bending 2 --blur 0.3 --exposure drift --video"
    status = main([*arguments.split(), *more.split(), "--out", str(tmp_path)])
    assert status == 0
    folder = tmp_path / "1"
    cameras = read(folder / "gt" / "cameras.json").cameras
    assert [camera.photo for camera in cameras] == ["00.jpg", "01.jpg", "02.jpg", "03.jpg"]
    assert image_size(folder / "photos" / "00.jpg") == (96, 72)
    assert (folder / "video.mp4").stat().st_size > 0
    keypoints = load_keypoints(folder / "gt" / "keypoints3d.xyz")[1]
    facts = load_json(folder / "gt" / "params.json")
    assert facts["options"]["motion"] == 3
    assert np.abs(facts["bends"]).max() == pytest.approx(np.radians(2))
    assert np.allclose(np.mean(facts["bends"], 0), 0)
    for view, camera in enumerate(cameras):
        mask = load_mask(folder / "gt" / "mask" / f"{camera.name}.png")
        xy, _ = load_pose(folder / "pose" / f"{camera.name}.json", camera.size)
        if np.isfinite(xy[1]).any():
            miss = np.linalg.norm(camera.project(keypoints) - xy[1], axis=1)
            assert np.median(miss) < 3  # a drift of 3 mm is 1 px here, and so is the noise
        assert 0.02 < mask.mean() < 0.6, view


def test_options_that_make_no_sense(capsys):
    for bad in ("--photos 2", "--blur 1.5", "--distortion 1,2,3,4,5"):
        with pytest.raises(SystemExit):
            main(["--out", "x", "--rig", "phone", *bad.split()])
        assert bad.split()[0] in capsys.readouterr().err
    assert PhoneOptions().renderer == "trace"
