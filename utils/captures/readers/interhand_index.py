"""InterHand2.6M's annotation files, gigabytes of JSON: streamed once into an index on disk.

The index of a file is an SQLite table, capture and frame to numbers, in the user's cache folder; it
holds as long as the file has the same size and date.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from utils.errors import UserError
from utils.io.decoding import decoding
from utils.io.files import atomic_path
from utils.keypoints import KEYPOINTS, SIDES
from utils.keypoints.joint_orders import own_rows

FORMAT = 1
READ_AT_ONCE = 1 << 20  # bytes
TOLD_BYTES = 50e6  # larger files take seconds: then it is said what is being done
MILLIMETRES = 1000.0
PARAMETERS = (("pose", 48), ("shape", 10), ("trans", 3))
FRAME_DEPTH = 3  # {capture: {frame: {...}}}
TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE frames (capture TEXT, frame INTEGER, numbers BLOB);
CREATE TABLE facts (format INTEGER, size INTEGER, date INTEGER);
"""


@dataclass(frozen=True)
class AnnotationKind:
    """One kind of file: `name` as file names have it, the shape of a frame's numbers, and how they
    are taken from what JSON holds of a frame."""

    name: str
    shape: tuple[int, ...]
    numbers: Callable[[dict[str, Any]], np.ndarray]


def joints_of(frame: dict[str, Any]) -> np.ndarray:
    """Keypoints (2, 21, 3) in the suite's order, metres, of a frame of joint_3d.json; nan: invalid.

    The file has the right hand first, millimetres, each finger from its tip and the wrist last.
    """
    points = np.asarray(frame["world_coord"], float).reshape(2, KEYPOINTS, 3) / MILLIMETRES
    valid = np.asarray(frame["joint_valid"], float).reshape(2, KEYPOINTS) > 0
    rows = own_rows("interhand")
    points = np.where(valid[..., None], points, np.nan)
    return points[::-1, rows]


def parameters_of(frame: dict[str, Any]) -> np.ndarray:
    """MANO's parameters (2, 61), left then right, of a frame of MANO_NeuralAnnot.json; nan: null.

    pose (48), shape (10) and trans (3), metres.
    """
    hands = np.full((len(SIDES), sum(size for _, size in PARAMETERS)), np.nan)
    for row, side in zip(hands, SIDES):
        hand = frame.get(side)
        if hand is not None:
            row[:] = np.concatenate(
                [np.asarray(hand[key], float).reshape(size) for key, size in PARAMETERS]
            )
    return hands


JOINTS = AnnotationKind("joint_3d", (2, KEYPOINTS, 3), joints_of)
PARAMETERS_OF_MANO = AnnotationKind("MANO_NeuralAnnot", (2, 61), parameters_of)


def annotated(path: Path, kind: AnnotationKind, capture: str, frame: int) -> np.ndarray | None:
    """A frame's numbers, as `kind` says; None where the file has none for it.

    capture: its key in the file, such as "0". The first look at a file reads it as a whole. Raises
    UserError where it is missing or of another form.
    """
    with closing(_opened(path, kind)) as index:
        query = "SELECT numbers FROM frames WHERE capture = ? AND frame = ?"
        found = index.execute(query, (capture, frame)).fetchone()
    return None if found is None else np.frombuffer(found[0]).reshape(kind.shape)


def annotated_captures(path: Path, kind: AnnotationKind) -> dict[str, int]:
    """How many frames a file has of each capture, by its key; in the file's order."""
    with closing(_opened(path, kind)) as index:
        query = "SELECT capture, COUNT(*) FROM frames GROUP BY capture ORDER BY MIN(rowid)"
        return dict(index.execute(query))


