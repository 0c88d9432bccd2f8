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

from utils.io.array_pickle import PickleContent, load_restricted, numpy_names
from utils.io.bounded_pickle import MOST_STEPS, names_only

AGAIN = "download the file again from its official source"
SPARSE_FORMATS = ("csc", "csr", "coo")


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


def _new_object(cls: type, base: type, state: Any) -> _StandIn:
    """copy_reg._reconstructor for stand-ins only."""
    if not (isinstance(cls, type) and issubclass(cls, _StandIn)) or state is not None:
        raise pickle.UnpicklingError("copy_reg builds an object of a type that is not allowed")
    return cls()


def _allowed() -> dict[tuple[str, str], Any]:
    table = {
        **numpy_names(),
        ("copyreg", "_reconstructor"): _new_object,
        ("builtins", "object"): object,
        ("builtins", "set"): names_only(set),
        ("builtins", "frozenset"): names_only(frozenset),
        ("collections", "OrderedDict"): names_only(OrderedDict),
        ("chumpy.ch", "Ch"): _Chumpy,
        ("chumpy", "Ch"): _Chumpy,
        ("chumpy.reordering", "Select"): _ChumpySelect,
        ("chumpy.reordering", "Reshape"): _ChumpyReshape,
        ("chumpy.reordering", "transpose"): _ChumpyTranspose,
    }
    for layout in SPARSE_FORMATS:
        stand_in = _sparse(layout)
        for module in (f"scipy.sparse.{layout}", f"scipy.sparse._{layout}"):
            table[module, f"{layout}_matrix"] = stand_in
            table[module, f"{layout}_array"] = stand_in
    return table


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
    content = PickleContent("a hand model", AGAIN, _allowed(), _plain)
    return load_restricted(Path(path), content)


def _plain(loaded: Any) -> Any:
    return _Plain()(loaded)
