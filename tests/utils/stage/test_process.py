"""How a script's process ends: by its work, Ctrl-C, SIGTERM, or a reader that goes away."""

import gc
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.conftest import ROOT
from utils.stage.process import INTERRUPTED, without_garbage_collection

PIPES = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def script(body: str) -> list[str]:
    lines = textwrap.indent(textwrap.dedent(body), "    ")
    # Where the tests run in the background, SIGINT is ignored, and children inherit that.
    interruptible = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    head = f"import signal, sys, time\n{interruptible}\nfrom utils.stage import start\n"
    program = f"{head}def main():\n{lines}"
    return [sys.executable, "-c", program + "\nstart(main)\n"]


def run(body: str, **environment: str) -> subprocess.CompletedProcess:
    env = {**os.environ, **environment}
    return subprocess.run(script(body), cwd=ROOT, env=env, capture_output=True, text=True)


def test_the_status_is_what_main_returns():
    assert run("return 3").returncode == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_it_alike(number):
    body = script("print('working', flush=True)\ntime.sleep(60)")
    with subprocess.Popen(
        body, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"working\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED
    assert err.decode().strip() == "interrupted; run the same command to go on"


def test_signals_at_the_very_end_change_nothing():
    """The work is done: what is left is Python's own farewell."""
    program = script(
        """
        import atexit
        atexit.register(time.sleep, 1)
        atexit.register(print, "farewell", flush=True)  # what was registered last runs first
        return 0
        """
    )
    with subprocess.Popen(
        program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"farewell\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0 and err == b""


def test_threads_end_and_farewells_are_said_before_it_leaves():
    ended = run(
        """
        import atexit, threading
        def work():
            time.sleep(0.3)
            print("work done")
        threading.Thread(target=work).start()
        atexit.register(print, "farewell")
        sys.stderr.write("no newline at the end")
        return 0
        """
    )
    assert ended.stdout.split("\n") == ["work done", "farewell", ""]
    assert ended.stderr == "no newline at the end" and ended.returncode == 0


def test_a_profiler_sees_the_end(tmp_path):
    """cProfile writes its file when `main` has left by SystemExit."""
    path = tmp_path / "profile"
    (tmp_path / "stage.py").write_text(
        "from utils.stage import start\nstart(lambda: 0)\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "cProfile", "-o", path, tmp_path / "stage.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, cwd=ROOT, env=environment).returncode == 0
    assert path.stat().st_size > 0


def test_a_reader_that_goes_away_does_not_stop_the_work(tmp_path):
    """`| head -1`: the rest goes nowhere, and what must be written to disk is."""
    body = f"""
        for k in range(20000): print("line", k)
        open({str(tmp_path / "result")!r}, "w").close()
        return 0
    """
    with subprocess.Popen(
        script(body), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"line 0\n"
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 0 and err == b"" and (tmp_path / "result").exists()


def test_what_is_said_while_a_decoder_is_overheard_is_shown():
    """In another thread, and where the process ends before the decoder does."""
    done = run(
        """
        import threading
        from utils.io.overheard import overheard
        begun = threading.Event()
        def decode():
            begun.set()
            time.sleep(60)
        threading.Thread(target=overheard, args=(decode,), daemon=True).start()
        begun.wait()
        print("error: no hand", file=sys.stderr)
        return 2
        """
    )
    assert (done.returncode, done.stderr) == (2, "error: no hand\n")


@pytest.mark.parametrize("number", [1, 2])
def test_closed_streams_are_nowhere(number, tmp_path):
    path = str(tmp_path / "result")
    body = f"""
        print("out")
        print("err", file=sys.stderr)
        with open({path!r}, "w") as file:
            assert file.fileno() > 2
        return 3
    """
    done = subprocess.run(script(body), cwd=ROOT, preexec_fn=lambda: os.close(number))
    assert done.returncode == 3


def test_an_ascii_terminal_shows_what_it_can():
    done = run("print('手')\nreturn 0", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "\\u624b\n")


def test_warnings_of_numpy_reach_nobody():
    done = run("import numpy as np\nnp.nanmean(np.full(3, np.nan))\nreturn 0")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_notebook_s_backend_is_not_ours():
    """Jupyter hands MPLBACKEND to every child, where matplotlib cannot draw with it."""
    body = "from matplotlib import pyplot\npyplot.figure()\nreturn 0"
    done = run(body, MPLBACKEND="module://matplotlib_inline.backend_inline")
    assert (done.returncode, done.stderr) == (0, "")


def test_garbage_is_collected_again_whatever_happens():
    with pytest.raises(ImportError), without_garbage_collection():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
