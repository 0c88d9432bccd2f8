"""Writes what a sequence's fit found, and says what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models.sequences.files import save_sequence, sequence_path
from models.sequences.fitting import SequenceFit
from models.sequences.opened import OpenedSequence
from models.sequences.verdict import Written
from utils.io.files import save_json
from utils.stage import Job
from utils.stage.frames import listed


def save_sequence_fit(
    job: Job, opened: OpenedSequence, fit: SequenceFit, written: Written
) -> list[Path]:
    """Write S_sequence.npz and S.json; their paths, then those of all frames' files."""
    path, names = sequence_path(job.out_path, job.scan_id), opened.names()
    rate = job.config.sequence.frame_rate / opened.chosen.step
    save_sequence(path, fit.courses, fit.like, names, rate)
    bridged = {
        side: [names[step] for step in np.flatnonzero(course.bridged)]
        for side, course in fit.courses.items()
    }
    for side, frames in bridged.items():
        if frames:
            print(f"note: the {side} hand is bridged in {len(frames)} frames: {listed(frames)}")
    facts = {
        "frames": names,
        "failed": [name for name, result in written.items() if result is None] + opened.failed,
        "missing": list(opened.chosen.missing),
        "bridged": bridged,
        "noise_over_claimed": {side: c.noise for side, c in fit.courses.items()},
        "camera_support": fit.shared.support,
        "cameras_corrected": fit.shared.corrected,
        "camera_shift_px": fit.shared.shift_px,
        "by_frame": {name: _numbers(result) for name, result in written.items() if result},
    }
    about = path.with_name(f"{job.scan_id}.json")
    save_json(about, facts)
    outputs = [Path(p) for result in written.values() if result for p in result["outputs"]]
    return [path, about, *outputs]


def _numbers(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in ("outputs", "verdict")}
