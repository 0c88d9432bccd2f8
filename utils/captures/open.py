"""Opens captures: picks the reader of a layout by the config's `data_type`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

from utils.captures.capture import Capture
from utils.captures.mends import mended as with_mend
from utils.captures.mends import recorded_left_out, recorded_mend, without_views
from utils.captures.readers import demo, dhm, interhand, rig
from utils.captures.readers.formats import FORMATS
from utils.captures.truth import CaptureTruth
from utils.detection.own_files import OwnFiles
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

    read(data_path, scan_id, config, made_path) opens a scan; only headers and cameras are read
    then. made_path: folder (of the results) of the masks and keypoints that stages made of a scan
    whose own folder nobody should write into. scans(data_path, config) lists the scans that are
    there. out_path(data_path, config): the results' folder where none is named; None: as the
    data's. truth(data_path, scan_id, config): what the layout knows of a scan beside its photos.
    """

    read: Callable[[Path, str, Mapping[str, Any], Path | None], Capture]
    scans: Callable[[Path, Mapping[str, Any]], Sequence[str]]
    out_path: Callable[[Path, Mapping[str, Any]], Path | None] = lambda data_path, config: None
    truth: Callable[[Path, str, Mapping[str, Any]], CaptureTruth | None] = lambda *scan: None


READERS = {  # by `data_type`
    "demo": Reader(demo.read, demo.scans),
    "interhand": Reader(interhand.read, interhand.scans, interhand.out_path),
    "dhm": Reader(dhm.read, dhm.scans, dhm.out_path, dhm.truth),
    **{name: Reader(partial(rig.read, form), rig.scans) for name, form in FORMATS.items()},
}


def open_capture(job: CaptureJob, corrected: bool = False, mended: bool = False) -> Capture:
    """The capture that a job names.

    corrected: in the cameras O/cameras/param_S.npz where a stage has corrected them; mended: with
    keypoints in the order and under the names that pose_optim.py found to be meant, and without
    what the views say that it left out. Prints what
    the reader had to interpret, once a process, now or when it is found out. Raises UserError as
    `load_capture`.
    """
    made_path = job.out_path / "made" / job.scan_id
    capture = load_capture(job.data_path, job.scan_id, job.config, made_path)
    capture.notes.tell(partial(_print_once, capture.name))
    own = OwnFiles.of_detection(job.out_path, job.scan_id, job.data_path / job.scan_id)
    paths = capture.files("mask")
    detected = [view for view, path in enumerate(paths) if own.wrote(path)]
    capture = replace(capture, detected_masks=detected)
    if mended:
        facts = job.out_path / "keypoints3d" / f"keypoints_3d_{job.scan_id}.json"
        capture = with_mend(capture, recorded_mend(facts))
        capture = without_views(capture, recorded_left_out(facts, len(capture)))
    path = job.out_path / "cameras" / f"param_{job.scan_id}.npz"
    return capture.with_corrected_cameras(path) if corrected and path.is_file() else capture


def capture_truth(job: CaptureJob) -> CaptureTruth | None:
    """The ground truth that comes with the scan that a job names, if its layout has any."""
    return _reader(job.config).truth(job.data_path, job.scan_id, job.config)


@cache
def _print_once(capture: str, note: str) -> None:
    print(f"note: {note}")


def load_capture(
    data_path: str | Path,
    scan_id: str,
    config: Mapping[str, Any] | None = None,
    made_path: Path | None = None,
) -> Capture:
    """Open scan S of the folder D as the config says (None: in the demo layout, unchecked).

    made_path: as `Reader` says. Raises UserError for an unknown `data_type` and whatever the
    layout's reader finds wrong.
    """
    config = config or {}
    return _reader(config).read(Path(data_path), str(scan_id), config, made_path)


def list_scans(data_path: str | Path, config: Mapping[str, Any] | None = None) -> Sequence[str]:
    """Names of the scans in the folder D, in natural order."""
    config = config or {}
    return _reader(config).scans(Path(data_path), config)


def named_out_path(data_path: Path, config: Mapping[str, Any]) -> Path | None:
    """The folder of the results that the layout names; None: the one named like the data's."""
    return _reader(config).out_path(data_path, config)


def _reader(config: Mapping[str, Any]) -> Reader:
    data_type = config.get("data_type", "demo")
    if data_type not in READERS:
        raise UserError(f"data_type = {data_type}: no such layout; there are {', '.join(READERS)}")
    return READERS[data_type]
