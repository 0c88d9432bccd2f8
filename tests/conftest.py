"""Fixtures that many tests share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tests.scenes.captures import project, ring_of_cameras, two_hands, write_capture

ROOT = Path(__file__).parents[1]
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the scripts do, before torch is imported


def heed_interrupts() -> None:
    """For processes to be interrupted: tests in the background of a shell ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def capture_dir(tmp_path: Path) -> Path:
    """A small capture D with scan 1: two hands, 5 views of 120x160, exact keypoints."""
    rng = np.random.default_rng(0)
    cameras, hands = ring_of_cameras(5, size=(120, 160), focal=200.0), two_hands(rng)
    write_capture(tmp_path / "tiny_data" / "1", cameras, project(cameras, hands), hands)
    return tmp_path / "tiny_data"


@dataclass(frozen=True)
class Done:
    """What a script returned and printed."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run_main(capsys: pytest.CaptureFixture) -> Callable[..., Done]:
    """Run a script's `main` in this process: the same but for the seconds that imports take."""

    def run(name: str, *args: object) -> Done:
        capsys.readouterr()
        try:
            status = import_module(name.removesuffix(".py")).main([str(a) for a in args])
        except SystemExit as end:  # by the parser of the command line
            status = end.code
        return Done(status, *capsys.readouterr())

    return run


@pytest.fixture
def run_script() -> Callable[..., subprocess.CompletedProcess]:
    """Run a stage script as users do: `run_script("pose_optim.py", "--data_path", D)`."""

    def run(name: str, *args: object) -> subprocess.CompletedProcess:
        command = [sys.executable, name, *map(str, args)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)

    return run
