"""Reading what a stage noted of each scan (`utils.stage.outcomes`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from utils.io.json_lines import read_lines
from utils.stage.outcomes import KINDS


def read_outcomes(path: Path) -> dict[str, dict[str, Any]]:
    """The last outcome of each scan in a file of --outcomes; a line that was cut short is none."""
    found: dict[str, dict[str, Any]] = {}
    if not path.is_file():
        return found
    for facts in read_lines(path):
        if facts.get("kind") in KINDS and "scan_id" in facts:
            found[facts["scan_id"]] = {"cause": "", "where": "", "records": [], **facts}
    return found
