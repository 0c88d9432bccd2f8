"""Opens captures: picks the reader of a layout by the config's `data_type`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import torch

from utils.captures.capture import Capture
from utils.captures.mends import mended as with_mend
from utils.captures.mends import recorded_left_out, recorded_mend, without_views
from utils.captures.readers import demo
from utils.errors import UserError


class CaptureJob(Protocol):
    """What `open_capture` needs to know; `utils.stage.Job` is one."""

    @property
    def data_path(self) -> Path: ...

    @property
    def scan_id(self) -> str: ...

    @property
    def out_path(self) -> Path: ...

    @property
    def config(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Reader:
    """One layout of files.

    read(data_path, scan_id, config) opens a scan; only headers and cameras are read then.
    scans(data_path) lists the scans that are there.
    """

    read: Callable[[Path, str, Mapping[str, Any]], Capture]
    scans: Callable[[Path], Sequence[str]]


READERS = {"demo": Reader(demo.read, demo.scans)}  # by `data_type`


def open_capture(job: CaptureJob, corrected: bool = False, mended: bool = False) -> Capture:
    """The capture that a job names.

    corrected: in the cameras O/cameras/param_S.npz where a stage has corrected them; mended: with
    keypoints in the order and under the names that pose_optim.py found to be meant, and without
    what the views say that it left out. Prints what
    the reader had to interpret, once a process, now or when it is found out. Raises UserError as
    `load_capture`.
    """
    capture = load_capture(job.data_path, job.scan_id, job.config)
    capture.notes.tell(partial(_print_once, capture.name))
    if mended:
        facts = job.out_path / "keypoints3d" / f"keypoints_3d_{job.scan_id}.json"
        capture = with_mend(capture, recorded_mend(facts))
        capture = without_views(capture, recorded_left_out(facts, len(capture)))
    path = job.out_path / "cameras" / f"param_{job.scan_id}.npz"
    return capture.with_corrected_cameras(path) if corrected and path.is_file() else capture


@cache
def _print_once(capture: str, note: str) -> None:
    print(f"note: {note}")


def load_capture(
    data_path: str | Path, scan_id: str, config: Mapping[str, Any] | None = None
) -> Capture:
    """Open scan S of the folder D as the config says (None: in the demo layout, unchecked).

    Raises UserError for an unknown `data_type` and whatever the layout's reader finds wrong.
    """
    config = config or {}
    capture = _reader(config).read(Path(data_path), str(scan_id), config)
    return _scaled(capture, config.get("k_scale", 1.0))


def _scaled(capture: Capture, k_scale: float) -> Capture:
    """K of other photos, 1 / k_scale times as large, brought to these; borders stay borders."""
    if k_scale == 1:
        return capture
    A = torch.diag(torch.tensor([k_scale, k_scale, 1.0], dtype=torch.float64))
    A[:2, 2] = (k_scale - 1) / 2  # the centre of the top-left pixel is (0, 0)
    return replace(capture, cameras=replace(capture.cameras, K=A @ capture.cameras.K))


def list_scans(data_path: str | Path, config: Mapping[str, Any] | None = None) -> Sequence[str]:
    """Names of the scans in the folder D, in natural order."""
    return _reader(config or {}).scans(Path(data_path))


def _reader(config: Mapping[str, Any]) -> Reader:
    data_type = config.get("data_type", "demo")
    if data_type not in READERS:
        raise UserError(f"data_type = {data_type}: no such layout; there are {', '.join(READERS)}")
    return READERS[data_type]
