"""Motions at other rates, and parts of them."""

import argparse

import numpy as np
import pytest

from tests.scenes.motion import mano_entry, smplh, write_interhand, write_npz
from utils.errors import UserError
from utils.motion.load import load_motion
from utils.motion.options import MotionOptions, frame_slice
from utils.motion.track import HandTrack, Track


def ramp(tmp_path, frames=121, rate=120.0, **more):
    """One finger entry that rises by 1 a second at that rate."""
    bent = np.zeros((frames, 45))
    bent[:, 2] = np.arange(frames) / (rate or 1)
    return write_npz(tmp_path / "a.npz", smplh(frames, right=bent), rate, **more)


def bends(path, **options):
    """That entry in each frame."""
    frames = load_motion(path, MotionOptions(**options))
    return [float(frame[1]["pose"][5]) for frame in frames]


def test_a_second_at_120_frames_is_a_second_at_24(tmp_path):
    assert bends(ramp(tmp_path), fps=24) == pytest.approx(np.arange(25) / 24)


def test_frames_between_those_of_the_file(tmp_path):
    found = bends(ramp(tmp_path, 5, 10.0), fps=30)
    assert found == pytest.approx(np.arange(13) / 30)


def test_frames_are_chosen_before_and_keep_their_time(tmp_path):
    path = ramp(tmp_path)
    assert bends(path, fps=120, frames=slice(10, 13)) == pytest.approx([10 / 120, 11 / 120, 0.1])
    assert bends(path, fps=24, frames=slice(None, None, 5)) == pytest.approx(np.arange(25) / 24)
    with pytest.raises(UserError, match="--poses_frames 200:300 chooses none of the 121 frames of"):
        bends(path, frames=slice(200, 300))


@pytest.mark.parametrize("key", ["mocap_framerate", "mocap_frame_rate"])
def test_both_names_of_the_rate(tmp_path, key):
    assert len(bends(ramp(tmp_path, 61, None, **{key: np.array(60.0)}), fps=30)) == 31


def test_a_rate_that_is_missing_or_given(tmp_path, capsys):
    path = ramp(tmp_path, 5, None)
    assert len(bends(path, fps=24)) == 5
    assert "says no frame rate; taken as 24" in capsys.readouterr().out
    assert len(bends(path, fps=24, rate=6)) == 17


def test_wrists_turn_the_short_way():
    wrist = np.array([[0, 0, np.pi - 0.1], [0, 0, -np.pi + 0.1]])  # 0.2 apart, across the seam
    track = HandTrack(np.zeros((2, 45)), wrist, np.ones(2, bool), np.array([[0.0] * 3, [1.0] * 3]))
    middle = Track({"left": track}, np.array([5.0, 6.0])).resampled(2).hands["left"]
    assert np.abs(middle.wrist[1]) == pytest.approx([0, 0, np.pi])
    assert middle.trans == pytest.approx(np.array([[0.0] * 3, [0.5] * 3, [1.0] * 3]))


@pytest.mark.parametrize(("gap", "rate"), [(1, 30), (3, 30), (6, 5), (18, 5)])
def test_interhands_numbers_tell_the_rate_and_long_gaps_are_cut(tmp_path, monkeypatch, gap, rate):
    pytest.importorskip("ijson", reason="ijson is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    numbers = [gap * k for k in (0, 1, 2, 4, 1000, 1001)]  # one is missing; another sequence
    bent = [mano_entry(np.full(48, float(k))) for k in range(6)]
    frames = {n: {"right": hand} for n, hand in zip(numbers, bent)}
    path = write_interhand(tmp_path / "m.json", {"0": frames})
    found = [float(f[0]["pose"][9]) for f in load_motion(path, MotionOptions(fps=rate))]
    assert found == pytest.approx([0, 1, 2, 2.5, 3, 4, 5])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1:5", slice(1, 5)),
        (":50", slice(None, 50)),
        ("::4", slice(None, None, 4)),
        ("-9:", slice(-9, None)),
    ],
)
def test_frames_on_the_command_line(text, wanted):
    assert frame_slice(text) == wanted


@pytest.mark.parametrize("text", ["5", "a:b", "1:2:0", "1:2:-1", "1:2:3:4", ""])
def test_frames_that_are_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="no a:b:step"):
        frame_slice(text)
