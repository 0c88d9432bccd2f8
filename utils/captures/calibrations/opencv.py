"""Calibrations that people write with OpenCV's FileStorage: YAML, XML or JSON.

Three forms: a stereo pair (M1 D1 M2 D2 and R T, in one file or in intrinsics and extrinsics, as
OpenCV's stereo_calib sample writes them); one file a camera in a folder (OpenPose's [R|t], JARVIS,
calibrateCamera's matrices with rvec and tvec); a table a camera in one file. x_cam = R x + t,
OpenCV's axes; the first pixel's centre is (0, 0). Files do not say their unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.captures.calibrations.filestorage import load_filestorage
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera
from utils.captures.calibrations.opencv_entries import Entries
from utils.captures.calibrations.reading import checked, left_out
from utils.errors import UserError
from utils.io.files import natural_order
from utils.words import listed

SUFFIXES = (".yml", ".yaml", ".xml", ".json")
PAIR = {"intrinsic": "extrinsic", "extrinsic": "intrinsic"}  # within names of files


def read(path: Path) -> Calibration:
    """The cameras of a file or a folder of files.

    Raises UserError on files that hold no camera matrix and where no camera has a pose.
    """
    if path.is_dir():
        files = sorted(_files(path), key=lambda file: natural_order(file.name))
        if not files:
            raise UserError(f"{path} holds no {', '.join(SUFFIXES)} file of OpenCV's")
        tables = {file: load_filestorage(file) for file in files}
        pair = [file for file in files if _other_half(file) in tables]
        if len(pair) == 2:
            stereo = _one_table(path, pair, {**tables[pair[0]], **tables[pair[1]]})
            return replace(stereo, notes=[*stereo.notes, *_passed_over(set(files) - set(pair))])
        return _one_a_file(path, tables)
    files = [path]
    other = _other_half(path)
    if other is not None and other.is_file():
        files.append(other)
    merged: dict[str, Any] = {}
    for file in files:
        merged |= load_filestorage(file)
    return _one_table(path, files, merged)


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file()]


def _other_half(path: Path) -> Path | None:
    """extrinsics.yml of intrinsics.yml and the other way round; None for other names."""
    for half, other in PAIR.items():
        if half in path.stem.lower():
            at = path.stem.lower().index(half)
            stem = path.stem[:at] + path.stem[at:].lower().replace(half, other, 1)
            return path.with_name(stem + path.suffix)
    return None


def _one_a_file(folder: Path, tables: dict[Path, dict[str, Any]]) -> Calibration:
    """A rig whose cameras are called as their files are."""
    cameras, without_pose, foreign, notes = [], [], [], []
    read_files = []
    for file, table in tables.items():
        held = Entries(file, f"camera {file.stem}", table)
        if not held.has_optics():
            foreign.append(file)
            continue
        read_files.append(file)
        if not held.has_pose():
            without_pose.append(file.stem)
            continue
        cameras.append(_single(file, file.stem, held))
        notes += held.notes
    notes += left_out(without_pose, "without a pose (R, T or rvec, tvec)")
    notes += _passed_over(foreign)
    return checked(folder, Calibration(cameras, read_files, notes=list(dict.fromkeys(notes))))


def _passed_over(files: Iterable[Path]) -> list[str]:
    names = listed(sorted(file.name for file in files))
    return [f"files that hold none of the cameras are passed over: {names}"] if names else []


def _one_table(path: Path, files: list[Path], table: dict[str, Any]) -> Calibration:
    held = Entries(path, "the file", table)
    sides = held.sides()
    if sides:
        return checked(path, Calibration(_stereo(path, held, sides), files, notes=held.notes))
    rig = {key: value for key, value in table.items() if isinstance(value, dict)}
    rig = {key: Entries(path, f"camera {key}", value) for key, value in rig.items()}
    rig = {key: entries for key, entries in rig.items() if entries.has_optics()}
    if not rig:
        rig = {path.stem: Entries(path, f"camera {path.stem}", table)}
    without_pose = [name for name, entries in rig.items() if not entries.has_pose()]
    cameras = [
        _single(path, name, entries) for name, entries in rig.items() if name not in without_pose
    ]
    notes = [note for entries in rig.values() for note in entries.notes]
    notes += left_out(without_pose, "without a pose (R, T or rvec, tvec)")
    return checked(path, Calibration(cameras, files, notes=list(dict.fromkeys(notes))))


def _single(path: Path, name: str, held: Entries) -> CalibratedCamera:
    K, transposed = held.matrix()
    R, t = held.pose(transposed)
    return camera(path, name, K, R, t, size=held.size(), lens=held.lens())


def _stereo(path: Path, held: Entries, sides: tuple[str, str]) -> list[CalibratedCamera]:
    """The pair in the frame of its first camera: x_second = R x_first + T."""
    if not held.has_pose():
        raise UserError(
            f"{path} holds two cameras but no R and T between them; "
            "expected them in it or in extrinsics beside it"
        )
    poses = [(np.eye(3), np.zeros(3)), held.pose(transposed=False)]
    cameras = []
    for side, (R, t) in zip(sides, poses, strict=True):
        K, _ = held.matrix(side)
        lens = held.lens(side)
        cameras.append(camera(path, side, K, R, t, size=held.size(), lens=lens))
    return cameras


FORMAT = CalibrationFormat(
    "OpenCV's FileStorage",
    (
        "stereo*.yml",
        "intrinsics.yml",
        "calibration.yml",
        "calibration.xml",
        "calib_params",
        "cameraParameters",
        "calibration",
        "cameras",
        "intrinsics.xml",
        "calib*.y*ml",
    ),
    read,
)
