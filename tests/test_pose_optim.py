"""pose_optim.py as users run it."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import ROOT, heed_interrupts
from tests.scenes.captures import two_hands, write_pose
from tests.utils.stage.test_job import job_of
from utils.captures import load_capture, open_capture
from utils.captures.pose_files import load_pose
from utils.io.files import load_json
from utils.io.images import load_image
from utils.keypoints.joint_orders import own_rows
from utils.keypoints.order import load_keypoints
from utils.stage.process import INTERRUPTED

ROOM = ROOT.parent / "shared" / "captures" / "room"
NO_HAND = json.dumps({"Left": [], "Right": []})


@pytest.fixture
def run(capture_dir, tmp_path, run_main):
    def run(*args):
        return run_main(
            "pose_optim.py", "--data_path", capture_dir, "--out_path", tmp_path / "o", *args
        )

    return run


def test_it_does_without_torch(capture_dir, tmp_path):
    """Whose import would be most of what the stage takes."""
    code = "import sys; sys.modules['torch'] = None; import pose_optim; sys.exit(pose_optim.main())"
    folders = ["--data_path", capture_dir, "--out_path", tmp_path / "o"]
    subprocess.run([sys.executable, "-c", code, *folders], cwd=ROOT, check=True)
    assert (tmp_path / "o" / "keypoints3d" / "keypoints_3d_1.xyz").is_file()


def test_writes_what_the_contract_says(capture_dir, tmp_path, run_script):
    done = run_script("pose_optim.py", "--data_path", capture_dir, "--out_path", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "o" / "keypoints3d"
    points = load_keypoints(folder / "keypoints_3d_1.xyz")
    truth = two_hands(np.random.default_rng(0))
    assert np.abs(points - truth).max() < 1e-6  # exact keypoints
    facts = load_json(folder / "keypoints_3d_1.json")
    assert np.shape(facts["residuals"]) == np.shape(facts["inliers"]) == (5, 2, 21)
    assert np.max(facts["residuals"]) < 1e-3 and np.all(facts["inliers"])
    assert facts["views_per_joint"] == [[5] * 21] * 2
    overlays = sorted(path.name for path in (folder / "overlay_1").iterdir())
    assert overlays == [f"{view:02d}.png" for view in range(5)]
    assert load_image(folder / "overlay_1" / "00.png").shape == (120, 160, 3)
    assert "left hand: 21 of 21 keypoints from 5 views" in done.stdout


def test_second_run_has_nothing_to_do(run, tmp_path, capture_dir):
    run()
    result = tmp_path / "o" / "keypoints3d" / "keypoints_3d_1.xyz"
    made = result.stat().st_mtime_ns
    assert "up to date" in run().stdout and result.stat().st_mtime_ns == made
    assert "up to date" not in run("--set", "pose_optim.bone_symmetry=0").stdout
    (capture_dir / "1" / "pose" / "00.json").touch()
    assert "up to date" not in run().stdout
    assert result.stat().st_mtime_ns > made


def test_one_hand_only(run, capture_dir, tmp_path):
    for path in (capture_dir / "1" / "pose").iterdir():
        path.write_text(json.dumps({**json.loads(path.read_text()), "Left": []}))
    done = run()
    assert done.returncode == 0 and "left hand: not seen" in done.stdout
    points = load_keypoints(tmp_path / "o" / "keypoints3d" / "keypoints_3d_1.xyz")
    assert np.isnan(points[0]).all() and np.isfinite(points[1]).all()
    summary = load_json(tmp_path / "o" / "keypoints3d" / "keypoints_3d_1.json")["summary"]
    assert summary["left"] == {"joints": 0, "views": 0}


def fails(done, tmp_path, message, status=2):
    """One line on stderr, nothing written; status 2, or 3 where the result has failed."""
    assert done.returncode == status, done.stderr
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_no_hand_in_any_view(run, capture_dir, tmp_path):
    for path in (capture_dir / "1" / "pose").iterdir():
        path.write_text(NO_HAND)
    fails(run(), tmp_path, "no hand is detected in any of 5 views")


def test_a_hand_in_one_view(run, capture_dir, tmp_path):
    for view in (0, 1, 2, 4):
        (capture_dir / "1" / "pose" / f"{view:02d}.json").write_text(NO_HAND)
    fails(run(), tmp_path, "a hand is detected only in view 3 of 5")


def test_bad_input(run, capture_dir, tmp_path):
    (capture_dir / "1" / "pose" / "03.json").write_text('{"Left": [1, 2], "Right": []}')
    fails(run(), tmp_path, "03.json: 'Left' holds 2 numbers, expected 63")
    fails(run("--scan_id", "9"), tmp_path, "9 is no folder")
    fails(run("--set", "num=8"), tmp_path, "the config says num = 8")
    fails(run("--set", "pose_optim.min_fti=8"), tmp_path, "did you mean 'min_fit'?")


def test_truncated_photo(run, capture_dir, tmp_path):
    path = capture_dir / "1" / "img" / "02.png"
    path.write_bytes(path.read_bytes()[:-40])
    done = run()
    assert done.returncode == 2 and "02.png is truncated" in done.stderr
    assert not (tmp_path / "o" / "runs").exists()  # the next run does not take it for finished


def test_unwritable_output(capture_dir, tmp_path, run_script):
    (tmp_path / "file").write_text("")
    done = run_script("pose_optim.py", "--data_path", capture_dir, "--out_path", tmp_path / "file")
    assert done.returncode == 2 and "cannot write" in done.stderr
    assert done.stderr.count("\n") == 1


def test_batch_goes_on(run, capture_dir, tmp_path):
    shutil.copytree(capture_dir / "1", capture_dir / "3")
    done = run("--range", "3")
    assert done.returncode == 2
    assert "failed scans: 2 (1 of 3)" in done.stderr
    names = sorted(p.name for p in (tmp_path / "o" / "keypoints3d").glob("*.xyz"))
    assert names == ["keypoints_3d_1.xyz", "keypoints_3d_3.xyz"]


@pytest.mark.parametrize("stop, status", [(signal.SIGINT, INTERRUPTED), (signal.SIGKILL, -9)])
def test_stopped_runs_leave_no_half_file(run, capture_dir, tmp_path, stop, status):
    """Stopped while overlays are written; every file there is whole, and the next run finishes."""
    command = [sys.executable, "pose_optim.py", "--data_path", str(capture_dir)]
    command += ["--out_path", str(tmp_path / "o"), "--range", "50"]
    for scan in range(2, 51):
        (capture_dir / str(scan)).symlink_to(capture_dir / "1")
    overlays = tmp_path / "o" / "keypoints3d" / "overlay_1"

    quiet = {"cwd": ROOT, "stdout": subprocess.DEVNULL, "preexec_fn": heed_interrupts}
    with subprocess.Popen(command, **quiet) as process:
        while not overlays.exists() and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(stop)
        assert process.wait(60) == status
    for path in (tmp_path / "o").rglob("[!.]*.png"):
        load_image(path)
    for path in (tmp_path / "o").rglob("[!.]*.xyz"):
        load_keypoints(path)
    assert run().returncode == 0 and "up to date" in run().stdout


def test_swapped_names_are_reported(run, capture_dir, tmp_path):
    path = capture_dir / "1" / "pose" / "02.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({"Left": data["Right"], "Right": data["Left"]}))
    done = run()
    assert "left and right named wrongly in views 2" in done.stdout
    views = load_json(tmp_path / "o" / "keypoints3d" / "keypoints_3d_1.json")["views"]
    assert [view["swapped"] for view in views] == [False, False, True, False, False]
    assert views[2]["shows"]["left hand"] == "detection 'right'"


@pytest.mark.skipif(not ROOM.is_dir(), reason="the real capture is not here")
def test_room(run_main, tmp_path):
    """Two real hands, 13 views; its calibration alone leaves residuals of 10 to 12 px."""
    done = run_main("pose_optim.py", "--data_path", ROOM, "--out_path", tmp_path)
    assert done.returncode == 0, done.stderr
    facts = load_json(tmp_path / "keypoints3d" / "keypoints_3d_1.json")
    assert not any(view["swapped"] for view in facts["views"])
    for side in ("left", "right"):
        assert facts["summary"][side]["joints"] == 21
        assert facts["summary"][side]["median_residual"] < 13


def test_write_pose_round_trip(tmp_path):
    """The test's own writer: nan means not detected."""
    xy = np.full((2, 21, 2), np.nan)
    xy[1] = 7
    write_pose(tmp_path / "00.json", xy, (100, 200))
    data = json.loads((tmp_path / "00.json").read_text())
    assert data["Left"] == [] and data["Right"][:2] == pytest.approx([-0.93, -0.86])


