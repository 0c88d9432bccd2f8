"""Bounds of what a command line takes."""

import argparse

import pytest

from utils.stage.arguments import add_seed, whole


@pytest.mark.parametrize("text, number", [("0", 0), ("7", 7), ("4294967295", 2**32 - 1)])
def test_seeds(text, number):
    parser = argparse.ArgumentParser()
    add_seed(parser)
    assert parser.parse_args(["--seed", text]).seed == number


@pytest.mark.parametrize("text", ["-1", "4294967296", "1.5", "nan", "", "9" * 5000, "one"])
def test_what_is_no_seed(capsys, text):
    parser = argparse.ArgumentParser()
    add_seed(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([f"--seed={text}"])
    assert "is no whole number from 0 to 4294967295" in capsys.readouterr().err


def test_bounds_are_included():
    parse = whole(1, 3)
    assert [parse(text) for text in "123"] == [1, 2, 3]
    for text in "04":
        with pytest.raises(argparse.ArgumentTypeError):
            parse(text)
