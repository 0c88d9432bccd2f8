"""The page over all scans of a results folder, from what their reports say of themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from models.report.pages import environment
from models.report.tables import number
from utils.errors import UserError
from utils.io.files import natural_order, save_text
from utils.io.stamps import file_stamps
from utils.stage.outcomes import failure_notes, failures
from utils.verdict import FAILED, GOOD, LEVELS

MOST_WRITES = 5  # of one index, while other processes write reports
HEAD_BYTES = 65_536  # of a report, among which its summary stands
SUMMARY = re.compile(r'<script type="application/json" id="summary">(.*?)</script>', re.S)
COLUMNS = {  # heading -> number of the summary, digits, whether large is good
    "keypoints px": ("residual_px", 1, False),
    "IoU": ("iou", 3, True),
    "PSNR dB": ("psnr", 2, True),
    "neural dB": ("neural_psnr", 2, True),
    "surface mm": ("surface_mm", 3, False),
    "seconds": ("seconds", 0, False),
}


def write_index(out_path: Path, results: str) -> Path:
    """Write O/index.html over O/`results`/S/report.html of all scans; returns its path.

    A scan whose stages failed in a batch (`utils.stage.outcomes`) has a row that says why, even
    without a report. Several processes may write it at once: each looks again when it has written,
    so that the last one has seen all. Raises UserError that names the first report that is broken;
    the index is left as it was.
    """
    path, seen = out_path / "index.html", None
    for _ in range(MOST_WRITES):
        sources = _sources(out_path, results)
        if sources == seen:
            break
        seen = sources
        rows = _rows(out_path, out_path / results)
        page = environment().get_template("index.html.j2")
        columns = _used_columns(rows)
        save_text(path, page.render(title=out_path.resolve().name, rows=rows, columns=columns))
    return path


def _sources(out_path: Path, results: str) -> tuple[list[Path], tuple]:
    """What an index is made of, and each file's stamp, which changes with the file."""
    paths = [*sorted((out_path / results).glob("*/report.html")), *failure_notes(out_path)]
    return paths, file_stamps(paths)


def _rows(out_path: Path, results: Path) -> list[dict[str, Any]]:
    """The rows of all scans, worst first."""
    causes = failures(out_path)
    reports = sorted(results.glob("*/report.html"), key=_by_scan)
    rows = [
        _row(out_path, path, read_summary(path), causes.pop(path.parent.name, ""))
        for path in reports
    ]
    rows += [_failed_row(scan, cause) for scan, cause in causes.items()]
    return sorted(rows, key=_worst_first)


def read_summary(path: Path) -> dict[str, Any]:
    """What a report says of its scan; raises UserError where it is cut short or none of ours."""
    remedy = f"remove it, or run python report.py on scan {path.parent.name} again"
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES).decode("utf-8", "replace")
            file.seek(max(path.stat().st_size - 64, 0))
            ends = file.read().rstrip().endswith(b"</html>")
        summary = json.loads(SUMMARY.search(head)[1])
        if not ends or summary["level"] not in LEVELS or not isinstance(summary["numbers"], dict):
            raise ValueError("incomplete")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(f"{path} is no complete report of a scan; {remedy}") from error
    return summary


def _by_scan(path: Path) -> list[tuple[bool, int, str]]:
    return natural_order(path.parent.name)


def _row(out_path: Path, path: Path, summary: dict[str, Any], cause: str) -> dict[str, Any]:
    """The row of a scan with a report; cause: of the stage that failed after it, if one did."""
    numbers = summary["numbers"]
    level = FAILED if cause else summary["level"]
    return {
        "scan": path.parent.name,
        "link": quote(path.relative_to(out_path).as_posix()),
        "level": level,
        "cause": cause,
        "badness": LEVELS.index(level),
        "warnings": summary.get("warnings", 0),
        "thumbnail": summary.get("thumbnail", ""),
        "made": summary.get("made", ""),
        "psnr": numbers.get("psnr"),
        "cells": {
            head: (numbers.get(key), number(numbers.get(key), digits))
            for head, (key, digits, _) in COLUMNS.items()
        },
    }


def _failed_row(scan: str, cause: str) -> dict[str, Any]:
    """The row of a scan without a report."""
    facts = {"scan": scan, "link": "", "level": FAILED, "badness": LEVELS.index(FAILED)}
    cells = dict.fromkeys(COLUMNS, (None, ""))
    rest = {"warnings": "", "thumbnail": "", "made": "", "psnr": None, "cells": cells}
    return {**facts, **rest, "cause": cause}


def _worst_first(row: dict[str, Any]) -> tuple:
    psnr = row["psnr"] if isinstance(row["psnr"], int | float) else -1.0  # unfinished ones first
    return -row["badness"], psnr, row["level"] == GOOD


def _used_columns(rows: Sequence[dict[str, Any]]) -> dict[str, bool]:
    """Headings of the columns that hold a number, and whether large is good."""
    return {
        head: large
        for head, (_, _, large) in COLUMNS.items()
        if any(row["cells"][head][0] is not None for row in rows)
    }
