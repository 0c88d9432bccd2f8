"""--quiet and --log: who hears what a stage says."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.scenes.terminals import open_terminal, read_to_end
from tests.utils.stage.test_job import run
from utils import event_files, progress_bar
from utils.errors import UserError
from utils.progress_bar import progress
from utils.stage.command import run_command
from utils.stage.output import Log, add_output_options
from utils.stage.process import FAULT, INTERRUPTED, OK, USER_ERROR


def stage(job):
    """Says all kinds of lines; scan 2 fails."""
    print("fitted in 3 s")
    print("note: photos are 8 bits deep")
    print("warning: view 3 is dark")
    for _ in progress(range(3), "views"):
        pass
    if job.scan_id == "2":
        raise UserError("x.png is missing; copy it again")
    print("verdict: good")


@pytest.fixture
def every_step(monkeypatch):
    """Progress says every step."""
    monkeypatch.setattr(progress_bar, "LINE_EVERY", 0.0)


def test_quiet_keeps_warnings_errors_and_verdicts(capsys, every_step):
    assert run(stage, "--quiet") == OK
    assert capsys.readouterr() == ("warning: view 3 is dark\nverdict: good\n", "")
    assert run(stage, "--quiet", "--scan_id", "2") == USER_ERROR
    assert capsys.readouterr().err == "error: x.png is missing; copy it again\n"


def test_a_quiet_batch_names_scans(capsys):
    assert run(stage, "--quiet", "--range", "2") == USER_ERROR
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "scan 1: warning: view 3 is dark",
        "scan 1: verdict: good",
        "scan 2: warning: view 3 is dark",
    ]
    assert err.splitlines() == [
        "scan 2: error: x.png is missing; copy it again",
        "failed scans: 2 (1 of 2)",
    ]


def test_a_batch_says_where_a_scan_begins(capsys):
    run(stage, "--range", "2")
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "scan 1 (1 of 2)" and out[5] == "scan 2 (2 of 2)"


def test_what_a_quiet_stage_says_of_a_fault_is_kept(capsys, tmp_path):
    def broken(job):
        raise RuntimeError("what nobody foresaw")

    assert run(broken, "--quiet", "--range", "2", out=tmp_path) == FAULT
    first, second, _ = capsys.readouterr().err.splitlines()
    assert first.startswith("error: scan 1: RuntimeError") and second.startswith("error: scan 2: ")


LOGGED = [
    "scan 1 (1 of 2)",
    "fitted in 3 s",
    "note: photos are 8 bits deep",
    "warning: view 3 is dark",
    "views: 1/3, 0 s, 0 s left",
    "views: 2/3, 0 s, 0 s left",
    "verdict: good",
    "scan 2 (2 of 2)",
    "fitted in 3 s",
    "note: photos are 8 bits deep",
    "warning: view 3 is dark",
    "views: 1/3, 0 s, 0 s left",
    "views: 2/3, 0 s, 0 s left",
    "error: x.png is missing; copy it again",
    "failed scans: 2 (1 of 2)",
]


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_the_log_holds_everything_in_order(tmp_path, every_step, quiet):
    log = tmp_path / "new" / "scan.log"
    run(stage, "--log", log, *quiet, "--range", "2")
    header, *lines = log.read_text().splitlines()
    assert lines == LOGGED
    assert header.startswith("=== 20") and ", code " in header
    assert f"--log {log}" in header and header.endswith("--range 2")


def test_runs_are_appended_to_a_log(tmp_path, capsys):
    log = tmp_path / "scan.log"
    for scan in ("1", "2", "nmu/3"):
        run(stage, "--log", log, "--scan_id", scan)
    lines = log.read_text().splitlines()
    assert [line.startswith("===") for line in lines].count(True) == 3
    assert lines[-1].startswith("error: --scan_id nmu/3")
    assert "fitted in 3 s" in capsys.readouterr().out  # the terminal hears it, too


def test_the_log_of_an_interrupted_run_says_so(tmp_path):
    def interrupted(job):
        raise KeyboardInterrupt

    assert run(interrupted, "--log", tmp_path / "scan.log") == INTERRUPTED
    last = (tmp_path / "scan.log").read_text().splitlines()[-1]
    assert last == "interrupted in scan 1; run the same command to go on"


def test_a_log_that_cannot_be_written(tmp_path, capsys):
    done = []
    assert run(done.append, "--log", tmp_path) == USER_ERROR
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --log {tmp_path}: Is a directory; name a file") and not done


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_ends_the_log_and_not_the_run(capsys):
    assert run(stage, "--log", "/dev/full") == OK
    out, err = capsys.readouterr()
    assert out.endswith("verdict: good\n")
    assert err == "warning: --log /dev/full: No space left on device\n"


def test_streams_are_as_before_afterwards(tmp_path):
    before = sys.stdout, sys.stderr
    run(stage, "--log", tmp_path / "scan.log", "--quiet")
    assert (sys.stdout, sys.stderr) == before


def test_a_terminal_keeps_its_bar_and_the_log_has_lines(tmp_path, monkeypatch, every_step, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    run(stage, "--log", tmp_path / "scan.log")
    err = capsys.readouterr().err
    assert "\rviews" in err and "left" not in err
    log = (tmp_path / "scan.log").read_text()
    assert "views: 2/3" in log and "\r" not in log


@pytest.mark.parametrize("debug", [False, True])
def test_scripts_without_scans_end_as_stages_do(tmp_path, capsys, debug):
    parser = argparse.ArgumentParser()
    add_output_options(parser)
    argv = ["--log", str(tmp_path / "all.log")]
    args = parser.parse_args(argv)
    args.debug = debug

    def ends_with(error: type[BaseException]) -> int:
        raise error("x.png is missing")

    assert run_command(args, lambda: 7, argv) == 7
    assert run_command(args, lambda: ends_with(UserError), argv) == USER_ERROR
    assert run_command(args, lambda: ends_with(KeyboardInterrupt), argv, "nothing was written") == (
        INTERRUPTED
    )
    log = (tmp_path / "all.log").read_text()
    assert "error: x.png is missing\n" in log and "interrupted; nothing was written\n" in log
    assert ("Traceback" in log) == debug
    args.log = tmp_path
    assert run_command(args, lambda: 7, argv) == USER_ERROR


def test_without_its_package_no_curves_and_no_run(monkeypatch, capsys, tmp_path):
    from utils.stage import run_stage, stage_parser

    done = []
    monkeypatch.setattr(event_files.importlib.util, "find_spec", lambda name: None)
    parser = stage_parser("A stage.", "python stage.py", optimises=True)
    argv = ["--data_path", "some_data", "--device", "cpu", "--tensorboard"]
    assert run_stage(parser, done.append, argv) == USER_ERROR and not done
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --tensorboard: the package tensorboard is not installed")


def test_lines_of_a_log_are_whole(tmp_path, capsys):
    with Log(tmp_path / "scan.log", sys.stderr) as log:
        print("seen", "at", "once", file=log)
        assert (tmp_path / "scan.log").read_text() == "seen at once\n"


SCRIPT = """
import sys, time
from utils import progress_bar
from utils.progress_bar import progress
from utils.stage import run_stage, stage_parser, start

