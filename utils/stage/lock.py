"""Locks: one process at a time works on a stage of a scan, on whichever machine it runs.

A lock is a small file with its holder's name, made so that one process alone can make it (O_EXCL).
What a killed process leaves is recognised: one of this machine by its process, one of another
machine by a count that a living holder raises every BEAT seconds. Who finds the file watches that
count and takes the time by its own clock: clocks that differ between machines do not matter.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import itertools
import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from utils.errors import UserError
from utils.stage.holder import Holder

BEAT = 10.0  # seconds between a holder's signs of life
SILENCE = 120.0  # seconds without one after which a holder on another machine counts as gone
POLL = 0.5  # seconds between two looks at its count
COUNT = "{:012d}\n"  # the first line of a lock, always as long
LARGEST = 4096  # bytes of a lock


class BusyError(UserError):
    """Another process works on the very same thing; later, the same command will do."""


class Lock:
    """A lock that this process has made."""

    def __init__(self, path: Path, descriptor: int, folders: Sequence[Path]) -> None:
        self.path, self.holder = path, Holder.this_process()
        self._descriptor, self._beats = descriptor, 0
        self._folders = folders  # that were made for it, the innermost first

    def beat(self) -> None:
        """Give a sign of life, into the file that was made: another may lie in its place."""
        text = COUNT.format(self._beats) + json.dumps(asdict(self.holder)) + "\n"
        self._beats += 1
        os.pwrite(self._descriptor, text.encode(), 0)
        os.fsync(self._descriptor)

    def is_kept(self) -> bool:
        """False where another process took it over, since this one stood still for too long."""
        _, holder = _read(self.path)
        return holder is not None and holder.token == self.holder.token

    def release(self) -> None:
        """Remove the file if it is still this process's, and folders that hold nothing else."""
        with contextlib.suppress(OSError):
            if self.is_kept():
                self.path.unlink()
            for folder in self._folders:  # a run that failed leaves nothing
                folder.rmdir()
        os.close(self._descriptor)


_held: dict[Path, Lock] = {}
_guard = threading.Lock()  # of _held, which the beating thread reads
_owner = os.getpid()  # of _held: a forked child holds nothing
_beating = False


def hold(path: Path, what: str, silence: float = SILENCE) -> None:
    """Make the lock `path`; nothing where this process holds it already.

    One whose holder is gone is taken over. Raises BusyError, `what` and the holder in one line,
    where another process has it: whether that still lives takes a moment to find out on this
    machine and up to `silence` seconds, of which a line tells, where it is on another. Raises
    UserError where the file cannot be written.
    """
    path = _absolute(path)
    if path in _own():
        return
    while (lock := _make(path)) is None:
        content, holder = _read(path)
        if content is None:  # released just now
            continue
        if _lives(path, content, holder, what, silence):
            raise BusyError(f"{what} runs already ({holder or 'its lock names nobody'})")
        _remove_stale(path, content)
    with _guard:
        _own()[path] = lock
    _start_beating()


def refuse_held(path: Path, what: str, silence: float = SILENCE) -> None:
    """Raise BusyError where another process, which lives, holds `path`."""
    path = _absolute(path)
    content, holder = _read(path)
    if content is None or path in _own():
        return
    if _lives(path, content, holder, what, silence):
        raise BusyError(f"{what} runs just now ({holder or 'its lock names nobody'})")


def is_kept(path: Path) -> bool:
    """Whether this process holds `path` and no other took it over."""
    lock = _own().get(_absolute(path))
    return lock is not None and lock.is_kept()


def release(path: Path) -> None:
    """Give a lock back; nothing where this process does not hold it."""
    with _guard:
        lock = _own().pop(_absolute(path), None)
    if lock is not None:
        lock.release()


@atexit.register
def release_all() -> None:
    """Give back all that this process holds."""
    for path in list(_own()):
        release(path)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _own() -> dict[Path, Lock]:
    global _owner, _beating
    if _owner != os.getpid():  # forked
        _owner, _beating = os.getpid(), False
        _held.clear()
    return _held


def _make(path: Path) -> Lock | None:
    """The lock with its first sign of life, or None where the file is there."""
    folders = list(itertools.takewhile(lambda folder: not folder.exists(), path.parents))
    try:
        descriptor = _create(path)
    except OSError as error:
        if isinstance(error, FileExistsError) and path.parent.is_dir():
            return None
        raise _unwritable(path, error) from error
    lock = Lock(path, descriptor, folders)
    try:
        lock.beat()
    except OSError as error:  # a full disk
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    return lock


def _create(path: Path) -> int:
    """The descriptor of a file that was not there; its folder may go as another lock does."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        except FileNotFoundError:
            continue


def _unwritable(path: Path, error: OSError) -> UserError:
    reason = error.strerror or str(error)
    return UserError(f"cannot write {path}: {reason}; make room or choose another --out_path")


def _read(path: Path) -> tuple[bytes | None, Holder | None]:
    """A lock's content, None where there is no file, and its holder, None where it names none."""
    try:
        content = path.read_bytes()[:LARGEST]
    except FileNotFoundError:
        return None, None
    except OSError:
        return b"", None
    try:
        return content, Holder(**json.loads(content.split(b"\n", 1)[1]))
    except (ValueError, TypeError, IndexError):  # just made, or none of ours
        return content, None


def _lives(path: Path, content: bytes, holder: Holder | None, what: str, silence: float) -> bool:
    """Whether the holder of a lock, whose content was read just now, still works."""
    if holder is not None and holder.is_of_this_machine():
        return holder.runs()
    told, start = False, time.monotonic()
    while time.monotonic() - start < silence:
        time.sleep(min(POLL, silence / 4))
        now, named = _read(path)
        if now != content and (holder is not None or named is None):
            return now is not None
        if named is not None and holder is None:  # it was read before its name was in it
            return _lives(path, now, named, what, silence)
        if not told and holder is not None:
            print(f"{what} is locked ({holder}): watching that for up to {silence:.0f} s")
            told = True
    return False


def _remove_stale(path: Path, content: bytes) -> None:
    """Remove a lock whose holder is gone, unless another process was faster.

    Of two that find the same lock stale, the slower one must not remove what the faster one made:
    the kernel's lock on the old file, where the file system has such, lets in one at a time.
    """
    try:
        with open(path, "rb+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(POLL / 5)
                return
            except OSError:  # a file system without such locks
                pass
            unmoved = os.fstat(file.fileno()).st_ino == os.stat(path).st_ino
            if unmoved and _read(path)[0] == content:
                path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(path, error) from error


def _start_beating() -> None:
    """Have a thread give signs of life for all that is held, while the process lives."""
    global _beating
    if not _beating:
        _beating = True
        threading.Thread(target=_beat_for_ever, name="lock", daemon=True).start()


def _beat_for_ever() -> None:
    while True:
        time.sleep(BEAT)
        with _guard:
            for lock in _held.values():
                with contextlib.suppress(OSError):
                    lock.beat()
