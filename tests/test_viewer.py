"""--viewer as users run it: a page while HAM runs, and Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT, heed_interrupts
from tests.scenes.chromium import chromium, find_chromium
from tests.scenes.ham import hand_scene
from tests.scenes.ports import free_port

LEVELS = "ham_levels=[{{verts=1000, image_scale=0.5, steps={steps}, lr=0.005, smoothness=20}}]"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("viser") is None, reason="viser is not installed"),
]


@pytest.fixture
def folders(tmp_path):
    """D with scan 1 of one hand, and O as mano_optim.py leaves it."""
    scene = hand_scene(sides=("right",), views=3, pixels=80)
    scene.write_capture(tmp_path / "data" / "1")
    scene.write_fit(tmp_path / "out" / "mano_out")
    return tmp_path / "data", tmp_path / "out"


def started(folders, steps: int, *options: str) -> subprocess.Popen:
    """HAM in a process of its own."""
    data, out = map(str, folders)
    settings = ["--set", LEVELS.format(steps=steps), "textures=none", "report=off"]
    own = ["--data_path", data, "--out_path", out, "--device", "cpu", *settings, *options]
    return subprocess.Popen(
        [sys.executable, "mesh_sfs_optim.py", *own],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # tiny images: threads only wait
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=heed_interrupts,
    )


def read_until(run: subprocess.Popen, beginning: str) -> list[str]:
    """What the run says, up to a line that begins so."""
    lines = []
    for line in run.stdout:
        lines.append(line)
        if line.startswith(beginning):
            return lines
    raise AssertionError("".join(lines))


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed")
def test_the_page_that_stays_shows_the_result(folders, tmp_path):
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with started(folders, 3, "--viewer", str(port), "--viewer-stay") as run:
        lines = read_until(run, "the live view stays")
        assert lines[0] == f"live view: {address}\n" and "verdict: " in "".join(lines)
        with chromium(find_chromium(), tmp_path / "profile") as tab:
            tab.open(address, 1200, 800)
            tab.wait_for("document.body.innerText.includes('level 1 of 1, step 3')")
            end = "[...document.querySelectorAll('canvas')].length > 0"
            tab.wait_for(end)
            for _ in range(50):
                picture = tab.screenshot()[160:, :820]
                if ((picture < 200).any(-1)).mean() > 0.02:
                    break
            assert ((picture < 200).any(-1)).mean() > 0.02  # a hand on white
            assert tab.errors == []
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 0  # the stage had ended


def test_ctrl_c_ends_a_viewed_run_as_any_other(folders):
    with started(folders, 100_000, "--viewer", str(free_port())) as run:
        read_until(run, "level 1 of 1: ")
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 130
        assert "interrupted in scan 1; run the same command to go on" in run.stdout.read()
