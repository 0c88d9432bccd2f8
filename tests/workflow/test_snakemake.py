"""Snakemake's own view of the workflow: which jobs it would run."""

import re
import subprocess

import pytest

from tests.scenes.workflow import make_scans
from tests.workflow.snakemake import call, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture
def folder(tmp_path):
    make_scans(tmp_path / "data", ["1", "2", "3"])
    return tmp_path


def jobs_in(done: subprocess.CompletedProcess) -> dict[str, int]:
    assert done.returncode == 0, done.stdout
    table = done.stdout.split("Job stats:")[1].split("Reasons")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}


@pytest.mark.slow
def test_the_jobs_of_a_table(folder):
    done = call(folder, "local", ["--dry-run"], scans_a_job=2)
    two_batches = ("keypoints", "fits", "ham", "neural", "evaluation", "reports")
    assert jobs_in(done) == {**dict.fromkeys(two_batches, 2), "index": 1, "all": 1, "total": 14}
    assert "3 scans in 2 batches; 12 of 12 jobs are to be done" in done.stdout
    stages = "[mesh_sfs_optim,evaluate]"
    done = call(folder, "local", ["--dry-run"], scans_a_job=2, stages=stages, gpus=1)
    assert jobs_in(done) == {"ham": 2, "evaluation": 2, "index": 1, "all": 1, "total": 6}
    assert re.search(r"rule ham:(\n .*)*\n    resources: .*gpu=1", done.stdout)


@pytest.mark.slow
def test_a_mistake_is_one_line_and_no_traceback(folder):
    done = call(folder, "local", ["--dry-run"], scans="[none_*]")
    assert done.returncode == 2
    assert "error: --scans: no scan matches 'none_*'; the data hold 1, 2, 3" in done.stdout
    assert "Traceback" not in done.stdout
