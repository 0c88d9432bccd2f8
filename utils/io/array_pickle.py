"""Reads pickles of numpy's arrays without running what is in them.

A plain pickle.load would import and call whatever a file names. This reader knows a table of
names alone, numpy's own unless more is given; any other is refused. `load_array` is for files that
hold one array.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.io.bounded_pickle import BoundedUnpickler
from utils.io.decoding import decoding

MOST_BYTES = 1 << 28  # of a file; official hand models have 4 MB, depth maps of 2668x4096 84
PYTHON_3_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}


def _as_loaded(loaded: Any) -> Any:
    return loaded


@dataclass(frozen=True)
class PickleContent:
    """What a pickle may hold.

    what: what it is, for messages ("a depth map"); remedy: what to do about one that is not;
    names: (module, name) of Python 3 -> what stands for it; finished: what is done to the loaded
    object, and may raise UnpicklingError.
    """

    what: str
    remedy: str
    names: Mapping[tuple[str, str], Any]
    finished: Callable[[Any], Any] = _as_loaded


def load_restricted(path: Path, content: PickleContent) -> Any:
    """The data of a pickle.

    Raises UserError naming the file, and the global if it asks for one that is not among the
    content's names, or what is wrong if it is no complete pickle or one that would grow.
    """
    with decoding(path, f"no complete pickle of {content.what}", content.remedy):
        data = path.read_bytes() if path.stat().st_size <= MOST_BYTES else b""
        if not data:
            raise pickle.UnpicklingError(f"{path.stat().st_size} bytes")
        return content.finished(_Unpickler(data, path, content).load())


def load_array(path: str | Path, what: str, remedy: str) -> np.ndarray:
    """The array of numbers in a pickle that holds just that.

    what: what the file should be, for messages, such as "a depth map"; remedy: what to do about
    one that is not. Raises UserError as `load_restricted`, and for anything but an array.
    """
    path = Path(path)
    array = load_restricted(path, PickleContent(what, remedy, numpy_names()))
    if not isinstance(array, np.ndarray) or array.dtype.hasobject:
        is_array = isinstance(array, np.ndarray)
        found = "an array of objects" if is_array else f"no array but a {type(array).__name__}"
        raise UserError(f"{path} holds {found}, expected {what}: one array of numbers; {remedy}")
    return array


def numpy_names() -> dict[tuple[str, str], Any]:
    """What pickles of numpy's arrays and numbers ask for."""
    core = np._core if hasattr(np, "_core") else np.core
    table: dict[tuple[str, str], Any] = {
        ("_codecs", "encode"): _encode,
        ("numpy", "ndarray"): _NdArray,
        ("numpy", "dtype"): np.dtype,
    }
    for package in ("numpy.core", "numpy._core"):
        table[f"{package}.multiarray", "_reconstruct"] = _no_array
        table[f"{package}.numeric", "_frombuffer"] = _from_buffer
        table[f"{package}.multiarray", "scalar"] = core.multiarray.scalar
    return table


def _no_array(cls: Any, shape: tuple, letter: Any) -> np.ndarray:
    """numpy's _reconstruct: an empty array, which the state that follows fills."""
    if cls is not _NdArray or shape != (0,):
        raise pickle.UnpicklingError("an array is built in an unusual way")
    return np.empty(0)


class _NdArray:
    """numpy.ndarray by name only: called, it could ask for any amount of memory."""

    def __init__(self, *args: Any) -> None:
        raise pickle.UnpicklingError("an array is built in an unusual way")


def _encode(text: str, encoding: str) -> bytes:
    """_codecs.encode as Python 3 uses it to write bytes in protocol 2: latin1 alone."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("bytes are written in an unusual way")
    return text.encode("latin1")


def _from_buffer(
    data: Any, dtype: np.dtype, shape: tuple, order: str, axes: tuple | None = None
) -> np.ndarray:
    """numpy's own _frombuffer, which arrays in protocol 5 call."""
    flat = np.frombuffer(data, dtype)
    return flat.reshape(shape, order=order) if axes is None else flat.reshape(shape).transpose(axes)


class _Unpickler(BoundedUnpickler):
    def __init__(self, data: bytes, path: Path, content: PickleContent) -> None:
        super().__init__(data)
        self._path, self._content = path, content

    def find_class(self, module: str, name: str) -> Any:
        entry = self._content.names.get((PYTHON_3_NAMES.get(module, module), name))
        if entry is None:
            raise UserError(
                f"{self._path}: refuses to load, the file asks for {module}.{name}, which is not "
                f"part of {self._content.what} and could run code; {self._content.remedy}"
            )
        return entry

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError(f"it refers to an outside object {pid!r}")
