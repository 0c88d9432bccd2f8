"""Who holds a lock, and whether that process still runs."""

from __future__ import annotations

import getpass
import os
import socket
import time
import uuid
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Holder:
    """The process that made a lock.

    boot: the running kernel's own name; processes: the space in which process numbers are unique;
    started: of the process, in the kernel's ticks; since: local time, for people; token: no other
    lock's.
    """

    pid: int
    host: str
    user: str
    boot: str
    processes: str
    started: str
    since: str
    token: str

    @classmethod
    def this_process(cls) -> Holder:
        """This process, with a new token."""
        return cls(
            pid=os.getpid(),
            host=socket.gethostname(),
            user=_user(),
            boot=_boot(),
            processes=_processes(),
            started=_started(os.getpid()),
            since=time.strftime("%Y-%m-%d %H:%M:%S"),
            token=uuid.uuid4().hex,
        )

    def is_of_this_machine(self) -> bool:
        """Whether its process number means something here: host names alone are not unique."""
        here = (socket.gethostname(), _boot(), _processes())
        return (self.host, self.boot, self.processes) == here

    def runs(self) -> bool:
        """Whether its process runs; to be asked for one of this machine only."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:  # it is another user's
            pass
        return _started(self.pid) == self.started

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}, since {self.since}, by {self.user}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a number without a name, as containers have
        return str(os.getuid())


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _processes() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process started, since numbers are used again; "" where that is not known."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = facts.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]  # a zombie has ended, though its number remains
