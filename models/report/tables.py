"""The numbers of a report as rows of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.report.gather import ScanFacts

NONE = "\N{EN DASH}"  # where there is no number


@dataclass(frozen=True)
class Table:
    """Headings and rows of cells; the first column names the row."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def without_empty_columns(self) -> Table:
        """The same without columns in which no row has anything."""
        used = [
            k for k in range(len(self.heads)) if any(row[k] not in ("", NONE) for row in self.rows)
        ]
        rows = [[row[k] for k in used] for row in self.rows]
        return Table([self.heads[k] for k in used], rows)


def number(value: Any, digits: int = 2, unit: str = "") -> str:
    """A number for people, or a dash where there is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return NONE
    return f"{value:.{digits}f}{unit}"


def headline(facts: ScanFacts) -> dict[str, float | None]:
    """The numbers that scans are compared by, by name; None where no stage has found them."""
    fitted = facts.refinement.get("fitted_views") or {}
    residuals = [
        hand.get("median_residual")
        for hand in (facts.keypoints.get("summary") or {}).values()
        if isinstance(hand, dict)
    ]
    return {
        "residual_px": max((r for r in residuals if r is not None), default=None),
        "iou": fitted.get("iou"),
        "psnr": fitted.get("psnr"),
        "neural_psnr": _tried(facts, "neural"),
        "neural_base": _tried(facts, "mesh"),
        "surface_mm": _surface_mm(facts),
        "seconds": sum(r.get("seconds") or 0 for r in facts.records.values()) or None,
    }


def _tried(facts: ScanFacts, what: str) -> float | None:
    """Mean PSNR of the views that the neural renderer held out in turn: its own, or the mesh's."""
    scores = (facts.neural.get("tried") or {}).get(what) or []
    return sum(scores) / len(scores) if scores else None


def _surface_mm(facts: ScanFacts) -> float | None:
    """Chamfer distance to the truth, the best known evaluation's."""
    for evaluation in facts.evaluations.values():
        surface = ((evaluation.get("truth") or {}).get("surface") or {}).get("all") or {}
        if surface.get("chamfer_mm") is not None:
            return surface["chamfer_mm"]
    return None


def stage_table(facts: ScanFacts) -> Table:
    """One row a stage: verdict, seconds, memory, device, seed, code, when."""
    heads = ["stage", "verdict", "seconds", "peak memory", "device", "seed", "code", "finished"]
    records = sorted(facts.records.items(), key=lambda item: _finished(facts, item[0]))
    rows = []
    for stage, record in records:
        rows.append(
            [
                stage,
                str((record.get("verdict") or {}).get("level", NONE)),
                number(record.get("seconds"), 1),
                number(record.get("peak_memory_gb"), 2, " GB"),
                str(record.get("device", NONE)),
                str(record.get("seed", NONE)),
                str(record.get("code") or NONE)[:8],
                datetime.fromtimestamp(_finished(facts, stage)).strftime("%Y-%m-%d %H:%M"),
            ]
        )
    return Table(heads, rows)


def _finished(facts: ScanFacts, stage: str) -> float:
    return (facts.out_path / "runs" / f"{facts.scan_id}_{stage}.json").stat().st_mtime


def view_table(facts: ScanFacts) -> Table:
    """One row a view: keypoints, camera corrections, mask, scores of the fitted mesh."""
    heads = ["view", "keypoints px", "outliers", "camera px", "mask", "IoU start", "IoU", "PSNR dB"]
    keypoints = _by_view(facts.keypoints.get("views"))
    masks, scores = _by_view(facts.masks), _by_view(facts.refinement.get("views"))
    shifts = facts.fit.get("camera_shift_px") or ()
    rows = []
    for view in range(facts.view_count()):
        seen, score = keypoints.get(view, {}), scores.get(view, {})
        rows.append(
            [
                view_name(facts, view),
                number(seen.get("median_residual"), 1),
                number(seen.get("outliers"), 0),
                number(shifts[view], 1) if view < len(shifts) else NONE,
                mask_word(masks.get(view)),
                number(score.get("iou_start"), 3),
                number(score.get("iou"), 3),
                number(score.get("psnr"), 1),
            ]
        )
    return Table(heads, rows).without_empty_columns()


def mask_word(verdict: Mapping[str, Any] | None) -> str:
    """What became of a view's mask: believed, made, left out."""
    if verdict is None:
        return NONE
    if verdict.get("made"):
        return "made"
    return "believed" if verdict.get("believed") else "not believed"


def view_name(facts: ScanFacts, view: int) -> str:
    """A view for people."""
    return str(view) if facts.capture is None else facts.capture.label(view)


def _by_view(entries: Any) -> dict[int, dict[str, Any]]:
    return {entry["view"]: entry for entry in entries or ()}


def evaluation_table(metrics: Mapping[str, Any]) -> Table:
    """The means of an evaluation, one row a renderer."""
    heads = ["rendering", "IoU", "PSNR", "PSNR aligned", "SSIM", "FLIP", "LPIPS"]
    mean = metrics.get("mean") or {}
    mask = mean.get("mask") or {}
    rows = [
        [
            {"mesh": "mesh shading", "nr": "neural"}.get(name, name),
            number(mask.get("iou"), 3),
            number(scores.get("psnr")),
            number(scores.get("psnr_aligned")),
            number(scores.get("ssim"), 3),
            number(scores.get("flip"), 3),
            number(scores.get("lpips"), 3),
        ]
        for name, scores in mean.items()
        if not name.startswith("mask") and isinstance(scores, dict)
    ]
    return Table(heads, rows).without_empty_columns()


def truth_table(metrics: Mapping[str, Any]) -> Table | None:
    """The surface against the truth, or None where there is none."""
    surface = (metrics.get("truth") or {}).get("surface")
    if not surface:
        return None
    heads = ["surface", "Chamfer mm", "90 % mm", "99 % mm", "normals °", "F 0.5 mm", "F 1 mm"]
    rows = []
    for name, scores in surface.items():
        back = scores.get("to_truth") or scores.get("from_truth") or {}
        share = scores.get("f_score") or {}
        rows.append(
            [
                name,
                number(scores.get("chamfer_mm"), 3),
                number(back.get("p90_mm"), 3),
                number(back.get("p99_mm"), 3),
                number(scores.get("normal_deg")),
                number(share.get("0.5_mm"), 3),
                number(share.get("1_mm"), 3),
            ]
        )
    return Table(heads, rows).without_empty_columns()
