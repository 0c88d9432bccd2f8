"""Which scans are the frames of a movement."""

import argparse
import errno
from types import SimpleNamespace

import pytest

from utils.errors import UserError
from utils.stage.frames import FrameSlice, choose_frames, frame_numbers, listed
from utils.stage.scans import add_scan_options, chosen_scans
from utils.stage.sequence import attempt

PLACES = [str(k) for k in range(12)]


def names(text: str, present: list[str]) -> list[str]:
    return list(choose_frames(FrameSlice.parse(text), present).names)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("3:6", ["3", "4", "5"]),  # as in Python: 6 is not included
        (":3", ["0", "1", "2"]),
        ("10:", ["10", "11"]),
        ("::5", ["0", "5", "10"]),
        ("1:12:4", ["1", "5", "9"]),
        ("10:99", ["10", "11"]),
    ],
)
def test_slices(text, expected):
    assert names(text, PLACES) == expected


def test_numbers_are_the_last_ones_in_names():
    assert frame_numbers(["a2_frame07", "a2_frame10"]) == [7, 10]
    assert frame_numbers(["left", "right", "3"]) == [0, 1, 2]  # not all have one: their places
    assert names("7:11", ["a2_frame10", "a2_frame07"]) == ["a2_frame07", "a2_frame10"]


def test_missing_frames_are_known():
    frames = choose_frames(FrameSlice.parse(":"), ["4", "5", "8", "9"])
    assert frames.missing == (6, 7) and frames.title == "4-9"
    frames = choose_frames(FrameSlice.parse(":"), ["10", "20", "40", "50"])
    assert (frames.step, frames.missing, frames.title) == (10, (30,), "10-50-10")


@pytest.mark.parametrize("text", ["5", "a:b", "1:2:0", "1:2:3:4", "-3:2", ""])
def test_no_slice(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no a:b:step"):
        FrameSlice.parse(text)


def test_no_frame_is_left():
    with pytest.raises(UserError, match=r"--frames 20:30: no frame.*the data hold 0 to 11"):
        names("20:30", PLACES)
    with pytest.raises(UserError, match="hold no scan"):
        names(":", [])


def test_a_full_disk_is_no_fault_of_a_frame(tmp_path, capsys):
    job = SimpleNamespace(scan_id="7", out_path=tmp_path)

    def fails(error: Exception):
        raise error

    assert attempt(job, "stage", lambda: fails(UserError("it is torn"))) is None
    assert "frame 7 is left out: it is torn" in capsys.readouterr().out
    assert attempt(job, "stage", lambda: fails(ValueError("odd"))) is None
    assert "ValueError: odd" in (tmp_path / "runs" / "7_stage.log").read_text()
    with pytest.raises(OSError):
        attempt(job, "stage", lambda: fails(OSError(errno.ENOSPC, "full")))


def test_the_option(capsys):
    parser = argparse.ArgumentParser()
    add_scan_options(parser)
    args = parser.parse_args(["--frames", "4:9"])
    assert chosen_scans(args, lambda: ["4", "5", "8"]) == ["4", "5", "8"]
    assert "frames 6, 7 are not there" in capsys.readouterr().out
    assert listed(range(20)) == "0, 1, 2, 3, 4, 5, 6, 7 and 12 more"
