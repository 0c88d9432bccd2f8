"""Whether files have been touched since they were looked at."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def file_stamps(paths: Iterable[Path]) -> tuple[tuple[int, int, int] | None, ...]:
    """Each file's date (ns), size and inode; None where there is none. Equal: nobody wrote it."""
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
