"""Which scans a command line names."""

import argparse

import pytest

from utils.errors import UserError
from utils.stage.scans import add_scan_options, chosen_scans

PRESENT = ["take_1", "take_2", "take_10", "calibration"]


def chosen(*words: str) -> list[str]:
    parser = argparse.ArgumentParser()
    add_scan_options(parser)
    return chosen_scans(parser.parse_args(words), lambda: PRESENT)


@pytest.mark.parametrize(
    "words, scans",
    [
        ([], ["1"]),
        (["--scan_id", "left"], ["left"]),
        (["--range", "3"], ["1", "2", "3"]),
        (["--scans", "b", "a", "b"], ["b", "a"]),  # each once
        (["--scans", "take_*"], ["take_1", "take_2", "take_10"]),
        (["--scans", "take_?", "calibration"], ["take_1", "take_2", "calibration"]),
        (["--scans", "take_2", "take_*"], ["take_2", "take_1", "take_10"]),
    ],
)
def test_scans(words, scans):
    assert chosen(*words) == scans


def test_scans_from_a_file(tmp_path):
    path = tmp_path / "scans.txt"
    path.write_bytes(b"\xef\xbb\xbftake_1\r\n# not this one\r\n\r\ntake_1?  # the later ones\r\n")
    assert chosen("--scans-from", str(path)) == ["take_1", "take_10"]
    path.write_text("# nothing\n")
    with pytest.raises(UserError, match=r"names no scan; expected one a line"):
        chosen("--scans-from", str(path))
    path.write_text("a/b\n")
    with pytest.raises(UserError, match=r"scans\.txt a/b: expected a folder name"):
        chosen("--scans-from", str(path))


@pytest.mark.parametrize("words", [["--range", "2", "--scans", "a"], ["--scans"]])
def test_one_way_at_a_time(words):
    with pytest.raises(SystemExit):
        chosen(*words)
