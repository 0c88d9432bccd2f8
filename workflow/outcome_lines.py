"""Reading what a stage noted of each scan (`utils.stage.outcomes`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from utils.stage.outcomes import KINDS


def read_outcomes(path: Path) -> dict[str, dict[str, Any]]:
    """The last outcome of each scan in a file of --outcomes; a line that was cut short is none."""
    found: dict[str, dict[str, Any]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        try:
            facts = json.loads(line)
        except ValueError:
            continue
        if isinstance(facts, dict) and facts.get("kind") in KINDS and "scan_id" in facts:
            found[facts["scan_id"]] = {"cause": "", "where": "", "records": [], **facts}
    return found
