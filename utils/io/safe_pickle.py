"""Read model pickles without running what is in them.

The official MANO files are protocol-2 pickles of Python 2 that hold numpy arrays, a scipy.sparse
matrix and chumpy objects. A plain pickle.load would import and call whatever a file names. This
reader knows those types alone: numpy's arrays are rebuilt by numpy, everything else becomes a
stand-in that only holds data. Any other global is refused by name, and so is a file that would
grow: a few bytes can name one list thousands of millions of times, or memory that is not there.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from utils.errors import UserError
from utils.io.bounded_pickle import MOST_STEPS, BoundedUnpickler, names_only
from utils.io.decoding import decoding

AGAIN = "download the file again from its official source"
SPARSE_FORMATS = ("csc", "csr", "coo")
MOST_BYTES = 1 << 28  # of a file; the official ones have 4 MB
PYTHON_3_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}


class _StandIn:
    """Holds a foreign object's state as plain data; nothing of the foreign class is run."""

    def __init__(self, *args: Any) -> None:
        self.args, self.state = args, {}

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("an object's state is not a dictionary")
        self.state = state


class _Chumpy(_StandIn):
    """chumpy.ch.Ch: its value is its attribute x."""

    def value(self, plain: "_Plain") -> np.ndarray:
        if "x" not in self.state:
            raise pickle.UnpicklingError("a chumpy object has no value x")
        return np.asarray(plain(self.state["x"]))


class _ChumpySelect(_Chumpy):
    """chumpy.reordering.Select: entries `idxs` of `a`, in shape `preferred_shape` if given."""

    def value(self, plain: "_Plain") -> np.ndarray:
        try:
            chosen = np.ravel(plain(self.state["a"]))[np.asarray(self.state["idxs"]).ravel()]
            return chosen.reshape(self.state.get("preferred_shape", chosen.shape))
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise pickle.UnpicklingError(f"a chumpy selection is broken ({error!r})") from error


class _ChumpyReshape(_Chumpy):
    """chumpy.reordering.Reshape: `a` in shape `newshape`."""

    def value(self, plain: "_Plain") -> np.ndarray:
        try:
            return np.reshape(plain(self.state["a"]), self.state["newshape"])
        except (KeyError, ValueError, TypeError) as error:
            raise pickle.UnpicklingError(f"a chumpy reshape is broken ({error!r})") from error


class _ChumpyTranspose(_Chumpy):
    """chumpy.reordering.transpose: `a` with its axes permuted."""

    def value(self, plain: "_Plain") -> np.ndarray:
        try:
            return np.transpose(plain(self.state["a"]), self.state.get("axes"))
        except (KeyError, ValueError, TypeError) as error:
            raise pickle.UnpicklingError(f"a chumpy transpose is broken ({error!r})") from error


class _Sparse(_StandIn):
    """A scipy.sparse matrix; rebuilt by scipy from its three arrays, which scipy checks."""

    layout = "csc"

    def value(self, plain: "_Plain") -> sp.spmatrix:
        state = {key.lstrip("_"): plain(entry) for key, entry in self.state.items()}
        build = getattr(sp, f"{self.layout}_matrix")
        try:
            if self.layout == "coo":
                return build((state["data"], (state["row"], state["col"])), state["shape"])
            matrix = build((state["data"], state["indices"], state["indptr"]), state["shape"])
            matrix.check_format(full_check=True)
            return matrix
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise pickle.UnpicklingError(f"a sparse matrix is broken ({error!r})") from error


def _sparse(layout: str) -> type[_Sparse]:
    return type(f"_Sparse_{layout}", (_Sparse,), {"layout": layout})


def _no_array(cls: Any, shape: tuple, letter: Any) -> np.ndarray:
    """numpy's _reconstruct: an empty array, which the state that follows fills."""
    if cls is not _NdArray or shape != (0,):
        raise pickle.UnpicklingError("an array is built in an unusual way")
    return np.empty(0)


class _NdArray:
    """numpy.ndarray by name only: called, it could ask for any amount of memory."""

    def __init__(self, *args: Any) -> None:
        raise pickle.UnpicklingError("an array is built in an unusual way")


