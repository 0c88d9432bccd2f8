"""The detector's process: what is asked, what comes back, and what happens when it dies."""

import stat
import sys

import numpy as np
import pytest

from utils.detection.detector import Detector, candidate_of, environment
from utils.detection.windows import crops, whole_photo
from utils.errors import UserError
from utils.stage.config import load_config

OPTIONS = dict(load_config().detect_hands)
ECHO = """
import json, sys
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    marks = [[0.5, 0.5, 0.1]] * 21
    print(json.dumps({"hands": [{"landmarks": marks, "left": 0.75}], "asked": request}), flush=True)
"""


def made_up_environment(folder, program):
    """An environment whose Python runs `program`, whatever it is told to run."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    (folder / "program.py").write_text(program)
    python.write_text(f"#!/bin/sh\nexec {sys.executable} {folder / 'program.py'}\n")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return OPTIONS | {"environment": str(folder)}


def test_windows_go_out_and_candidates_come_back(tmp_path):
    options = made_up_environment(tmp_path / "env", ECHO)
    with Detector([tmp_path / "0.png", tmp_path / "1.png"], options) as detector:
        (one,) = detector(whole_photo(1, (300, 400)))
    assert one.view == 1 and one.left == 0.75
    np.testing.assert_allclose(one.xy, [[199.5, 149.5]] * 21)  # the middle of 400 x 300 pixels
    np.testing.assert_allclose(one.z, 40.0)  # a tenth of the width


def test_pixels_of_a_turned_crop():
    hand = np.random.default_rng(0).uniform(100, 200, (21, 2))
    (window,) = crops(0, hand, [(2.0, 33, 1.0)])
    px = hand @ window.matrix[:, :2].T + window.matrix[:, 2]
    marks = np.column_stack([(px + 0.5) / window.size, np.zeros(21)])  # MediaPipe's edges
    found = candidate_of({"landmarks": marks.tolist(), "left": 0.0}, window)
    np.testing.assert_allclose(found.xy, hand)


def test_no_environment():
    with pytest.raises(UserError, match=r"\.venv-none is missing; build it with: make detect"):
        environment(".venv-none")


def test_a_detector_that_dies_says_why(tmp_path):
    program = "import sys; sys.exit('No module named mediapipe')"
    options = made_up_environment(tmp_path / "env", program)
    with (
        pytest.raises(UserError, match=r"stopped \(status 1: No module named mediapipe\); build"),
        Detector([tmp_path / "0.png"], options),
    ):
        pass


def test_a_detector_that_dies_later(tmp_path):
    options = made_up_environment(tmp_path / "env", "print('{}', flush=True); input()")
    with (
        pytest.raises(UserError, match="the hand detector stopped"),
        Detector([tmp_path / "0.png"], options) as detector,
    ):
        detector(whole_photo(0, (30, 40)))
        detector(whole_photo(0, (30, 40)))


def test_the_process_ends_with_the_block(tmp_path):
    options = made_up_environment(tmp_path / "env", ECHO)
    with Detector([tmp_path / "0.png"], options) as detector:
        process = detector.process
    assert process.poll() is not None
