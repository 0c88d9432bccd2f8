"""One way to read and to write each kind of file; a file appears only when it is complete."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends well.

    The file is synced before it is renamed, so a killed run or a full disk leaves the old file
    or none, never half of one. Raises UserError where the folder cannot be written.
    """
    path = Path(path)
    beside = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
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


def load_json(path: str | Path) -> Any:
    """Read JSON. Raises UserError when it is missing or not JSON."""
    path = existing_file(Path(path))
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid JSON ({error}); write it again") from error


def save_torch(path: str | Path, data: Any) -> None:
    """Write tensors and plain values so that `torch.load(weights_only=True)` reads them."""
    import torch

    with atomic_path(path) as beside:
        torch.save(data, beside)


def load_torch(path: str | Path, hint: str = "") -> Any:
    """Read what `save_torch` wrote, onto the CPU. Raises UserError on missing or foreign files."""
    import torch

    path = existing_file(Path(path), hint)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else "unreadable"
        raise UserError(
            f"{path} is not a file of plain tensors as this suite writes them ({first_line}); "
            "delete it and run the stage that makes it again"
        ) from error


def natural_order(name: str) -> list[tuple[bool, int, str]]:
    """A key that sorts names as people count: take_2 before take_10."""
    pieces = re.split(r"(\d+)", name)
    return [(not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in pieces if p]
