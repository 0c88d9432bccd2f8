"""Fingerprints of files: what they hold, whatever their dates say."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from utils.paths import ROOT

CHUNK = 1 << 20  # bytes read at once
STAT = ("size", "mtime_ns", "ctime_ns", "inode")  # a file in which all are equal was not touched

Fingerprint = dict[str, Any] | None  # of STAT and "hash"; None: there is no such file


def fingerprint(path: Path, known: Any = None) -> Fingerprint:
    """What a file holds; `known`, of an earlier look, saves reading an untouched one again.

    The hash is BLAKE2b of the content. A file that cannot be read counts as one that is not there:
    whoever needs it says more.
    """
    try:
        facts = _facts(os.stat(path))
        if isinstance(known, dict) and {key: known.get(key) for key in STAT} == facts:
            return {**facts, "hash": known.get("hash")}
        return {**facts, "hash": _hash(path)}
    except OSError:
        return None


def hashes(prints: Mapping[str, Fingerprint]) -> dict[str, str | None]:
    """The hash of each fingerprint, by name; None where there is no such file."""
    return {name: each and each["hash"] for name, each in prints.items()}


def same_content(a: Any, b: Any) -> bool:
    """Whether two fingerprints are of the same content, or both of no file."""
    if a is None or b is None:
        return a is b
    return isinstance(a, dict) and isinstance(b, dict) and a.get("hash") == b.get("hash")


def _facts(status: os.stat_result) -> dict[str, int]:
    return {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,  # a copy that keeps its dates (cp -p) cannot keep this one
        "inode": status.st_ino,
    }


def _hash(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def file_names(paths: Iterable[str | Path], folders: Mapping[str, Path]) -> dict[str, Path]:
    """Paths by names that stay when a folder of `folders` (name -> path) moves: D/1/img/00.png."""
    roots = {name: folder.resolve() for name, folder in {**folders, "suite": ROOT}.items()}
    named = {}
    for path in paths:
        absolute = Path(os.path.abspath(path))
        for name, root in roots.items():
            if absolute.is_relative_to(root):
                named[f"{name}/{absolute.relative_to(root)}"] = absolute
                break
        else:
            named[str(absolute)] = absolute
    return named


@lru_cache(maxsize=1)
def code_version() -> str:
    """A digest of the suite's code: another one may compute something else."""
    files = sorted([*ROOT.glob("*.py"), *ROOT.glob("models/**/*.py"), *ROOT.glob("utils/**/*.py")])
    digest = hashlib.blake2b(digest_size=8)
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
