"""Calls Snakemake on the workflow as a user would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

PIP = "pip install -r requirements-workflow.txt, or SNAKEMAKE=/another/environment/bin/snakemake"


def program() -> str | None:
    """Snakemake: what SNAKEMAKE names, this environment's, or what the shell would find."""
    beside = Path(sys.executable).with_name("snakemake")
    own = str(beside) if beside.is_file() else None
    return os.environ.get("SNAKEMAKE") or own or shutil.which("snakemake")


def missing() -> str:
    """Why Snakemake cannot be called here; "" where it can."""
    return "" if program() else f"no snakemake ({PIP})"


def command(folder: Path, profile: str, more: Sequence[str], **settings: Any) -> list[str]:
    """The command line for scans in folder/data; results and the workflow's own files beside."""
    given = {"data_path": folder / "data", "out_path": folder / "out", "work": folder / "work"}
    given |= {"python": sys.executable, **settings}
    return [
        *(str(program()), "-s", str(ROOT / "workflow" / "Snakefile"), "--directory", str(folder)),
        *("--profile", str(ROOT / "workflow" / "profiles" / profile), *more),
        *("--config", *(f"{key}={value}" for key, value in given.items())),
    ]


def call(
    folder: Path,
    profile: str,
    more: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    **settings: Any,
) -> subprocess.CompletedProcess:
    """Run it to its end; stdout holds all that it said."""
    return subprocess.run(
        command(folder, profile, more, **settings),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
