"""The shared command line: exit statuses, batches, records of runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from utils.errors import UserError
from utils.stage import Job, run_stage, stage_parser
from utils.stage.config import load_config
from utils.stage.device import resolve_device
from utils.stage.job import default_out_path
from utils.stage.process import FAULT, INTERRUPTED, USER_ERROR

SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))


def run(stage, *args, out="out"):
    argv = ["--data_path", "some_data", "--out_path", str(out), "--device", "cpu", *map(str, args)]
    return run_stage(stage_parser("A stage.", "python stage.py"), stage, argv)


def test_one_scan():
    jobs = []
    assert run(jobs.append, "--scan_id", "7", "--set", "num=3", "--seed", "5") == 0
    (job,) = jobs
    assert job.scan_id == "7" and job.scan_dir == Path("some_data/7")
    assert job.config.num == 3 and job.seed == 5 and job.device == "cpu" and not job.overwrite


def test_data_path_may_come_from_the_config(capsys):
    jobs = []
    parser = stage_parser("A stage.", "python stage.py")
    assert run_stage(parser, jobs.append, ["--device", "cpu", "--set", "data_path=my_data"]) == 0
    assert jobs[0].data_path == Path("my_data") and jobs[0].out_path == Path("my_out")
    assert run_stage(parser, jobs.append, ["--device", "cpu"]) == USER_ERROR
    assert "--data_path is missing; give it, or set data_path" in capsys.readouterr().err


def test_set_takes_several_keys_after_one_flag():
    jobs = []
    assert run(jobs.append, "--set", "num=3", "w=4", "--set", "h=5") == 0
    assert (jobs[0].config.num, jobs[0].config.w, jobs[0].config.h) == (3, 4, 5)


def test_user_errors_are_one_line_and_status_2(capsys):
    def stage(job):
        raise UserError("x.png is missing; copy it again")

    assert run(stage) == USER_ERROR
    assert capsys.readouterr().err == "error: x.png is missing; copy it again\n"


def test_debug_shows_the_traceback(capsys):
    def stage(job):
        raise UserError("wrong")

    assert run(stage, "--debug") == USER_ERROR
    assert "Traceback" in capsys.readouterr().err


def test_faults_of_ours_are_told_apart_and_kept(tmp_path, capsys):
    def stage(job):
        raise RuntimeError("what nobody\nforesaw")

    assert run(stage, out=tmp_path) == FAULT
    (line,) = capsys.readouterr().err.splitlines()
    log = tmp_path / "runs" / "1_stage.log"
    assert line == (
        "error: scan 1: RuntimeError: what nobody foresaw "
        f"(a fault of this suite; its traceback is in {log})"
    )
    assert "Traceback" in log.read_text()


def test_where_the_log_cannot_be_written_the_traceback_is_shown(tmp_path, capsys):
    def stage(job):
        raise RuntimeError("what nobody foresaw")

    (tmp_path / "file").write_text("")
    assert run(stage, out=tmp_path / "file") == FAULT
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, status",
    [(UserError("scan 2 is broken"), USER_ERROR), (MemoryError(), FAULT), (KeyError("x"), FAULT)],
)
def test_batch_goes_on_past_a_failed_scan(tmp_path, capsys, error, status):
    done = []

    def stage(job):
        if job.scan_id == "2":
            raise error
        done.append(job.scan_id)

    assert run(stage, "--range", "4", out=tmp_path) == status
    assert done == ["1", "3", "4"]
    assert capsys.readouterr().err.endswith("failed scans: 2 (1 of 4)\n")


def test_ctrl_c_stops_a_batch(capsys):
    def stage(job):
        raise KeyboardInterrupt

    assert run(stage, "--range", "4") == INTERRUPTED
    assert "interrupted in scan 1; run the same command to go on" in capsys.readouterr().err


@pytest.mark.parametrize(
    "args, message",
    [
        (["--scan_id", "n" * 300], "longer than 200 bytes"),
        (["--scan_id", "take_*"], "--scans takes patterns"),
        (["--scans", "take_*"], "--scans: no scan matches 'take_*'; the data hold none"),
        (["--scans-from", "none.txt"], "--scans-from none.txt: not a readable text file"),
        (["--scan_id", "a/b"], "expected a folder name inside --data_path"),
        (["--scan_id", ".."], "expected a folder name inside --data_path"),
        (["--set", "nmu=3"], "unknown key 'nmu'"),
        (["--conf", "none.conf"], "no such file"),
    ],
)
def test_mistakes_on_the_command_line(capsys, args, message):
    assert run(lambda job: None, *args) == USER_ERROR
    assert message in capsys.readouterr().err


def test_a_device_that_is_not_there(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == "cpu"
    with pytest.raises(UserError, match="sees no CUDA device here; use --device cpu"):
        resolve_device("cuda")


@pytest.mark.parametrize(
    "data, out", [("demo_data", "demo_out"), ("x/room", "room_out"), ("my_data_2/", "my_out_2")]
)
def test_default_out_path(data, out):
    assert default_out_path(Path(data)) == Path(out)


def job_of(tmp_path, overwrite=False, seed=0, **config) -> Job:
    overrides = [f"{key}={value}" for key, value in config.items()]
    settings = load_config(None, overrides)
    return Job(tmp_path, "1", tmp_path / "out", settings, "cpu", seed, overwrite, None)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_does_not_wait_for_heavy_imports(script):
    """`--help` answers in under 2 s, which importing torch alone takes on a slow disk."""
    program = (
        "import runpy, sys\n"
        f"sys.argv = [{script!r}, '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'matplotlib', 'trimesh', 'numba', 'smplx', 'mitsuba', 'scipy'}\n"
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
