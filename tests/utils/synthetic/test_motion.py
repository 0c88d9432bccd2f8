"""Made-up movements: the same hands in every frame, apart, and fast for a while."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from make_demo import main
from utils.keypoints.order import bone_lengths
from utils.synthetic.motion import LEAST_GAP, Person, moving_hands, phases
from utils.synthetic.skeleton import load_template

HAND_FILE = Path(__file__).resolve().parents[3] / "mano" / "open_hand_right.npz"


@pytest.mark.parametrize("frames", [24, 60, 200])
def test_a_movement_has_fast_parts(frames):
    speed = np.diff(phases(frames))
    assert (speed > 0).all()
    assert 4 < speed.max() / np.median(speed) < 7  # six times as fast, sampled
    fast = speed > 3 * np.median(speed)
    assert 4 <= fast.sum() <= 10 * (1 + frames // 60)


def test_hands_move_and_stay_themselves_and_apart():
    rng, template = np.random.default_rng(3), load_template(HAND_FILE)
    person = Person.of(["left", "right"], rng)
    sequence = moving_hands(template, person, 0, 5, rng)
    for left, right in sequence:
        assert (left.side, right.side) == ("left", "right")
        assert cKDTree(left.verts).query(right.verts)[0].min() > LEAST_GAP
        assert left.facts["crossing_faces"] == right.facts["crossing_faces"] == 0
    lengths = np.array([[bone_lengths(h.keypoints) for h in hands] for hands in sequence])
    # The tips lie on the skin, which bends a little with the joints.
    assert (np.ptp(lengths, axis=0) < 1e-3).all()
    assert sequence[0][0].skin.albedo == pytest.approx(sequence[4][0].skin.albedo, abs=0.05)
    middles = np.array([[h.keypoints.mean(0) for h in hands] for hands in sequence])
    assert (np.linalg.norm(np.diff(middles, axis=0), axis=-1) > 1e-4).all()


def test_options_of_single_captures_are_refused(tmp_path, capsys):
    for option in (["--scan_id", "2"], ["--pose_seed", "1"]):
        assert main(["--out", str(tmp_path), "--frames", "3", *option]) == 2
        assert "is of single captures; leave it out with --frames" in capsys.readouterr().err
    (tmp_path / "1").mkdir()
    assert main(["--out", str(tmp_path), "--frames", "3"]) == 2
    assert "is no frame of this sequence" in capsys.readouterr().err
