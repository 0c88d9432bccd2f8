"""check_data.py as users run it, and what it finds."""

import json

import numpy as np
import pytest
import torch

from tests.scenes.captures import corrupt, project, ring_of_cameras, two_hands, write_capture
from utils.cameras import Cameras
from utils.captures import load_capture
from utils.captures.camera_files import load_cameras, save_cameras
from utils.captures.check import check_exposures, check_view, table, triangulated
from utils.io.images import load_image, load_mask, save_image
from utils.stage.config import load_config


@pytest.fixture
def run(capture_dir, tmp_path, run_main):
    def run(*args):
        return run_main(
            "check_data.py", "--data_path", capture_dir, "--out_path", tmp_path / "o", *args
        )

    return run


def warnings_of(capture_dir):
    """Warnings about the hands, and of each view."""
    capture = load_capture(capture_dir, "1")
    hands, warnings = triangulated(capture, load_config().pose_optim, 0)
    views = [check_view(capture, view, hands) for view in range(len(capture))]
    check_exposures(views)
    return warnings, [facts.warnings for facts in views]


def test_a_good_capture_has_no_warnings(capture_dir):
    warnings, by_view = warnings_of(capture_dir)
    assert warnings == [] and by_view == [[]] * 5


def test_prints_and_draws(capture_dir, tmp_path, run_script):
    done = run_script("check_data.py", "--data_path", capture_dir, "--out_path", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    assert "5 views" in done.stdout and "0 warnings" in done.stdout
    sheet = load_image(tmp_path / "o" / "check" / "1.png")
    assert sheet.shape == (480 * 3, 640 * 2, 3) and sheet.std() > 0.1


def test_warnings_do_not_fail(run, capture_dir):
    (capture_dir / "1" / "mask" / "02.png").unlink()
    done = run()
    assert done.returncode == 0
    assert "warning: view 2: no mask" in done.stdout and "1 warnings" in done.stdout


def test_what_pose_optim_refuses_fails_for_the_same_reason(run, capture_dir, tmp_path, run_main):
    """Missing keypoint files, none in them, one view, and hands that fit no views."""
    pose = capture_dir / "1" / "pose"
    given = {path: path.read_text() for path in sorted(pose.iterdir())}
    nothing = json.dumps({"Left": [], "Right": []})

    def contents(change):
        for view, (path, text) in enumerate(given.items()):
            path.unlink(missing_ok=True)
            if (changed := change(view, text)) is not None:
                path.write_text(changed)

    for change, words in (
        (lambda view, text: None, "00.json is missing"),
        (lambda view, text: None if view == 3 else text, "03.json is missing"),
        (lambda view, text: nothing, "no hand is detected in any of 5 views"),
        (lambda view, text: text if view == 2 else nothing, "only in view 2 of 5"),
        (lambda view, text: text if view == 2 else "[]", "has no 'Left' list"),
    ):
        contents(change)
        arguments = ("--data_path", capture_dir, "--out_path", tmp_path / "p")
        refused = run_main("pose_optim.py", *arguments)
        assert refused.returncode in (2, 3) and words in refused.stderr
        done = run()
        assert done.returncode == 2 and done.stderr == refused.stderr
        assert done.stdout.splitlines()[1] == "failed: " + done.stderr[len("error: ") :].rstrip()
        sheet = tmp_path / "o" / "check" / "1.png"
        assert sheet.is_file()  # drawn all the same
        sheet.unlink()


def test_a_sheet_that_cannot_be_drawn_stops_nothing(run, tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError("18 GB asked for")

    monkeypatch.setattr("utils.captures.sheet.capture_sheet", fail)
    done = run()
    assert done.returncode == 0 and "not drawn: 18 GB asked for" in done.stdout
    assert done.stdout.endswith("\n0 warnings\n")


def test_unusable_captures_fail(run, capture_dir, tmp_path):
    for view in (1, 3):
        path = capture_dir / "1" / "img" / f"{view:02d}.png"
        path.write_bytes(path.read_bytes()[:-30])
    done = run()
    assert done.returncode == 2 and not (tmp_path / "o").exists()
    assert "01.png is truncated" in done.stderr and "2 such files" in done.stderr
    assert "03.png" in done.stderr
    (capture_dir / "1" / "camera" / "param.npz").unlink()
    done = run()
    assert done.returncode == 2 and "param.npz is missing" in done.stderr


def test_masks_that_disagree(capture_dir):
    folder = capture_dir / "1" / "mask"
    masks = [load_mask(folder / f"{view:02d}.png") for view in range(5)]
    save_image(folder / "01.png", np.zeros_like(masks[1]))
    save_image(folder / "02.png", masks[2] & (np.arange(160) < 80))  # half of the image
    save_image(folder / "03.png", np.ones_like(masks[3]))
    _, by_view = warnings_of(capture_dir)
    assert by_view[1] == ["the mask holds only 0 % of the hands"]
    assert any("hand: fingers lost" in warning for warning in by_view[2])
    assert any("reaches far from the hands" in warning for warning in by_view[3])
    assert by_view[0] == by_view[4] == []


def test_exposure_outlier_and_saturation(capture_dir):
    folder = capture_dir / "1" / "img"
    save_image(folder / "01.png", load_image(folder / "01.png") * 0.6)
    save_image(folder / "02.png", load_image(folder / "02.png") * 2)
    save_image(folder / "03.png", load_image(folder / "03.png") * [0.6, 1, 1.2])
    _, by_view = warnings_of(capture_dir)
    assert any("hands 0.3 times as bright" in warning for warning in by_view[1])
    assert any("saturated" in warning for warning in by_view[2])
    assert any("white balance differs" in warning for warning in by_view[3])


def test_keypoint_faults(tmp_path):
    rng = np.random.default_rng(8)
    cameras, hands = ring_of_cameras(9, size=(120, 160), focal=200.0), two_hands(rng)
    found = corrupt(project(cameras, hands), rng, noise=0.3)
    view = next(v for v in range(9) if found.clean[v].any(1).all() and v != found.swapped)
    found.xy[view] += 10
    write_capture(tmp_path / "1", cameras, found.xy, hands)
    _, by_view = warnings_of(tmp_path)
    assert any("bears the other one's name" in warning for warning in by_view[found.swapped])
    assert any("px off (median)" in warning for warning in by_view[view])


def test_names_swapped_in_all_views(capture_dir):
    for path in (capture_dir / "1" / "pose").iterdir():
        data = json.loads(path.read_text())
        path.write_text(json.dumps({"Left": data["Right"], "Right": data["Left"]}))
    warnings, _ = warnings_of(capture_dir)
    assert len(warnings) == 2 and all("bend backwards" in warning for warning in warnings)


def test_camera_of_another_image_size(capture_dir):
    for folder in ("img", "mask"):
        path = capture_dir / "1" / folder / "00.png"
        image = load_image(path)[:60, :70]
        save_image(path, image if folder == "img" else image[..., 0])
    _, by_view = warnings_of(capture_dir)
    assert any("principal point" in warning for warning in by_view[0])


def test_table_has_a_line_a_view(capture_dir):
    capture = load_capture(capture_dir, "1")
    lines = table([check_view(capture, view, None) for view in range(5)])
    assert len(lines) == 6 and "160x120" in lines[1]


def replace_cameras(capture_dir, **changes):
    """Write the capture's cameras again with other K, R or t."""
    path = capture_dir / "1" / "camera" / "param.npz"
    K, R, t, world_from_norm = load_cameras(path, 5)
    K, R, t = (changes.get(name, x) for name, x in (("K", K), ("R", R), ("t", t)))
    save_cameras(path, Cameras.of(K, R, t, torch.tensor([[120, 160]] * 5)), world_from_norm)


def test_the_first_line_names_what_is_wrong_with_the_capture(run, capture_dir, tmp_path):
    K = load_capture(capture_dir, "1").cameras.K.numpy()
    A = np.array([[1.25, 0, 0.125], [0, 1.25, 0.125], [0, 0, 1]])  # of photos of 200x150
    replace_cameras(capture_dir, K=A @ K)
    done = run()
    assert done.returncode == 2
    first = done.stdout.splitlines()[1]
    assert first.startswith("failed: K belongs to photos of 200x150: scaled by 0.8")
    assert "K belongs to photos of 200x150" in done.stderr and done.stderr.count("\n") == 1
    sheet = load_image(tmp_path / "o" / "check" / "1.png")  # drawn all the same
    above = len(sheet) - 480 * 3  # the cause
    assert above > 0 and sheet[:above].max() > 0.9 and (sheet[:above] == 0).mean() > 0.5
    done = run("--set", "k_scale=0.8")
    assert done.returncode == 0 and "failed" not in done.stdout


def test_camera_to_world_matrices_are_refused(run, capture_dir):
    cameras = load_capture(capture_dir, "1").cameras
    R = cameras.R.numpy().transpose(0, 2, 1).copy()
    replace_cameras(capture_dir, R=R, t=cameras.centers().numpy())
    done = run()
    assert done.returncode == 2 and "the camera matrices are camera-to-world" in done.stderr


def test_what_is_mended_is_said(run, capture_dir):
    for path in (capture_dir / "1" / "pose").iterdir():
        data = json.loads(path.read_text())
        path.write_text(json.dumps({"Left": data["Right"], "Right": data["Left"]}))
    done = run()
    assert done.returncode == 0 and "0 warnings" in done.stdout
    assert "note: left and right are named the wrong way round in all views" in done.stdout


def test_a_capture_is_converted_to_another_layout(run, run_main, tmp_path):
    done = run("--convert", tmp_path / "colmap_data", "--layout", "colmap")
    assert done.returncode == 0, done.stderr
    assert (
        f"read it with --data_path {tmp_path / 'colmap_data'} --set data_type=colmap" in done.stdout
    )
    assert (tmp_path / "colmap_data" / "1" / "sparse" / "0" / "images.txt").is_file()
    converted = "--data_path", tmp_path / "colmap_data", "--out_path", tmp_path / "colmap_out"
    checked = run_main("check_data.py", *converted, "--set", "data_type=colmap")
    assert checked.returncode == 0 and "5 views" in checked.stdout
    done = run("--convert", tmp_path / "x", "--layout", "blender")
    assert done.returncode == 2
    assert "--layout blender: no such layout to write; there are demo, colmap" in done.stderr
