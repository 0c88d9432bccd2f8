"""The workflow on a real Slurm: a job is cancelled, a node dies, a scan is broken."""

import subprocess
import time

import pytest

from tests.conftest import ROOT
from tests.scenes.workflow import make_captures
from tests.workflow import slurm_cluster, snakemake
from tests.workflow.slurm_cluster import Cluster, running_cluster
from utils.io.files import load_json

WHY_NOT = snakemake.missing() or slurm_cluster.missing()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
STAGES = "[pose_optim,mano_optim]"
SCANS, POISONED = 6, "4"
QUICK = (  # a machine's own Slurm is asked more often than a cluster's
    *("--default-resources", "slurm_partition=main", "--latency-wait", "5"),
    *("--slurm-status-command", "squeue", "--slurm-no-account"),
    *("--slurm-init-seconds-before-status-checks", "2"),
)
PATIENCE = 120.0  # seconds for a job to start


@pytest.fixture
def cluster(tmp_path):
    with running_cluster(tmp_path / "slurm") as cluster:
        yield cluster


@pytest.fixture
def folder(tmp_path):
    make_captures(tmp_path / "data", SCANS)
    (tmp_path / "data" / POISONED / "pose" / "01.json").write_text("{ poisoned")
    return tmp_path


def settings():
    conf = ROOT / "tests" / "workflow" / "tiny.conf"
    return {"stages": STAGES, "scans_a_job": 3, "conf": conf}


def running_jobs(cluster: Cluster) -> dict[str, str]:
    """Numbers of the jobs that run, by node."""
    lines = cluster.ask("squeue", "--noheader", "--states=RUNNING", "--format=%N %i").splitlines()
    return dict(line.split() for line in lines)


def disturb(cluster: Cluster, process: subprocess.Popen) -> None:
    """As soon as both nodes have a job: cancel the first one's, kill -9 the other's daemon."""
    end = time.monotonic() + PATIENCE
    while len(jobs := running_jobs(cluster)) < 2:
        assert process.poll() is None and time.monotonic() < end, "no jobs came"
        time.sleep(0.2)
    cluster.ask("scancel", jobs["n1"])
    cluster.kill("n2")


def meshes(folder):
    return {path.name: path.read_bytes() for path in (folder / "out" / "mano_out").glob("*.obj")}


def stamps(folder):
    root = folder / "work" / "stamps"
    return {str(p.relative_to(root)): load_json(p) for p in root.rglob("*.json")}


def records(folder):
    """Each record's content and inode: one that was written again has another."""
    runs = (folder / "out" / "runs").glob("*.json")
    return {path.name: (path.read_bytes(), path.stat().st_ino) for path in runs}


@pytest.mark.slow
def test_disturbed_on_slurm_and_in_peace_at_home(folder, cluster, tmp_path_factory):
    command = snakemake.command(folder, "slurm", QUICK, **settings())
    with open(folder / "first.log", "w") as log:
        first = subprocess.Popen(command, cwd=ROOT, env=cluster.environment, stdout=log, stderr=log)
        try:
            disturb(cluster, first)
            first.wait()
        finally:
            first.kill()
    before = records(folder)
    cluster.start_node("n2")
    done = snakemake.call(folder, "slurm", QUICK, cluster.environment, **settings())
    assert done.returncode == 0, done.stdout[-3000:]
    after = records(folder)
    others = sorted({str(scan) for scan in range(1, SCANS + 1)} - {POISONED})
    assert sorted(after) == [
        f"{scan}_{stage}.json" for scan in others for stage in ("mano_optim", "pose_optim")
    ]
    assert before.items() <= after.items()  # what was done was not done again
    assert not list((folder / "out" / "runs").glob("*.lock"))
    assert "pose_optim: " in (index := (folder / "out" / "index.html").read_text())
    assert index.count('class="failed"') == 1 and "01.json" in index
    again = snakemake.call(folder, "slurm", QUICK, cluster.environment, **settings())
    assert "0 of 4 jobs are to be done" in again.stdout and records(folder) == after

    home = tmp_path_factory.mktemp("home")
    (home / "data").symlink_to(folder / "data")
    done = snakemake.call(home, "local", **settings())
    assert done.returncode == 0, done.stdout[-3000:]
    assert len(meshes(home)) == SCANS - 1 and meshes(home) == meshes(folder)
    assert stamps(home).keys() == stamps(folder).keys()
