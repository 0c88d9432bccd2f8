"""What a reader of the report must know first, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models.report.gather import STAGES, ScanFacts
from utils.verdict import GOOD, LEVELS

LARGE_SHIFT = 20.0  # pixels: a camera corrected by more may be broken


def worst_level(facts: ScanFacts) -> str:
    """The worst verdict of the stages."""
    levels = [level for level, _ in _verdicts(facts).values()]
    return max(levels, key=LEVELS.index, default=GOOD)


def warning_lines(facts: ScanFacts) -> list[str]:
    """Warnings of the run: verdicts that are not good, faults, cameras, masks, files."""
    lines = [f"{stage}: {level}. {reasons}" for stage, (level, reasons) in _not_good(facts)]
    diagnosis = facts.keypoints.get("diagnosis") or {}
    if diagnosis.get("cause"):
        lines.append(f"{diagnosis['cause']}; {diagnosis.get('remedy') or ''}".rstrip("; "))
    lines += diagnosis.get("notes") or ()
    if left_out := facts.keypoints.get("left_out"):
        lines.append(f"left out, for it contradicts all others: {_listed(left_out)}")
    swapped = [v["view"] for v in facts.keypoints.get("views", ()) if v.get("swapped")]
    if swapped:
        lines.append(f"left and right were named wrongly and exchanged: {_listed(swapped)}")
    lines += _camera_lines(facts)
    lines += _mask_lines(facts)
    lines += [f"{path.name}: a run ended in a fault of the suite" for path in _fault_logs(facts)]
    return lines + facts.problems


def missing_stages(facts: ScanFacts) -> list[str]:
    """The scripts whose results are not there, in the order in which they run."""
    gone = [script for name, script in STAGES if not _has_run(facts, name)]
    start = {"mano_optim.py", "multihands_mano.py"}  # either will do
    return [script for script in gone if script not in start or start <= set(gone)]


def _has_run(facts: ScanFacts, name: str) -> bool:
    found = {
        "pose_optim": facts.keypoints,
        "mano_optim": facts.fit,
        "mesh_sfs_optim": facts.refinement,
        "neural_render": facts.neural,
        "evaluate": facts.evaluations,
    }
    return bool(found.get(name)) or any(key.startswith(name) for key in facts.records)


def _verdicts(facts: ScanFacts) -> dict[str, tuple[str, str]]:
    """Level and reasons of each stage that has a verdict."""
    said = {}
    for stage, record in facts.records.items():
        verdict = record.get("verdict")
        if isinstance(verdict, dict) and verdict.get("level") in LEVELS:
            said[stage] = verdict["level"], "; ".join(map(str, verdict.get("reasons") or ()))
    return said


def _not_good(facts: ScanFacts) -> Iterator[tuple[str, tuple[str, str]]]:
    return ((stage, said) for stage, said in _verdicts(facts).items() if said[0] != GOOD)


def _camera_lines(facts: ScanFacts) -> Iterator[str]:
    shifts = facts.fit.get("camera_shift_px") or ()
    large = [(view, shift) for view, shift in enumerate(shifts) if (shift or 0) > LARGE_SHIFT]
    if large:
        named = ", ".join(f"{view} by {shift:.0f} px" for view, shift in large)
        yield f"cameras corrected by a lot: view {named}"


def _mask_lines(facts: ScanFacts) -> Iterator[str]:
    made = [verdict for verdict in facts.masks if verdict.get("made")]
    others = [v for v in facts.masks if not v.get("believed", True) and not v.get("made")]
    for group, what in ((made, "masks made anew from the photos"), (others, "masks not believed")):
        if group:
            yield f"{what}: " + ", ".join(f"view {v['view']} ({_reason(v)})" for v in group)


def _reason(verdict: Mapping[str, Any]) -> str:
    """Why a mask is not taken as given."""
    return str(verdict.get("reason", "")).rpartition("given: ")[2]


def _fault_logs(facts: ScanFacts) -> list[Path]:
    """Tracebacks that are newer than what the stage wrote since."""
    logs = []
    for log in sorted((facts.out_path / "runs").glob(f"{facts.scan_id}_*.log")):
        records = list((facts.out_path / "runs").glob(f"{log.stem}*.json"))
        if log.stem == f"{facts.scan_id}_report":  # which this very report mends
            continue
        if not any(record.stat().st_mtime >= log.stat().st_mtime for record in records):
            logs.append(log)
    return logs


def _listed(views: list) -> str:
    return f"view{'s' * (len(views) > 1)} " + ", ".join(map(str, views))
