"""Compiled kernels are kept on disk; damage to what is kept costs time and nothing else."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
    from utils.compiled import njit

    @njit(cache=True)
    def doubled(x):
        return 2 * x

    print(doubled(3.0), len(doubled.stats.cache_hits), doubled.stats.cache_path)
"""


@pytest.fixture
def run(tmp_path):
    """Runs a module with a kernel, in a process of its own; returns what it printed."""
    path = tmp_path / "code" / "kernel.py"
    path.parent.mkdir()
    path.write_text(textwrap.dedent(PROGRAM))

    def run(**environment: str) -> str:
        variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        variables.pop("NUMBA_CACHE_DIR", None)
        command = [sys.executable, str(path)]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_damaged_files_are_compiled_again(run, tmp_path):
    assert run().startswith("6.0 0 ")
    for kind, size in (("nbi", 0), ("nbi", 20), ("nbc", 0), ("nbc", 100)):
        (kept,) = (tmp_path / "code" / "__pycache__").glob(f"*.{kind}")
        os.truncate(kept, size)
        said, result = run().splitlines()
        assert "damaged" in said and result.startswith("6.0 0 ")
    assert run().startswith("6.0 1 ")


def test_without_a_place_of_its_own_it_keeps_them_among_temporary_files(run, tmp_path):
    (tmp_path / "code" / "__pycache__").write_text("a regular file where a folder should be")
    (tmp_path / "temporary").mkdir()
    nowhere = str(tmp_path / "code" / "kernel.py" / "nowhere")
    places = {"XDG_CACHE_HOME": nowhere, "HOME": nowhere, "TMPDIR": str(tmp_path / "temporary")}
    said, result = run(**places).splitlines()
    assert "kept in" in said and str(tmp_path / "temporary") in result
    assert run(**places).splitlines()[1].startswith("6.0 1 ")
