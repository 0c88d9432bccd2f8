"""A real Slurm of several nodes on this machine, of Debian's slurm-wlm and munge, in a folder.

    python tests/workflow/slurm_cluster.py FOLDER [COMMAND ...]

starts it, runs the command (a shell, where none is named) beside it, and stops it.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol")
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
PATIENCE = 60.0  # seconds for nodes to come
CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/spool.%n
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmdTimeout=15
SlurmctldTimeout=30
InactiveLimit=0
KillWait=5
MinJobAge=600
SchedulerParameters=sched_interval=2,batch_sched_delay=1
DebugFlags=NO_CONF_HASH
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why there can be no such cluster here; "" where there can."""
    lacking = [tool for tool in (*DAEMONS, *COMMANDS) if shutil.which(tool, path=PLACES) is None]
    return f"no {', '.join(lacking)} (apt-get install slurm-wlm munge)" if lacking else ""


class Cluster:
    """A running Slurm: its configuration, and its daemons by name (munged, slurmctld, n1, ...)."""

    def __init__(self, folder: Path, nodes: int, cores: int) -> None:
        self.folder = folder.resolve()
        self.nodes = [f"n{number}" for number in range(1, nodes + 1)]
        self.conf = self.folder / "slurm.conf"
        self.daemons: dict[str, subprocess.Popen] = {}
        self._write_conf(cores)

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which Slurm's commands talk to this cluster."""
        outside = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH"))}
        return {**outside, "PATH": f"{self.folder / 'bin'}{os.pathsep}{PLACES}"}

    def ask(self, *command: str) -> str:
        """What a command of Slurm answers."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()

    def start(self) -> None:
        """Start the daemons and wait until all nodes are idle."""
        munge = [f"--{name}={self.folder / f'munge.{name}'}" for name in ("socket", "pid-file")]
        munge += [f"--key-file={self.folder / 'munge.key'}", "--force", "--foreground"]
        munge += [f"--log-file={self.folder / 'munged.log'}", f"--seed-file={self.folder / 'seed'}"]
        self._launch("munged", ["munged", *munge])
        self._await(lambda: (self.folder / "munge.socket").exists(), "munged")
        self._launch("slurmctld", ["slurmctld", "-D", "-f", str(self.conf)])
        for node in self.nodes:
            self.start_node(node)
        self._await(lambda: self.states() == {"idle"}, "nodes")

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._launch(node, ["slurmd", "-D", "-N", node, "-f", str(self.conf)])

    def states(self) -> set[str]:
        """The states that nodes are in."""
        try:
            return set(self.ask("sinfo", "--noheader", "--Node", "--format=%t").split())
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return set()

    def kill(self, name: str) -> None:
        """kill -9 a daemon; what it started goes on."""
        self.daemons[name].send_signal(signal.SIGKILL)
        self.daemons.pop(name).wait()

    def stop(self) -> None:
        """End all jobs and daemons."""
        with contextlib.suppress(subprocess.SubprocessError):
            self.ask("scancel", "--signal=KILL", "--full", f"--user={getpass.getuser()}")
            self.ask("scancel", f"--user={getpass.getuser()}")
        for name in reversed(list(self.daemons)):
            daemon = self.daemons.pop(name)
            daemon.terminate()
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _launch(self, name: str, command: list[str]) -> None:
        with open(self.folder / f"{name}.out", "ab") as out:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment, stdout=out, stderr=out, start_new_session=True
            )

    def _await(self, condition, what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            dead = [name for name, daemon in self.daemons.items() if daemon.poll() is not None]
            if dead or time.monotonic() > end:
                raise RuntimeError(f"{what} did not come; see {self.folder} ({dead})")
            time.sleep(0.2)

    def _write_conf(self, cores: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)  # munged wants no folder that others may write
        for name in ("state", "bin"):
            (self.folder / name).mkdir(exist_ok=True)
        for tool in COMMANDS:  # jobs have no SLURM_CONF, which Snakemake's executor takes away
            script = self.folder / "bin" / tool
            own = shutil.which(tool, path=PLACES)
            script.write_text(f'#!/bin/sh\nSLURM_CONF={self.conf} exec {own} "$@"\n')
            script.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        ports = free_ports(len(self.nodes) + 1)
        lines = [
            f"NodeName={node} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 "
            f"Port={port} CPUs={cores} RealMemory=8000 State=UNKNOWN"
            for node, port in zip(self.nodes, ports[1:])
        ]
        text = CONF.format(
            host=socket.gethostname(),
            port=ports[0],
            user=getpass.getuser(),
            folder=self.folder,
            nodes="\n".join(lines),
        )
        self.conf.write_text(text)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens to."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def running_cluster(folder: Path, nodes: int = 2, cores: int = 1) -> Iterator[Cluster]:
    """A cluster in the block."""
    cluster = Cluster(folder, nodes, cores)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def main() -> int:
    """Run a command beside a cluster; its exit status."""
    folder, *command = sys.argv[1:]
    with running_cluster(Path(folder)) as cluster:
        return subprocess.call(command or ["bash"], env=cluster.environment)


if __name__ == "__main__":
    sys.exit(main())
