"""Writes pickles of exactly the structure of the official MANO files, with made-up numbers.

The official files come from Python 2, numpy 1 and chumpy: protocol 2, byte strings, module names
of that time, chumpy objects for the arrays that were variables, a scipy csc_matrix and uint32.
"""

import io
import pickle
import struct
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

PARENTS = [4294967295, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]
OLD_MODULES = {
    "builtins": "__builtin__",
    "copyreg": "copy_reg",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "scipy.sparse._csc": "scipy.sparse.csc",
}


class Ch:
    """Pickles like chumpy.ch.Ch: __getstate__ is __dict__ without two weak dictionaries."""

    def __init__(self, **values):
        caches = {"_make_dense": False, "_make_sparse": False, "_depends_on_deps": {}}
        self.__dict__.update(_dirty_vars=set(), _itr=None, **caches, **values)


class Select(Ch):
    """Pickles like chumpy.reordering.Select, which slicing a chumpy array gives."""


Ch.__module__, Select.__module__ = "chumpy.ch", "chumpy.reordering"


class Python2Pickler(pickle._Pickler):
    """Protocol 2 with the strings and module names of Python 2."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        data = value if isinstance(value, bytes) else value.encode("latin1")
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    def save_global(self, value, name=None):
        module = OLD_MODULES.get(value.__module__, value.__module__)
        self.write(f"c{module}\n{name or value.__qualname__}\n".encode())
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_string
    dispatch[type] = dispatch[FunctionType] = dispatch[BuiltinFunctionType] = save_global


def dump(value, path: Path) -> None:
    """Write `value` as Python 2 would."""
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(value)
    path.write_bytes(buffer.getvalue())


def made_up_model(seed: int = 0, side: str = "right") -> dict:
    """Arrays with the shapes and dtypes of MANO; the left one is the right one's mirror image."""
    rng = np.random.default_rng(seed)
    size = np.array([0.18, 0.03, 0.09])  # a flat hand: fingers along x, thumb along z
    verts = rng.uniform(-0.5, 0.5, (778, 3)) * size
    shapedirs = rng.normal(0, 1e-3, (778, 3, 10))
    shapedirs[:, :, 0] += 0.05 * verts  # the first component is the hand's size
    regressor = np.zeros((16, 778))
    for row in regressor:
        row[rng.choice(778, 8, replace=False)] = rng.dirichlet(np.ones(8))
    weights = np.zeros((778, 16))
    for row in weights:
        row[rng.choice(16, 3, replace=False)] = rng.dirichlet(np.ones(3))
    mirror = np.array([-1.0, 1, 1]) if side == "left" else np.ones(3)
    components = np.linalg.qr(rng.normal(size=(45, 45)))[0]
    return {
        "hands_components": components,
        "f": rng.integers(0, 778, (1538, 3)).astype(np.uint32),
        "J_regressor": sp.csc_matrix(regressor),
        "kintree_table": np.array([PARENTS, range(16)], np.uint32),
        "J": regressor @ verts * mirror,
        "hands_coeffs": rng.normal(size=(100, 45)) * np.linspace(1, 0.1, 45),
        "weights": weights,
        "posedirs": rng.normal(0, 1e-3, (778, 3, 135)),
        "hands_mean": rng.normal(0, 0.2, 45),
        "v_template": verts * mirror,
        "shapedirs": shapedirs * mirror[:, None],
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def write_official(path: Path, model: dict) -> None:
    """Write `model` with chumpy objects where the official file has them."""
    values = dict(model)
    for name in ("weights", "posedirs", "v_template"):
        values[name] = Ch(x=model[name])
    flat = np.concatenate([model["shapedirs"], np.zeros((778, 3, 5))], axis=2)
    chosen = np.arange(flat.size).reshape(flat.shape)[:, :, :10]
    values["shapedirs"] = Select(a=Ch(x=flat), idxs=chosen.ravel(), preferred_shape=(778, 3, 10))
    dump(values, path)
