"""A job of the workflow: a real process of a stage whose scans end in every way."""

import sys

import pytest

from tests.conftest import ROOT
from tests.scenes.workflow import make_scans, settings_of
from utils.io.files import load_json, load_record, save_text
from utils.stage.lock import hold, release_all
from utils.stage.outcomes import failures
from utils.stage.process import BUSY, OK
from workflow import batch as batches
from workflow.accounts import noted_jobs
from workflow.batch import Batch, run_batch
from workflow.plan import make_plan
from workflow.stamps import stamp_path
from workflow.summary import busy_hours, summary

STAGE = """
import errno, os, signal, sys
sys.path.insert(0, {root!r})
from tests.scenes.workflow import made_up_stage
from utils.stage import job, run_stage, stage_parser, start
from utils.io.files import atomic_path

def pose_optim(job):
    if job.scan_id == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.scan_id == "fault":
        raise KeyError("nobody foresaw it")
    if job.scan_id == "full":
        with atomic_path(job.out_path / "x"):
            raise OSError(errno.ENOSPC, "No space left on device")
    made_up_stage(job, "pose_optim")

start(lambda: run_stage(stage_parser("A stage.", "python stage.py", uses_torch=False), pose_optim))
"""


@pytest.fixture
def make_batch(tmp_path, monkeypatch):
    """A batch of scans in a stage that is made up."""
    script = tmp_path / "stage.py"
    script.write_text(STAGE.format(root=str(ROOT)))
    given = Batch.command

    def command(self, scans, outcomes):
        return [sys.executable, str(script), *given(self, scans, outcomes)[2:]]

    monkeypatch.setattr(Batch, "command", command)

    def make(*scans, **settings):
        data, work = make_scans(tmp_path / "data", list(scans)), tmp_path / "work"
        own = {"out_path": str(tmp_path / "out"), "work": str(work), "scans_a_job": 10}
        own |= {"stages": ["pose_optim"], "scans": list(scans)}
        make_plan(settings_of(data, **own, **settings))
        return Batch(work, "pose_optim", "b00001", 1)

    yield make
    release_all()


def kinds(batch):
    stamp = load_json(stamp_path(batch.work, batch.stage, batch.name))
    return {scan: facts["kind"] for scan, facts in stamp["scans"].items()}


def test_a_poisoned_scan_stops_no_other(make_batch, tmp_path):
    batch = make_batch("1", "bad", "fault", "full", "killed", "z")
    save_text(tmp_path / "data" / "bad" / "img" / "00.png", "bad")
    assert run_batch(batch, attempt=1) == BUSY  # a full disk, a killed process: try again
    assert not stamp_path(batch.work, batch.stage, batch.name).exists()
    assert run_batch(batch, attempt=batch.settings["attempts"]) == OK
    expected = {"1": "done", "bad": "input", "fault": "fault", "full": "machine"}
    assert kinds(batch) == {**expected, "killed": "machine", "z": "done"}
    assert load_record(tmp_path / "out" / "runs" / "z_pose_optim.json")["machine"]
    causes = failures(tmp_path / "out")
    assert "copy it again" in causes["bad"] and "KeyError" in causes["fault"]
    assert "No space left on device; make room" in causes["full"]
    text = "\n".join(summary(batch.work, price=0.1))
    assert "2 of 6 scans are complete" in text and "a scan costs" in text
    assert "failed: 1 in pose_optim (machine): its process was killed (status -9)" in text
    assert "1 jobs were further attempts" in text
    make_plan(batch.settings)  # what the machine was to blame for is tried again by the next call
    assert not stamp_path(batch.work, batch.stage, batch.name).exists()


def test_a_scan_that_another_process_has_is_waited_for(make_batch, tmp_path, monkeypatch):
    batch, lock = make_batch("1", "2"), tmp_path / "out" / "runs" / "2_pose_optim.lock"
    hold(lock, "scan 2: pose_optim")
    assert run_batch(batch, attempt=1) == BUSY
    assert (tmp_path / "out" / "runs" / "1_pose_optim.json").is_file()
    monkeypatch.setattr(batches.time, "sleep", lambda seconds: release_all())
    batch.settings["busy_minutes"] = 1
    assert run_batch(batch, attempt=2) == OK
    assert kinds(batch) == {"1": "done", "2": "done"}
    assert [job["attempt"] for job in noted_jobs(batch.work)] == [1, 2]


def test_a_mistake_in_the_command_line_is_no_scans_failure(make_batch):
    batch = make_batch("1", options={"pose_optim": "--no_such_option"})
    assert batches.main(["pose_optim", "b00001", "--work", str(batch.work)]) == BUSY
    assert not stamp_path(batch.work, batch.stage, batch.name).exists()


def test_hours_in_which_nothing_ran_do_not_count():
    def job(begun, seconds):
        return {"begun": begun, "seconds": seconds}

    jobs = [job(0.0, 3600), job(1800.0, 3600), job(1e6, 1800), job(2000.0, 60)]
    assert busy_hours(jobs) == pytest.approx(2.0)
