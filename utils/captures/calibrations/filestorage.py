"""OpenCV's FileStorage files (YAML, XML, JSON) as plain dicts, lists, numbers and matrices.

cv2.FileStorage reads the text; matrices are put together here, since a wrong row count makes
OpenCV allocate what the file asks for.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from utils.captures.calibrations.reading import read_text
from utils.errors import UserError
from utils.io.decoding import decoding

DEEPEST = 20  # levels of nesting; OpenCV's parser recurses and dies on a file of brackets
HEADER = "%YAML:1.0\n---\n"
WHAT = "a file of OpenCV's FileStorage (YAML, XML or JSON)"
LARGEST = 16 * 2**20  # bytes


def load_filestorage(path: Path) -> dict[str, Any]:
    """The entries of a FileStorage file, or of YAML with the same few forms but no header.

    Maps are dicts, sequences lists, numbers floats, matrices (rows, cols, data) float64 arrays.
    Raises UserError on everything else.
    """
    return parse_filestorage(path, read_text(path, WHAT, LARGEST))


def parse_filestorage(path: Path, text: str) -> dict[str, Any]:
    """`load_filestorage` of a text that was read from `path`."""
    _check_depth(path, text)
    if not text.lstrip().startswith(("<", "{", "%")):
        text = HEADER + text
    with decoding(path, f"not {WHAT}", "export it again"):
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        root = _plain(path, storage.root(), "the file")
    if not isinstance(root, dict) or not root:
        raise UserError(f"{path} is not {WHAT}: it holds no entries; export it again")
    return root


def _check_depth(path: Path, text: str) -> None:
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = max(depth + (1 if bracket in "[{" else -1), 0)
        deepest = max(deepest, depth)
    dashes = re.search(rf"(-[ \t]+){{{DEEPEST}}}", text)
    indents = {len(indent) for indent in re.findall(r"^ *(?=[^ \n])", text, re.M)}
    if deepest > DEEPEST or dashes or len(indents) > 4 * DEEPEST:
        raise UserError(f"{path} is not {WHAT}: it is nested too deep; export it again")


def _plain(path: Path, node: cv2.FileNode, where: str) -> Any:
    if node.isMap():
        keys = node.keys()
        values = {key: _plain(path, node.getNode(key), key) for key in keys}
        return _matrix(path, values, where) if _is_matrix(values) else values
    if node.isSeq():
        return [_plain(path, node.at(index), where) for index in range(node.size())]
    if node.isString():
        return node.string()
    return node.real() if node.isInt() or node.isReal() else None


def _is_matrix(values: dict[str, Any]) -> bool:
    """Whether they are an opencv-matrix's, or an opencv-nd-matrix's as OpenCV 5 writes vectors."""
    return "data" in values and ({"rows", "cols"} <= values.keys() or "sizes" in values)


def _matrix(path: Path, values: dict[str, Any], where: str) -> np.ndarray:
    """The array; dt such as "2f" says that each element is several numbers."""
    sizes = values.get("sizes", [values.get("rows"), values.get("cols")])
    sizes = sizes if isinstance(sizes, list) else [sizes]  # XML's list of one is no list
    channels = re.match(r"\d+", str(values.get("dt")))
    sizes = [*sizes, int(channels[0])] if channels else sizes
    data = values["data"]
    try:
        return np.asarray(data, float).reshape([int(size) for size in sizes])
    except (ValueError, TypeError, OverflowError) as error:
        count = len(data) if isinstance(data, list) else "no"
        said = " x ".join(f"{size:g}" if isinstance(size, float) else str(size) for size in sizes)
        raise UserError(
            f"{path}: {where} is said to be {said} but holds {count} numbers; export it again"
        ) from error