def annotated_frames(
    path: Path, kind: AnnotationKind, capture: str
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (T,), which rise, of a capture's frames, and what the file has of them (T, ...)."""
    with closing(_opened(path, kind)) as index:
        query = "SELECT frame, numbers FROM frames WHERE capture = ? ORDER BY frame"
        rows = index.execute(query, (capture,)).fetchall()
    values = np.stack([np.frombuffer(numbers).reshape(kind.shape) for _, numbers in rows])
    return np.array([frame for frame, _ in rows]), values


def _opened(path: Path, kind: AnnotationKind) -> sqlite3.Connection:
    """The file's index, made first where there is none that holds."""
    with decoding(path, "not readable", "copy it again"):
        status = path.stat()
    key = hashlib.blake2b(str(path.resolve()).encode(), digest_size=8).hexdigest()
    index_path = index_folder() / f"interhand_{kind.name}_{key}.sqlite"
    facts = (FORMAT, status.st_size, status.st_mtime_ns)
    index = _valid(index_path, facts)
    if index is None:
        if status.st_size > TOLD_BYTES:
            size = f"{status.st_size / 1e9:.2g} GB"
            print(f"reading {path} once ({size}; a minute or two a GB)", flush=True)
        with atomic_path(index_path) as beside:
            _write(path, kind, beside, facts)
        index = _valid(index_path, facts)
    if index is None:
        raise UserError(f"{index_path} cannot be read back; delete it and start again")
    return index


def _valid(index_path: Path, facts: tuple[int, ...]) -> sqlite3.Connection | None:
    """An index that was made of just that file; None where it is missing, stale or damaged."""
    if not index_path.is_file():
        return None
    index = sqlite3.connect(index_path)
    try:
        if index.execute("SELECT * FROM facts").fetchone() == facts:
            return index
    except sqlite3.Error:
        pass  # made anew
    index.close()
    return None


def _write(path: Path, kind: AnnotationKind, index_path: Path, facts: tuple[int, ...]) -> None:
    with closing(sqlite3.connect(index_path)) as index:
        index.executescript(TABLES)
        index.executemany("INSERT INTO frames VALUES (?, ?, ?)", _rows(path, kind))
        index.execute("CREATE INDEX places ON frames (capture, frame)")
        index.execute("INSERT INTO facts VALUES (?, ?, ?)", facts)
        index.commit()


def _rows(path: Path, kind: AnnotationKind) -> Iterator[tuple[str, int, bytes]]:
    wrong = f"no {kind.name} file of InterHand2.6M"
    with decoding(path, wrong, "copy or download it again"), path.open("rb") as file:
        for capture, frame, value in frames_in(file):
            numbers = np.ascontiguousarray(kind.numbers(value), float)
            yield capture, int(frame), numbers.tobytes()


def frames_in(file: BinaryIO) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Capture, frame and what stands there, of JSON {capture: {frame: {...}}}, one at a time.

    Frames that are null are passed over. Raises UserError where the package ijson is missing.
    """
    try:
        import ijson
    except ImportError as error:
        raise UserError(
            "InterHand2.6M's annotations are read by the package ijson: pip install ijson"
        ) from error
    depth, capture, frame = 0, "", ""
    key: str = ""
    container: Any = None  # the list or dict that is being filled, None between frames
    outer: list[Any] = []
    for event, value in ijson.basic_parse(file, use_float=True, buf_size=READ_AT_ONCE):
        if container is None:
            if event == "map_key":
                capture, frame = (value, frame) if depth == 1 else (capture, value)
            elif event in ("start_map", "end_map"):
                depth += 1 if event == "start_map" else -1
                container = {} if depth == FRAME_DEPTH else None
        elif event == "map_key":
            key = value
        elif event in ("end_array", "end_map"):
            if outer:
                container = outer.pop()
                continue
            yield capture, frame, container
            container, depth = None, FRAME_DEPTH - 1
        else:
            opens = event in ("start_array", "start_map")
            item = ([] if event == "start_array" else {}) if opens else value
            container.append(item) if type(container) is list else container.update({key: item})
            if opens:
                outer.append(container)
                container = item


def index_folder() -> Path:
    """Where indices are kept: $XDG_CACHE_HOME or ~/.cache, else the folder of temporary files."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for root in (cache, Path(tempfile.gettempdir())):
        folder = root / "hand-reconstruction"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise UserError(
        f"neither {cache} nor {tempfile.gettempdir()} can be written, where the index of the "
        "annotations would go; set XDG_CACHE_HOME to a folder that can"
    )
