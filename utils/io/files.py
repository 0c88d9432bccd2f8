"""One way to read and to write each kind of file; a file appears only when it is complete."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import re
import shutil
import socket
import time
import uuid
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.io.decoding import decoding

# A file that is being written: its name, the machine's mark, the process, and a random number.
BEING_WRITTEN = re.compile(r"\..*\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}(\..*)?")
BYTE_ORDER_MARKS = {  # UTF-32's begin as UTF-16's do, so they come first
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
LONGEST_MARK = 4  # bytes
LONG_AGO = 7 * 24 * 3600  # seconds after which a writer on another machine counts as gone


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends well.

    The file is synced before it is renamed, so a killed run or a full disk leaves the old file
    or none, never half of one. What a killed run leaves tells its writer (`remove_abandoned`).
    Raises UserError where the folder cannot be written.
    """
    path = Path(path)
    writer = f"{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    beside = path.with_name(f".{path.stem}.{writer}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot write {path}: {reason}; make room or choose another --out_path"
        ) from error
    finally:
        beside.unlink(missing_ok=True) if beside.parent.is_dir() else None


def _machine() -> str:
    """A mark of this machine, within which process numbers are unique."""
    try:
        processes = os.readlink("/proc/self/ns/pid")  # containers may share a host's name
    except OSError:
        processes = ""
    facts = f"{socket.gethostname()} {processes}"
    return hashlib.blake2b(facts.encode(), digest_size=4).hexdigest()


def remove_abandoned(folders: Iterable[Path]) -> list[Path]:
    """Remove files in `folders` that killed runs left half-written; returns what was removed.

    Only those whose writer is gone: a process of this machine that runs no more, or one of
    another machine whose file has not changed for a week. Files of other names are never touched.
    """
    removed = []
    for folder in set(folders):
        for path in folder.glob(".*") if folder.is_dir() else ():
            name = BEING_WRITTEN.fullmatch(path.name)
            try:
                if name and _writer_is_gone(path, name["machine"], int(name["process"])):
                    path.unlink()
                    removed.append(path)
            except OSError:  # another run was faster, or it is not ours
                continue
    return removed


def _writer_is_gone(path: Path, machine: str, process: int) -> bool:
    if machine != _machine() or os.name != "posix":  # elsewhere, os.kill cannot merely ask
        return time.time() - path.stat().st_mtime > LONG_AGO
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` a link to a file or folder, or a copy where the system grants no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.symlink(source.resolve(), target, target_is_directory=source.is_dir())
    except OSError:  # Windows asks for a privilege
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)


def check_folder_name(name: str, option: str = "--name") -> str:
    """`name`, or UserError that names the option where it is no plain folder name."""
    if Path(name).name != name or name in ("", ".", ".."):
        raise UserError(f"{option} {name}: expected a plain folder name")
    return name


def existing_file(path: Path, hint: str = "") -> Path:
    """`path`, or UserError where there is no such file; `hint` says what to do."""
    if not path.is_file():
        raise UserError(f"{path} is missing" + (f"; {hint}" if hint else ""))
    return path


def save_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8."""
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")


def load_text(path: Path) -> str:
    """Text in UTF-8, or in what a byte order mark says: Windows' tools write UTF-16 behind one.

    Raises OSError and UnicodeDecodeError.
    """
    with open(path, "rb") as file:
        head = file.read(LONGEST_MARK)
    marked = (encoding for mark, encoding in BYTE_ORDER_MARKS.items() if head.startswith(mark))
    return path.read_text(encoding=next(marked, "utf-8"))


def save_json(path: str | Path, data: Any) -> None:
    """Write JSON; numpy scalars and arrays become numbers and lists, nan becomes null."""
    save_text(path, json.dumps(_plain(data), indent=1, allow_nan=False) + "\n")


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    if hasattr(data, "tolist"):
        return _plain(data.tolist())
    if isinstance(data, float) and not np.isfinite(data):
        return None
    return data


def load_json(path: str | Path, remedy: str = "write it again") -> Any:
    """Read JSON in any encoding of `load_text`. Raises UserError when missing or not JSON."""
    path = existing_file(Path(path))
    with decoding(path, "not valid JSON", remedy):
        return json.loads(load_text(path))


def load_record(path: str | Path) -> dict[str, Any]:
    """A dict that an earlier run noted, or {} where there is none or it cannot be read.

    For notes that vouch for results: without one they are made again, and nothing else.
    """
    try:
        record = load_json(path)
    except UserError:
        return {}
    return record if isinstance(record, dict) else {}


def save_torch(path: str | Path, data: Any) -> None:
    """Write tensors and plain values so that `torch.load(weights_only=True)` reads them."""
    import torch

    with atomic_path(path) as beside:
        torch.save(data, beside)


def load_torch(path: str | Path, hint: str = "") -> Any:
    """Read what `save_torch` wrote, onto the CPU. Raises UserError on missing or foreign files.

    What is in it is anything that tensors and plain values can be: see `utils.io.checks`.
    """
    import torch

    path = existing_file(Path(path), hint)
    verdict = "not a file of plain tensors as this suite writes them"
    remedy = hint or "run the stage that makes it again"
    with decoding(path, verdict, remedy), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)


def natural_order(name: str) -> list[tuple[bool, int, str]]:
    """A key that sorts names as people count: take_2 before take_10."""
    pieces = re.split(r"(\d+)", name)
    return [(not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in pieces if p]
