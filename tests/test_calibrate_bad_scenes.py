"""calibrate_cameras.py on photos that do not belong together, before a mirror, and in a crowd."""

import numpy as np
import pytest

from tests.scenes.detection import candidate
from tests.scenes.mirrors import SHOTS, hand_before_a_mirror
from tests.scenes.phones import chosen_photos, two_tables
from utils.calibration.agreement import compare_cameras
from utils.captures import load_capture
from utils.captures.calibrations.cameras_json import read
from utils.captures.pose_files import load_pose
from utils.io.files import load_json
from utils.io.meshes import load_mesh
from utils.synthetic.phone.options import SIZE

pytest.importorskip("pycolmap", reason="pycolmap is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture
def calibrate(tmp_path, run_main):
    """Calibrate by the photos and keypoints of a folder."""

    def run(folder, *args):
        places = "--data_path", tmp_path / "my_data", "--out_path", tmp_path / "out"
        shots = "--photos", folder / "photos", "--keypoints", folder / "pose"
        return run_main("calibrate_cameras.py", *places, *shots, *args)

    return run


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return two_tables(tmp_path_factory.mktemp("phones"))


def test_of_two_pieces_the_larger_is_kept_and_the_other_named(tmp_path, calibrate, tables):
    here, there = tables
    photos = chosen_photos(tmp_path / "in", (here, range(6)), (there, range(6, 16)))
    done = calibrate(photos)
    assert done.returncode == 0, done.stderr
    said = (
        "warning: the photos fall into 2 pieces that do not connect: 10 photos (06.jpg to 15.jpg) "
        "and 6 photos (00.jpg to 05.jpg); the largest is kept"
    )
    assert said in done.stdout
    assert "verdict: doubtful" in done.stdout
    folder = tmp_path / "my_data" / "1" / "calibration"
    report = load_json(folder / "report.json")
    assert report["pieces"] == [[f"{k:02d}.jpg" for k in range(6)]]
    assert report["not_registered"] == []
    assert report["registered"] == 10
    kept = [f"{k:02d}" for k in range(6, 16)]
    assert report["views"] == [f"{name}.jpg" for name in kept]
    found = read(folder / "cameras.json").cameras
    assert [camera.name for camera in found] == kept
    capture = load_capture(tmp_path / "my_data", "1", {"data_type": "demo"})
    assert len(capture) == len(list((tmp_path / "my_data" / "1" / "img").iterdir())) == 10
    verts = load_mesh(there / "gt" / "mesh.ply")[0][::20]
    assert cameras_miss(found, there, verts) < 1.0  # joined by chance, pieces are 100 px off


def cameras_miss(found, demo, points):
    """Root mean square of pixels by which cameras miss points of the demo."""
    truth = {camera.name: camera for camera in read(demo / "gt" / "cameras.json").cameras}
    px, _ = compare_cameras(found, [truth[camera.name] for camera in found], points)
    return np.sqrt((px**2).mean())


def test_pieces_that_are_all_too_small_are_the_cause_that_is_named(tmp_path, calibrate, tables):
    here, there = tables
    photos = chosen_photos(tmp_path / "in", (here, range(3)), (there, range(6, 9)))
    done = calibrate(photos, "--way", "background")
    assert done.returncode == 2
    assert "2 pieces that do not connect: 3 photos (" in done.stderr
    for piece in ("00.jpg to 02.jpg", "06.jpg to 08.jpg"):
        assert piece in done.stderr
    assert "too little to see" not in done.stderr
    scan = tmp_path / "my_data" / "1"
    assert [path.name for path in scan.iterdir()] == ["calibration"]  # no half of a capture
    kept = {path.name.split("_")[0] for path in (scan / "calibration").iterdir()}
    assert kept == {"colmap", "photos"}  # a run with more photos or another way goes on from there


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    hand_before_a_mirror(folder)
    return folder


@pytest.mark.parametrize(
    ("way", "numbers", "most_miss"),
    # by hands: keypoints with 1 px of noise, and outlines of a hand before its own image
    [("background", range(SHOTS), 0.5), ("hands", range(3, 9), 1.5)],
)
def test_a_hand_in_a_mirror_is_said_and_left_out(
    tmp_path, calibrate, mirror, way, numbers, most_miss
):
    photos = chosen_photos(tmp_path / "in", (mirror, numbers))
    given = [load_pose(path, SIZE)[0] for path in (photos / "pose").iterdir()]
    left, right = np.isfinite(given).all((2, 3)).T
    assert left.sum() >= 6  # otherwise there is nothing to leave out
    assert right.all()
    done = calibrate(photos, "--way", way)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the left hand is the right hand's image in a mirror") == 1
    folder = tmp_path / "my_data" / "1" / "calibration"
    assert load_json(folder / "report.json")["reflection"]["hand"] == "left"
    xy, confidence = load_capture(tmp_path / "my_data", "1", {"data_type": "demo"}).keypoints
    assert len(xy) == len(numbers)
    assert np.isnan(xy[:, 0]).all()
    assert not confidence[:, 0].any()
    assert np.isfinite(xy[:, 1]).all()
    found = read(folder / "cameras.json").cameras
    assert cameras_miss(found, mirror, np.load(mirror / "gt" / "points.npy")) < most_miss


def test_a_crowd_is_said_and_the_background_calibrates(tmp_path, run_main, tables, monkeypatch):
    """A detector sees the hand, and two hands of somebody else, in every photo."""
    _, there = tables
    photos = chosen_photos(tmp_path / "in", (there, range(6, 16)))
    shown = [load_pose(path, SIZE)[0][1] for path in sorted((photos / "pose").iterdir())]
    stranger = [[-90, 10], [-60, -40]]  # pixels from the hand

    class Detector:
        def __init__(self, paths, options):
            assert len(paths) == len(shown)

        def __enter__(self):
            return lambda window: [
                candidate(window.view, shown[window.view] + shift, left)
                for shift, left in zip([[0, 0], *stranger], [0.05, 0.05, 0.95])
            ]

        def __exit__(self, *_):
            pass

    module = "models.calibration.found_keypoints"
    monkeypatch.setattr(f"{module}.Detector", Detector)
    monkeypatch.setattr(f"{module}.environment", lambda folder: folder)
    places = "--data_path", tmp_path / "my_data", "--out_path", tmp_path / "out"
    done = run_main("calibrate_cameras.py", *places, "--photos", photos / "photos")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("note: more than two hands are seen in 10 of 10 photos") == 1
    assert "10 of 10 photos registered" in done.stdout
    assert "in a mirror or a glossy table" not in done.stdout