progress_bar.LINE_EVERY = 0.5

def stage(job):
    print("begun")
    for number in progress(range(130), "views"):
        time.sleep(0.01)
    print("warning: view 3 is dark", file=sys.stderr)
    print("verdict: good")

start(lambda: run_stage(stage_parser("A stage.", "python stage.py"), stage))
"""
COMMAND = [sys.executable, "-c", SCRIPT, "--data_path", "some_data", "--device", "cpu"]


def test_a_batch_s_log_has_few_lines_in_order(tmp_path):
    """`> scan.log 2>&1`: no bar, and both streams as they spoke, without `python -u`."""
    with open(tmp_path / "scan.log", "w") as log:
        subprocess.run(COMMAND, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=True)
    text = (tmp_path / "scan.log").read_bytes().decode()
    first, *lines, dark, verdict = text.splitlines()
    assert (first, dark, verdict) == ("begun", "warning: view 3 is dark", "verdict: good")
    assert 1 <= len(lines) <= 20 and all(line.startswith("views: ") for line in lines)
    assert "\r" not in text


def test_at_a_terminal_there_is_a_bar(tmp_path):
    reader, writer = open_terminal()
    options = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": writer}
    with subprocess.Popen([*COMMAND, "--log", tmp_path / "scan.log"], **options) as process:
        os.close(writer)
        text = read_to_end(reader)
        assert process.stdout.read().decode() == "begun\nverdict: good\n"
    assert process.returncode == 0 and "\rviews:  " in text and "left" not in text
    assert text.endswith("\rwarning: view 3 is dark\r\n")  # the bar is gone
    log = (tmp_path / "scan.log").read_bytes().decode()
    assert "\nviews: " in log and "\r" not in log and log.endswith("verdict: good\n")
