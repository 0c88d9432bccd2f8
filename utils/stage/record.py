"""Records of runs, by which a rerun can tell that nothing is left to do."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from utils.io.files import load_json, newest_change, save_json
from utils.stage.job import Job


class StageRecord:
    """The record of one run, `O/runs/S_STAGE.json`: written last, so that it vouches for the rest.

    It holds the config keys that the run read, the device, the seed, `options` (of the command
    line), times and memory, and the outputs with which a rerun can tell that nothing is left to do.
    """

    def __init__(self, job: Job, stage: str, options: Any = None):
        self.path = job.out_path / "runs" / f"{job.scan_id}_{stage}.json"
        self.job, self.stage, self.start = job, stage, time.perf_counter()
        self.made_with = {"seed": job.seed, "options": options}

    def is_current(self, inputs: Iterable[str | Path]) -> bool:
        """True when the outputs are complete, newer than `inputs` and made with this config."""
        if self.job.overwrite or not self.path.exists():
            return False
        record = load_json(self.path)
        if {key: record.get(key) for key in self.made_with} != self.made_with:
            return False
        if not self.job.config.agrees(record["config"]):
            return False
        outputs = [self.job.out_path / name for name in record["outputs"]]
        if not all(path.exists() for path in outputs):
            return False
        if newest_change(inputs) > self.path.stat().st_mtime:
            return False
        print(f"{self.stage}, scan {self.job.scan_id}: up to date (--overwrite runs it again)")
        return True

    def finish(self, outputs: Iterable[Path], **facts: Any) -> None:
        """Write the record of the finished run."""
        names = [os.path.relpath(path, self.job.out_path) for path in outputs]
        peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        save_json(
            self.path,
            {
                "config": self.job.config.reads(),
                **self.made_with,
                "stage": self.stage,
                "data_path": str(self.job.data_path),
                "device": self.job.device,
                "seconds": round(time.perf_counter() - self.start, 2),
                "peak_memory_gb": round(peak_bytes / 1e9, 2),
                **facts,
                "outputs": names,
            },
        )
