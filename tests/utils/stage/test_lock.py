"""Locks: real processes that hold, die, stand still and come back."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.utils.stage.test_record import Stage
from utils.errors import UserError
from utils.io.files import save_text
from utils.stage import StageRecord, lock
from utils.stage.lock import BusyError, hold, is_kept, refuse_held, release, release_all

HOLDER = """
import sys, time
from pathlib import Path
from utils.stage.lock import hold
hold(Path(sys.argv[1]), "scan 1: stage")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def nothing_held():
    yield
    release_all()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "1_stage.lock"


@pytest.fixture
def other(path):
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_who_holds_it_is_said(path, other):
    said = rf"scan 1: stage runs already \(pid {other.pid} on .*, since "
    with pytest.raises(BusyError, match=said):
        hold(path, "scan 1: stage")
    with pytest.raises(BusyError, match="scan 1: stage runs just now"):
        refuse_held(path, "scan 1: stage")


def test_a_killed_process_holds_nothing(path, other):
    other.kill()  # kill -9; not waited for, so that its number remains
    time.sleep(0.1)
    refuse_held(path, "scan 1: stage")
    hold(path, "scan 1: stage")
    assert is_kept(path)


def test_what_ended_well_leaves_nothing(path, other):
    other.send_signal(signal.SIGINT)
    other.wait()
    assert not path.exists()


def test_a_lock_is_held_once_and_given_back(path):
    hold(path, "scan 1: stage")
    hold(path, "scan 1: stage")
    refuse_held(path, "scan 1: stage")
    release(path)
    assert not path.exists() and not is_kept(path)


def test_folders_that_a_lock_made_go_with_it_unless_something_is_in_them(tmp_path):
    path = tmp_path / "out" / "runs" / "1_stage.lock"
    hold(path, "scan 1: stage")
    release(path)
    assert not (tmp_path / "out").exists()
    hold(path, "scan 1: stage")
    save_text(tmp_path / "out" / "result.txt", "")
    release(path)
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["result.txt"]


def as_of_another_machine(path: Path) -> None:
    count, holder = path.read_text().split("\n", 1)
    path.write_text(f"{count}\n" + json.dumps({**json.loads(holder), "host": "node7", "boot": "x"}))


@pytest.mark.parametrize("clock", [0, 2**33], ids=["clock of 1970", "clock far ahead"])
def test_another_machines_lock_without_a_sign_of_life_is_stale(path, other, capsys, clock):
    as_of_another_machine(path)
    os.utime(path, (clock, clock))
    start = time.monotonic()
    hold(path, "scan 1: stage", silence=0.5)
    assert time.monotonic() - start >= 0.5 and is_kept(path)
    assert "scan 1: stage is locked (pid" in capsys.readouterr().out


def test_another_machines_lock_that_beats_is_not(path, other, monkeypatch):
    as_of_another_machine(path)
    text = path.read_text()
    sleep = time.sleep

    def beat(seconds):
        path.write_text("000000000099" + text[12:])
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", beat)
    with pytest.raises(BusyError, match="on node7, since"):
        hold(path, "scan 1: stage", silence=5)


def test_a_holder_gives_signs_of_life(path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.02)
    monkeypatch.setattr(lock, "_beating", False)  # a thread of this pace
    hold(path, "scan 1: stage")
    before = path.read_bytes()
    deadline = time.monotonic() + 60
    while path.read_bytes() == before and time.monotonic() < deadline:
        time.sleep(0.01)
    after = path.read_bytes()
    assert after != before and after[13:] == before[13:]


@pytest.mark.parametrize("content", ["", "{", "strange\n[]\n"])
def test_a_lock_that_names_nobody_is_watched_and_taken(path, content):
    save_text(path, content)
    hold(path, "scan 1: stage", silence=0.1)
    assert is_kept(path)


def test_a_folder_that_cannot_be(tmp_path):
    save_text(tmp_path / "runs", "")
    with pytest.raises(UserError, match=r"cannot write .*another --out_path"):
        hold(tmp_path / "runs" / "1_stage.lock", "scan 1: stage")


def _try_to_hold(path: Path, ready, results, all_tried) -> None:
    ready.wait()
    try:
        hold(path, "scan 1: stage")
        results.put("held")
        all_tried.wait()
    except BusyError:
        results.put("busy")


def test_of_many_that_find_a_stale_lock_one_takes_it(path, other):
    other.kill()
    other.wait()
    context = multiprocessing.get_context("fork")
    ready, results, all_tried = context.Event(), context.Queue(), context.Event()
    given = (path, ready, results, all_tried)
    workers = [context.Process(target=_try_to_hold, args=given) for _ in range(12)]
    for worker in workers:
        worker.start()
    ready.set()
    found = [results.get(timeout=20) for _ in workers]
    all_tried.set()
    for worker in workers:
        worker.join()
    assert sorted(found) == ["busy"] * 11 + ["held"]


def test_a_stage_that_runs_elsewhere_is_refused_and_nothing_is_touched(tmp_path):
    stage = Stage(tmp_path)
    assert stage()
    save_text(stage.inputs[0], "changed")
    elsewhere = StageRecord(stage.job(), "stage")
    command = [sys.executable, "-c", HOLDER, str(elsewhere.lock)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        with pytest.raises(BusyError, match="scan 1: stage runs already"):
            stage()
        with pytest.raises(BusyError, match="scan 1: stage runs just now"):
            StageRecord(stage.job(), "next_stage").recall("stage")
        assert stage.record.is_file()
        process.kill()
    assert stage() and not stage() and not elsewhere.lock.exists()


def test_what_another_process_finished_meanwhile_is_not_run_again(tmp_path):
    stage = Stage(tmp_path)
    record = StageRecord(stage.job(), "stage")  # looks before the other one ends
    assert stage()
    assert record.is_current(stage.inputs) and not record.lock.exists()


def test_inputs_that_change_while_a_stage_runs_are_not_vouched_for(tmp_path):
    stage = Stage(tmp_path)
    record = StageRecord(stage.job(), "stage")
    assert not record.is_current(stage.inputs)
    save_text(stage.inputs[0], "another process was here")
    save_text(stage.result, "result")
    with pytest.raises(BusyError, match=r"D/a.txt changed while it ran"):
        record.finish([stage.result])
    assert not stage.record.exists()
    release_all()
    assert stage() and not stage()


def test_what_a_stage_writes_over_its_own_input_is_its_result(tmp_path):
    """As detect_hands.py with --overwrite does: new keypoints for those that were there."""
    stage = Stage(tmp_path)
    record = StageRecord(stage.job(), "stage")
    assert not record.is_current(stage.inputs)
    save_text(stage.inputs[0], "found anew")
    record.finish([stage.inputs[0]])
    assert stage.record.exists() and not record.lock.exists()


def test_a_lock_that_was_taken_over_is_noticed(tmp_path):
    stage = Stage(tmp_path)
    record = StageRecord(stage.job(), "stage")
    assert not record.is_current(stage.inputs)
    as_of_another_machine(record.lock)
    text = record.lock.read_text()
    record.lock.write_text(text.replace('"token": "', '"token": "another'))
    with pytest.raises(BusyError, match="stood still, and another process took over"):
        record.finish([])
    release_all()
    assert record.lock.exists()  # the other's
