"""Stacks become a table: by our own functions, imports apart, and threads that work."""

import shutil
import sys
from pathlib import Path

import pytest

from utils import profile_stage
from utils.profile_stage import IMPORTS, OTHERS, main, summed

STACKS = [
    "<module> (a_stage.py:9);main (a_stage.py:4);draw (utils/render/cpu/backend.py:12);"
    "f (x.py:1) 30",
    "<module> (a_stage.py:9);main (a_stage.py:4);draw (utils/render/cpu/backend.py:14) 10",
    "<module> (a_stage.py:9);main (a_stage.py:5);_load (<frozen importlib._bootstrap>:3);"
    "<module> (models/hand/model.py:1) 40",
    "<module> (a_stage.py:9);main (a_stage.py:6);fit (torch/optim.py:1) 15",
    "_start (elsewhere.py:1) 5",
    "Thread.run (threading.py:982);_worker (concurrent/futures/thread.py:81) 60",
    "Thread.run (threading.py:982);_worker (concurrent/futures/thread.py:83);"
    "_WorkItem.run (concurrent/futures/thread.py:58);fill (utils/render/cpu/raster.py:3) 50",
]


def test_looks_are_summed_by_our_innermost_function():
    profile = summed(STACKS, ["a_stage.py"])
    assert profile.main == {
        "utils/render/cpu/backend.py: draw": 40,
        IMPORTS: 40,
        "a_stage.py: main": 15,
        OTHERS: 5,
    }
    assert profile.workers == 50
    table = profile.table(rows=2).splitlines()
    assert len(table) == 4 and "(1.0 s in all)" in table[0] and " 40%" in table[1]
    assert table[-1].endswith("1.50")


def test_what_is_missing_is_said(capsys, monkeypatch):
    monkeypatch.setattr(profile_stage.shutil, "which", lambda *_, **__: None)
    assert main(["pose_optim.py"]) == 2
    assert "pip install -r requirements-benchmark.txt" in capsys.readouterr().out


def test_a_stage_that_is_none_is_refused(capsys, monkeypatch):
    monkeypatch.setattr(profile_stage.shutil, "which", lambda *_, **__: "py-spy")
    assert main(["no_stage.py"]) == 2
    assert "no_stage.py: no such stage" in capsys.readouterr().out


def test_a_stage_is_profiled(capfd):
    beside = shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if not (shutil.which("py-spy") or beside):
        pytest.skip("py-spy is not installed (requirements-benchmark.txt)")
    assert main(["pose_optim.py", "--help"]) == 0
    out = capfd.readouterr().out
    assert "usage: pose_optim.py" in out and "threads at work on average" in out