def rewrite_poses(capture_dir, change):
    """Write each view's detections (2, 21, 2) pixels again as `change(view, xy)` gives them."""
    for view in range(5):
        path = capture_dir / "1" / "pose" / f"{view:02d}.json"
        write_pose(path, change(view, load_pose(path, (120, 160))[0]), (120, 160))


def test_a_contradicted_capture_is_refused_unless_forced(run, capture_dir, tmp_path):
    rewrite_poses(capture_dir, lambda view, xy: [159, 0] + [-1, 1] * xy)
    fails(run(), tmp_path, "the photos are mirrored (left and right)", status=3)
    done = run("--force")
    assert done.returncode == 0 and "warning: the photos are mirrored" in done.stdout
    facts = load_json(tmp_path / "o" / "keypoints3d" / "keypoints_3d_1.json")["diagnosis"]
    assert facts["failed"] and facts["certainty"] == "clear"


def test_another_order_of_joints_is_mended_for_the_later_stages(run, capture_dir, tmp_path):
    truth = load_capture(capture_dir, "1").keypoints[0]

    def as_interhand_writes_it(view, xy):
        written = np.empty_like(xy)
        written[:, own_rows("interhand")] = xy[::-1]  # and the sides exchanged
        return written

    rewrite_poses(capture_dir, as_interhand_writes_it)
    done = run()
    assert (
        done.returncode == 0 and "note: the keypoints are in InterHand2.6M's order" in done.stdout
    )
    folder = tmp_path / "o" / "keypoints3d"
    points = load_keypoints(folder / "keypoints_3d_1.xyz")
    assert np.abs(points - two_hands(np.random.default_rng(0))).max() < 1e-6
    mended = load_json(folder / "keypoints_3d_1.json")["mended"]
    assert mended == {"joint_order": "interhand", "sides_exchanged": True}
    job = replace(job_of(capture_dir), out_path=tmp_path / "o")
    np.testing.assert_allclose(open_capture(job, mended=True).keypoints[0], truth, atol=1e-6)
    assert "note: the keypoints are in InterHand2.6M's order" in run("--overwrite").stdout


def test_a_view_that_contradicts_all_others_is_left_out(run, capture_dir, tmp_path):
    off = np.array([6.0, 0.0])
    rewrite_poses(capture_dir, lambda view, xy: xy + off * (view == 3))
    done = run()
    assert done.returncode == 0 and "note: view 3 is 6 px off as a whole" in done.stdout
    folder = tmp_path / "o" / "keypoints3d"
    assert load_json(folder / "keypoints_3d_1.json")["left_out"] == [3]
    points = load_keypoints(folder / "keypoints_3d_1.xyz")
    assert np.abs(points - two_hands(np.random.default_rng(0))).max() < 1e-6
