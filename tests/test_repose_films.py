"""repose.py as users run it: a motion of another program's file, and a turntable."""

import importlib.util

import cv2
import numpy as np
import pytest

from tests.scenes.evaluation import write_reconstruction
from tests.scenes.export import GlbFile, validator_folder, validator_issues
from tests.scenes.ham import hand_scene
from tests.scenes.motion import smplh, write_npz
from utils.io.images import load_image

CURL = np.tile([0, 0, 0.5], 15)  # every joint about z


@pytest.fixture(scope="module")
def scene():
    return hand_scene(views=3, pixels=60)


@pytest.fixture
def repose(scene, tmp_path, run_main):
    """Run repose.py on O/demo_sfs/1."""
    write_reconstruction(tmp_path / "out" / "demo_sfs" / "1", scene)
    common = ("--data_path", tmp_path / "data", "--out_path", tmp_path / "out", "--device", "cpu")
    return lambda *more: run_main("repose.py", *common, *more)


@pytest.fixture
def folder(tmp_path):
    """O/demo_sfs/1."""
    return tmp_path / "out" / "demo_sfs" / "1"


def closing_hands(path, frames: int = 13):
    """Hands that close within a tenth of a second, at 120 frames a second."""
    turns = np.linspace(0, 1, frames)[:, None]
    return write_npz(path, smplh(frames, left=-turns * CURL, right=turns * CURL))


def frames_of(path) -> list[np.ndarray]:
    """The pictures of a film, RGB in [0, 255]."""
    video, frames = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        frames.append(read[1][..., ::-1].astype(float))
    return frames


def test_a_motion_becomes_pictures_meshes_a_film_and_a_glb(repose, folder, tmp_path):
    done = repose("--poses", closing_hands(tmp_path / "fist.npz"), "--fps", 40)
    assert done.returncode == 0, done.stderr
    assert f"5 poses in {folder / 'repose' / 'fist'}" in done.stdout
    numbered = [f"{k:03d}.{ending}" for k in range(5) for ending in ("obj", "png")]
    has_glb = importlib.util.find_spec("pygltflib") is not None
    wanted = sorted([*numbered, "repose.mp4"] + ["repose.glb"] * has_glb)
    found = sorted(p.name for p in (folder / "repose" / "fist").iterdir() if p.name[0] != ".")
    assert found == wanted
    film = frames_of(folder / "repose" / "fist" / "repose.mp4")
    assert len(film) == 5
    picture = 255 * load_image(folder / "repose" / "fist" / "004.png")
    assert np.abs(film[4] - picture).mean() < 4  # what mp4 loses
    assert np.abs(film[0] - film[4]).mean() > 4
    again = repose("--poses", tmp_path / "fist.npz", "--fps", 40)
    assert "5 of 5 frames are there already" in again.stdout
    if has_glb:
        file = GlbFile.of((folder / "repose" / "fist" / "repose.glb").read_bytes())
        (animation,) = file.json["animations"]
        times = file.values(animation["samplers"][0]["input"]).ravel()
        assert times == pytest.approx(np.arange(5) / 40)
        if validator_folder() is not None:
            issues = validator_issues(folder / "repose" / "fist" / "repose.glb")
            assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues


def test_long_motions_have_no_meshes_unless_they_are_asked_for(
    repose, folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("repose.MOST_MESHES", 2)
    path = closing_hands(tmp_path / "fist.npz")
    done = repose("--poses", path, "--fps", 40)
    assert "no .obj a frame, for there are 5 (--meshes all writes them)" in done.stdout
    assert not list((folder / "repose" / "fist").glob("*.obj"))
    assert repose("--poses", path, "--fps", 40, "--meshes", "all").returncode == 0
    assert len(list((folder / "repose" / "fist").glob("*.obj"))) == 5


def test_without_pygltflib_everything_else_is_written(repose, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("models.export.files.find_spec", lambda _: None)
    done = repose("--poses", closing_hands(tmp_path / "fist.npz"), "--fps", 10)
    assert done.returncode == 0
    assert "no repose.glb, for a package is missing: pip install -r requirements-exp" in done.stdout
    assert (folder / "repose" / "fist" / "repose.mp4").is_file()


@pytest.mark.parametrize("posed", [False, True], ids=["captured", "posed"])
def test_a_turntable_shows_the_hands_from_all_sides_and_closes(repose, folder, tmp_path, posed):
    options = ["--mode", "turntable", "--seconds", 1, "--fps", 12, "--size", 96]
    path = folder / "turntable_mesh_1.mp4"
    if posed:
        options += ["--poses", closing_hands(tmp_path / "fist.npz"), "--poses_frames=-1:"]
        path = folder / "repose" / "fist" / "turntable.mp4"
    done = repose(*options)
    assert done.returncode == 0, done.stderr
    assert f"look at {path}" in done.stdout
    film = frames_of(path)
    assert len(film) == 12 and film[0].shape == (96, 96, 3)
    covered = [(frame.max(2) > 40).mean() for frame in film]  # black but for the hand
    assert 0.03 < min(covered) < max(covered) < 0.5  # two hands side by side, end on or flat
    steps = [np.abs(film[k] - film[k - 1]).mean() for k in range(12)]  # the first: last to first
    assert min(steps) > 1 and steps[0] < 1.5 * max(steps[1:])
    opposite = np.abs(film[0] - film[6]).mean()
    assert opposite > 1


def test_a_motion_needs_poses(repose):
    done = repose()
    assert done.returncode == 2 and "--poses is missing" in done.stderr


def test_no_part_of_a_file_that_has_nothing_there(repose, tmp_path):
    path = closing_hands(tmp_path / "fist.npz")
    done = repose("--poses", path, "--poses_frames", "50:")
    assert (
        done.returncode == 2
        and f"--poses_frames 50: chooses none of the 13 frames of {path}" in done.stderr
    )
