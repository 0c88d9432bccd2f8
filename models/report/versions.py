"""What made the results: programs' versions, the code's revision, the settings."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from utils.paths import ROOT
from utils.stage.config import flattened, load_config

PACKAGES = ("torch", "numpy", "scipy", "numba", "opencv-python-headless", "trimesh", "smplx")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that compute, and the revision where git knows it."""
    said = {"revision": _revision(), "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            said[name] = version(name)
        except PackageNotFoundError:
            continue
    return {name: value for name, value in said.items() if value}


def _revision() -> str:
    """`git describe` of the suite's own folder; empty where it is no checkout."""
    if not (ROOT / ".git").exists():  # of a folder above, it would be another project's
        return ""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def changed_settings(
    config: dict[str, Any], records: dict[str, dict[str, Any]]
) -> dict[str, tuple[Any, Any]]:
    """Keys that the stages read with another value than the shipped: that, and the shipped one.

    config: what HAM was run with; records: the stages', by name, whose settings count for more.
    """
    shipped = dict(flattened(load_config().plain()))
    own = dict(flattened(config))
    for record in records.values():
        own |= dict(flattened(record.get("config") or {}))
    return {
        key: (value, shipped[key])
        for key, value in own.items()
        if key in shipped and value != shipped[key]
    }