def _new_object(cls: type, base: type, state: Any) -> _StandIn:
    """copy_reg._reconstructor for stand-ins only."""
    if not (isinstance(cls, type) and issubclass(cls, _StandIn)) or state is not None:
        raise pickle.UnpicklingError("copy_reg builds an object of a type that is not allowed")
    return cls()


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


def _allowed() -> dict[tuple[str, str], Any]:
    core = np._core if hasattr(np, "_core") else np.core
    table = {
        ("copyreg", "_reconstructor"): _new_object,
        ("_codecs", "encode"): _encode,
        ("builtins", "object"): object,
        ("builtins", "set"): names_only(set),
        ("builtins", "frozenset"): names_only(frozenset),
        ("collections", "OrderedDict"): names_only(OrderedDict),
        ("numpy", "ndarray"): _NdArray,
        ("numpy", "dtype"): np.dtype,
        ("chumpy.ch", "Ch"): _Chumpy,
        ("chumpy", "Ch"): _Chumpy,
        ("chumpy.reordering", "Select"): _ChumpySelect,
        ("chumpy.reordering", "Reshape"): _ChumpyReshape,
        ("chumpy.reordering", "transpose"): _ChumpyTranspose,
    }
    for package in ("numpy.core", "numpy._core"):
        table[f"{package}.multiarray", "_reconstruct"] = _no_array
        table[f"{package}.numeric", "_frombuffer"] = _from_buffer
        table[f"{package}.multiarray", "scalar"] = core.multiarray.scalar
    for layout in SPARSE_FORMATS:
        stand_in = _sparse(layout)
        for module in (f"scipy.sparse.{layout}", f"scipy.sparse._{layout}"):
            table[module, f"{layout}_matrix"] = stand_in
            table[module, f"{layout}_array"] = stand_in
    return table


class _Unpickler(BoundedUnpickler):
    def __init__(self, data: bytes, path: Path) -> None:
        super().__init__(data)
        self._path, self._allowed = path, _allowed()

    def find_class(self, module: str, name: str) -> Any:
        entry = self._allowed.get((PYTHON_3_NAMES.get(module, module), name))
        if entry is None:
            raise UserError(
                f"{self._path}: refuses to load, the file asks for {module}.{name}, which is not "
                f"part of a hand model and could run code; {AGAIN}"
            )
        return entry

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError(f"it refers to an outside object {pid!r}")


class _Plain:
    """Stand-ins to arrays and matrices, through dictionaries, lists and tuples.

    Each object once, however often it is named; raises UnpicklingError where the whole, written
    out, would have more than MOST_STEPS items, and where something is part of itself.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, int] | None] = {}  # None: not finished
        self._size = 0

    def __call__(self, entry: Any) -> Any:
        if not isinstance(entry, (_Chumpy, _Sparse, dict, list, tuple)):
            self._count(1)
            return entry
        known = self._known.get(id(entry), ())
        if known is None:
            raise pickle.UnpicklingError("something is part of itself")
        if known:
            self._count(known[1])
            return known[0]
        self._known[id(entry)], before = None, self._size
        self._count(1)
        value = self._converted(entry)
        self._known[id(entry)] = value, self._size - before
        return value

    def _count(self, items: int) -> None:
        self._size += items
        if self._size > MOST_STEPS:
            raise pickle.UnpicklingError(f"written out, it has more than {MOST_STEPS} items")

    def _converted(self, entry: Any) -> Any:
        if isinstance(entry, (_Chumpy, _Sparse)):
            return entry.value(self)
        if isinstance(entry, dict):
            return {key: self(value) for key, value in entry.items()}
        return type(entry)(self(value) for value in entry)


def load_pickle(path: str | Path) -> Any:
    """The data in a pickle of numpy, scipy.sparse and chumpy objects, chumpy's as arrays.

    Raises UserError naming the file, and the global if it asks for one that is not allowed or
    what is wrong if it is no complete pickle, or one that grows beyond what a hand model is.
    """
    path = Path(path)
    with decoding(path, "no complete pickle of a hand model", AGAIN):
        data = path.read_bytes() if path.stat().st_size <= MOST_BYTES else b""
        if not data:
            raise pickle.UnpicklingError(f"{path.stat().st_size} bytes")
        return _Plain()(_Unpickler(data, path).load())
