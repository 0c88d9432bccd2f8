"""What a loop says of itself: on a terminal, in a file, and where nobody asks."""

import io
import os
import sys

import pytest

from tests.scenes.terminals import open_terminal, read_to_end
from utils import progress_bar
from utils.progress_bar import ProgressBar, progress, progress_to


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(progress_bar, "time", own)
    return own


def test_lines_come_every_ten_seconds_where_there_is_no_terminal(clock):
    lines = io.StringIO()
    with progress_to(None, lines), ProgressBar(60, "level 2 of 2") as bar:
        for step in range(60):
            bar.show({"sfs": 0.0087, "mask": 0.0028 + step})
            clock.now += 0.5
            bar.advance()
    assert lines.getvalue().splitlines() == [
        "level 2 of 2: 20/60, 10 s, 20 s left, sfs 0.0087, mask 19.0028",
        "level 2 of 2: 40/60, 20 s, 10 s left, sfs 0.0087, mask 39.0028",
    ]


def test_short_loops_and_the_last_step_say_nothing(clock):
    lines = io.StringIO()
    with progress_to(None, lines):
        for _ in progress(range(9), "views"):
            clock.now += 1
        for _ in progress(["one"], "views"):
            clock.now += 100
    assert lines.getvalue() == ""


def test_of_loops_in_loops_those_that_last_speak(clock):
    lines = io.StringIO()
    with progress_to(None, lines):
        for _ in progress(range(3), "rounds"):
            for _ in progress(range(4), "steps"):
                clock.now += 2
    assert lines.getvalue() == "rounds: 2/3, 16 s, 8 s left\n"


def test_what_an_earlier_run_did_is_no_measure_of_speed(clock):
    lines = io.StringIO()
    with progress_to(None, lines), ProgressBar(10_000, "training", done=9000) as bar:
        clock.now += 500
        bar.advance(100)
    assert lines.getvalue() == "training: 9100/10000, 8 min, 75 min left\n"


def test_stderr_decides(monkeypatch, clock):
    """A file gets lines, without a carriage return; a terminal a bar, and no line."""
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        for _ in progress(range(3), "views"):
            clock.now += 11
        lines = "views: 1/3, 11 s, 22 s left\nviews: 2/3, 22 s, 11 s left\n"
        if stream.isatty():
            assert "\r" in stream.getvalue() and "\n" not in stream.getvalue()
        else:
            assert stream.getvalue() == lines


def test_a_bar_goes_when_its_loop_ends_unless_it_is_to_stay():
    terminal = Terminal()
    with progress_to(terminal, None):
        for leave in (False, True):
            with ProgressBar(2, "training", leave=leave) as bar:
                bar.advance(2)
            assert terminal.getvalue().endswith("\n") == leave


def test_a_line_is_printed_before_the_bar_not_into_it(capsys):
    terminal = Terminal()
    with progress_to(terminal, None), ProgressBar(2, "views") as bar:
        bar.say("view 1 is dark")
        assert (
            terminal.getvalue()
            .rstrip(" ")
            .endswith("\rviews:   0%|          | 0/2 [00:00<?, ?it/s]")
        )
    assert capsys.readouterr().out == "view 1 is dark\n"


def test_nobody_hears_what_goes_nowhere(capsys, clock):
    with progress_to(None, None):
        for _ in progress(range(3), "views"):
            clock.now += 100
    assert capsys.readouterr() == ("", "")


def test_a_real_terminal_gets_a_bar(monkeypatch):
    reader, writer = open_terminal()
    with os.fdopen(writer, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with ProgressBar(4, "level 1 of 2") as bar:
            bar.show({"sfs": 0.5})
            bar.advance(4)
        print("done", file=terminal)
    shown = read_to_end(reader)
    assert "\rlevel 1 of 2:   0%" in shown and shown.count("\n") == 1
