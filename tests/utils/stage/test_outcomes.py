"""What a batch says of each scan: its status, its lines, its notes for programs."""

import errno
import json

import pytest

from tests.utils.stage.test_job import run
from utils.errors import UserError
from utils.io.files import save_text
from utils.stage.lock import BusyError
from utils.stage.outcomes import failures, kind_of
from utils.stage.process import BUSY, FAULT, USER_ERROR
from utils.verdict import FailedVerdictError


def stage_that_fails_with(error, scan="2"):
    def stage(job):
        if job.scan_id == scan and error is not None:
            raise error

    return stage


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    "error, status", [(BusyError("x"), BUSY), (UserError("x"), USER_ERROR), (KeyError("x"), FAULT)]
)
def test_a_batch_says_what_became_of_each_scan(tmp_path, error, status):
    path = tmp_path / "outcomes.jsonl"
    stage = stage_that_fails_with(error)
    assert run(stage, "--range", "3", "--outcomes", path, out=tmp_path) == status
    assert [(each["scan_id"], each["kind"] == "done") for each in lines(path)] == [
        ("1", True),
        ("2", False),
        ("3", True),
    ]


def test_a_busy_scan_is_left_and_named(tmp_path, capsys):
    stage = stage_that_fails_with(BusyError("scan 2: stage runs already (pid 1 on a)"))
    assert run(stage, "--range", "3", out=tmp_path) == BUSY
    assert capsys.readouterr().err.splitlines() == [
        "error: scan 2: stage runs already (pid 1 on a)",
        "scans left to another process: 2 (1 of 3)",
    ]


def test_a_fault_counts_more_than_a_busy_scan(tmp_path):
    def stage(job):
        raise {"1": BusyError("x"), "2": UserError("y")}.get(job.scan_id, BusyError("z"))

    assert run(stage, "--range", "3", out=tmp_path) == USER_ERROR


def full_disk():
    error = UserError("cannot write x: No space left on device; make room")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    return error


@pytest.mark.parametrize(
    "error, kind",
    [
        (None, "done"),
        (UserError("x"), "input"),
        (FailedVerdictError("x"), "verdict"),
        (KeyError("x"), "fault"),
        (BusyError("x"), "busy"),
        (MemoryError(), "machine"),
        (full_disk(), "machine"),
    ],
)
def test_kinds(error, kind):
    assert kind_of(error) == kind


def test_a_failure_is_noted_with_its_line_until_the_scan_is_mended(tmp_path):
    path = tmp_path / "outcomes.jsonl"
    from utils.keypoints.order import load_keypoints

    def stage(job):
        load_keypoints(tmp_path / "none.xyz")

    run(stage, "--scan_id", "7", "--outcomes", path, out=tmp_path)
    (facts,) = lines(path)
    assert facts["cause"].startswith(f"{tmp_path / 'none.xyz'} is missing")
    assert facts["where"].startswith("utils/io/files.py, line ")
    assert failures(tmp_path) == {"7": f"stage: {facts['cause']}"}

    def stage(job):
        pass

    run(stage, "--scan_id", "7", out=tmp_path)
    assert failures(tmp_path) == {}


def test_without_the_option_nothing_is_noted(tmp_path):
    run(stage_that_fails_with(UserError("x"), "1"), out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_outcomes_that_cannot_be_written_are_said_and_stop_nothing(tmp_path, capsys):
    save_text(tmp_path / "file", "")
    done = []
    assert (
        run(done.append, "--range", "2", "--outcomes", tmp_path / "file" / "x", out=tmp_path) == 0
    )
    assert len(done) == 2 and "warning: --outcomes: " in capsys.readouterr().err
