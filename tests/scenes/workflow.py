"""Settings, plans and made-up runs of stages for tests of the workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.io.files import save_text
from utils.stage import Job, StageRecord

STAGES = ["pose_optim", "mano_optim"]


def settings_of(data: Path | str, **changed: Any) -> dict[str, Any]:
    """The workflow's settings for a folder of scans, as Snakemake would hand them over."""
    settings = {
        **{"data_path": str(data), "out_path": "", "scans": ["*"], "table": "", "interhand": ""},
        **{"every": 1, "conf": "", "set": [], "seed": 0, "stages": STAGES, "options": {}},
        **{"scans_a_job": 2, "attempts": 3, "busy_minutes": 0, "again": False, "gpus": 0},
        **{"gpu_stages": [], "python": ""},
    }
    return {**settings, **changed}


def make_scans(data: Path, names: list[str]) -> Path:
    """Folders of scans with a file each, enough for stages that are made up; `data`."""
    for name in names:
        save_text(data / name / "img" / "00.png", name)
    return data


def made_up_stage(job: Job, stage: str) -> None:
    """Do as a stage does: read a file, write one, and a record. A file "bad" fails it."""
    source = job.scan_dir / "img" / "00.png"
    assert job.config.num is not True
    if source.read_text(encoding="utf-8") == "bad":
        raise UserError(f"{source} is damaged; copy it again")
    record = StageRecord(job, stage)
    if record.is_current([source]):
        return
    result = job.out_path / stage / f"{job.scan_id}.txt"
    save_text(result, source.read_text(encoding="utf-8"))
    record.finish([result])


def make_captures(data: Path, count: int) -> Path:
    """Captures 1..count of two hands in 5 views of 120 x 160, keypoints exact; `data`."""
    from tests.scenes.captures import project, ring_of_cameras, two_hands, write_capture

    for number in range(1, count + 1):
        cameras = ring_of_cameras(5, size=(120, 160), focal=200.0)
        hands = two_hands(np.random.default_rng(number))
        write_capture(data / str(number), cameras, project(cameras, hands), hands)
    return data
