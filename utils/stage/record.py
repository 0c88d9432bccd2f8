"""Records of runs, by which a rerun can tell that nothing is left to do."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.io.files import load_record, remove_abandoned, save_json
from utils.io.fingerprint import (
    Fingerprint,
    code_version,
    file_names,
    fingerprint,
    hashes,
    same_content,
)
from utils.paths import ROOT
from utils.stage.job import Job
from utils.stage.lock import BusyError, hold, is_kept, refuse_held, release

FORMAT = 2


class StageRecord:
    """The record of one run, `O/runs/S_STAGE.json`: what was made of what.

    It holds the config keys that the run read, the seed, `options` (of the command line), the
    fingerprints of all inputs, absent ones too, and of all outputs: contents are compared, not
    dates. A record that cannot be read vouches for nothing. It is removed before a run replaces the
    first result and written after the last one; between them, the stage's lock of this scan
    (O/runs/S_STAGE.lock) keeps other processes out. lock: its name where several stages write the
    same files.
    """

    def __init__(self, job: Job, stage: str, options: Any = None, lock: str | None = None):
        self.path = job.out_path / "runs" / f"{job.scan_id}_{stage}.json"
        self.lock = lock_path(job, lock or stage)
        self.job, self.stage, self.start = job, stage, time.perf_counter()
        self._cpu_start = time.process_time()
        self.made_with = {"seed": job.seed, "options": options}
        self.inputs: dict[str, Fingerprint] = {}
        self._before = load_record(self.path)

    def is_current(self, inputs: Iterable[str | Path]) -> bool:
        """True when the outputs are what a run made of just these inputs, with this config.

        Otherwise the scan's lock is made and the record removed, since results are about to be
        replaced. Raises UserError where the folder holds results of another capture, BusyError
        where another process runs this stage on this scan.
        """
        self._refuse_other_captures()
        inputs = list(inputs)
        self.inputs = self._fingerprints(inputs, "inputs")
        if self._is_done():
            return True
        hold(self.lock, f"scan {self.job.scan_id}: {self.stage}")
        self._before = load_record(self.path)  # another process may have finished just now
        self.inputs = self._fingerprints(inputs, "inputs")
        if self._is_done():
            release(self.lock)
            return True
        _remove(self.path)
        return False

    def _is_done(self) -> bool:
        """Whether the record says that nothing is left to do; then that is printed."""
        if self.job.overwrite or not self._vouches():
            return False
        note = "up to date (--overwrite runs it again)"
        if self._before.get("code") != code_version():
            note += "; it was made by another version of the code"
        print(f"{self.stage}, scan {self.job.scan_id}: {note}")
        self.job.records.append(self.path)
        return True

    def recall(self, *stages: str) -> None:
        """Say the verdicts of stages before this one that are not good.

        Raises BusyError where another process runs one of them on this scan: its results are
        about to change.
        """
        for stage in stages:
            refuse_held(lock_path(self.job, stage), f"scan {self.job.scan_id}: {stage}")
            path = self.path.with_name(f"{self.job.scan_id}_{stage}.json")
            verdict = load_record(path).get("verdict")
            if isinstance(verdict, dict) and verdict.get("level") not in (None, "good"):
                reasons = "; ".join(map(str, verdict.get("reasons") or ()))
                print(f"note: {stage}'s verdict is {verdict['level']}: {reasons}")

    def finish(self, outputs: Iterable[Path], **facts: Any) -> None:
        """Write the record of the finished run; what killed runs left half-written goes.

        Raises BusyError, and writes no record, where inputs changed while the stage ran or where
        another process took the lock: results may be of two minds.
        """
        outputs = list(outputs)
        self._check_alone(outputs)
        remove_abandoned([self.path.parent, *(path.parent for path in outputs)])
        peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        save_json(
            self.path,
            {
                "format": FORMAT,
                "stage": self.stage,
                "scan_id": self.job.scan_id,
                "data_path": str(self.job.data_path.resolve()),
                "config": self.job.config.reads(),
                **self.made_with,
                "device": self.job.device,
                "code": code_version(),
                "seconds": round(time.perf_counter() - self.start, 2),
                "cpu_seconds": round(time.process_time() - self._cpu_start, 2),
                "peak_memory_gb": round(peak_bytes / 1e9, 2),
                "machine": socket.gethostname(),
                "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                **facts,
                "inputs": self.inputs,
                "outputs": self._fingerprints(outputs, "outputs"),
            },
        )
        self.job.records.append(self.path)
        release(self.lock)

    def still_vouches(self) -> bool:
        """Whether the record's own inputs, settings and outputs are still as they were then.

        For who only asks: nothing is said, locked or removed. Inputs that came later are not seen,
        nor another seed or options than those given to this object.
        """
        before = self._before.get("inputs")
        if not isinstance(before, dict):
            return False
        self.inputs = {name: fingerprint(self._path(name), each) for name, each in before.items()}
        return self._vouches()

    def _check_alone(self, outputs: Iterable[Path]) -> None:
        """What this run wrote itself, such as new keypoints for given ones, may have changed."""
        own = self._names(outputs)
        what = f"scan {self.job.scan_id}: {self.stage}"
        if not is_kept(self.lock):
            raise BusyError(f"{what} stood still, and another process took over; run it again")
        for name, before in self.inputs.items():
            if name in own or same_content(fingerprint(self._path(name), before), before):
                continue
            raise BusyError(f"{what}: {name} changed while it ran; run it again")

    def renew(self, path: Path) -> None:
        """Take a file's present content for what this stage wrote or read: another rewrote it."""
        ((name, _),) = self._names([path]).items()
        if name in self.inputs:
            self.inputs[name] = fingerprint(path)
        record = load_record(self.path)
        if name in record.get("outputs", ()):
            record["outputs"][name] = fingerprint(path)
            save_json(self.path, record)

    def contents(self) -> dict[str, str | None]:
        """The hash of every input, by name; None where there is no such file."""
        return hashes(self.inputs)

    def _vouches(self) -> bool:
        before = self._before
        if before.get("format") != FORMAT or not isinstance(before.get("config"), dict):
            return False
        outputs = before.get("outputs")
        if not isinstance(outputs, dict) or not isinstance(before.get("inputs"), dict):
            return False
        if {key: before.get(key) for key in self.made_with} != self.made_with:
            return False
        if not self.job.config.agrees(before["config"]):
            return False
        if before["inputs"].keys() != self.inputs.keys():
            return False
        if not all(same_content(each, before["inputs"][k]) for k, each in self.inputs.items()):
            return False
        return all(
            each is not None and same_content(fingerprint(self._path(name), each), each)
            for name, each in outputs.items()
        )

    def _refuse_other_captures(self) -> None:
        """Results of another capture of this name must not be taken for this one's."""
        own = self.job.data_path.resolve()
        for path in self.path.parent.glob("*.json"):
            if not path.name.startswith(f"{self.job.scan_id}_"):
                continue
            record = self._before if path == self.path else load_record(path)
            other = record.get("data_path")
            if record.get("scan_id") != self.job.scan_id or not isinstance(other, str):
                continue
            if Path(other) == own or not Path(other).is_dir():  # a folder may have moved
                continue
            if not self.job.overwrite:
                raise UserError(
                    f"{self.job.out_path} holds results of {other}, and this is {own}; give "
                    "another --out_path, or --overwrite replaces them"
                )
            _remove(path)

    def _names(self, paths: Iterable[str | Path]) -> dict[str, Path]:
        return file_names(paths, {"O": self.job.out_path, "D": self.job.data_path})

    def _path(self, name: str) -> Path:
        root, _, rest = name.partition("/")
        folders = {"O": self.job.out_path, "D": self.job.data_path, "suite": ROOT}
        return folders[root] / rest if root in folders else Path(name)

    def _fingerprints(self, paths: Iterable[str | Path], kind: str) -> dict[str, Fingerprint]:
        known = self._before.get(kind)
        known = known if isinstance(known, dict) else {}
        named = self._names(paths)
        return {name: fingerprint(path, known.get(name)) for name, path in named.items()}


def lock_path(job: Job, stage: str) -> Path:
    """The file that locks a stage of the job's scan."""
    return job.out_path / "runs" / f"{job.scan_id}_{stage}.lock"


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UserError(
            f"cannot replace {path} ({error.strerror}); make its folder writable or give another "
            "--out_path"
        ) from error
