"""Numba for the suite's kernels: compiled once, kept on disk, and never a reason to stop.

What is kept may be damaged, and there may be no place for it: installations and home folders can be
read-only.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

# Array indices are cast to U where speed matters: Numba lets signed ones count from the end, which
# costs instructions and keeps loops from becoming vector code.
U = np.uintp
JIT = {"nogil": True, "cache": True, "error_model": "numpy", "_nrt": True}
# Without reference counts: Numba would count, with locks, in inner loops. Such functions cannot
# allocate; their arrays are kept alive by the caller.
FAST = {**JIT, "_nrt": False, "fastmath": {"contract"}}
# Small functions are inlined: a call hands over every field of every array.
SMALL = {"nogil": True, "inline": "always", "error_model": "numpy"}


def njit(**options: Any) -> Callable[[Callable], Any]:
    """numba.njit with these options; with `cache`, compiled again where what is kept is damaged.

    Kept in a temporary folder where neither the installation nor the home folder can be written.
    """

    def compiled(function: Callable) -> Any:
        try:
            kernel = numba.njit(**options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            _use_temporary_folder()
            kernel = numba.njit(**options)(function)
        if options.get("cache"):
            _tolerate_damage(kernel)
        return kernel

    return compiled


def _use_temporary_folder() -> None:
    """Have Numba keep everything below the system's temporary folder, where only we may write."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"numba_cache_{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.stat()
        ours = status.st_uid == user and not status.st_mode & 0o022
    except OSError:
        ours = False
    if not ours:  # what others write there would be run
        folder = Path(tempfile.mkdtemp(prefix="numba_cache_"))
    os.environ["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR = str(folder)
    _say(
        f"Compiled render operations are kept in {folder}, for neither the installation nor the "
        "home folder can be written; set NUMBA_CACHE_DIR to choose another."
    )


def _tolerate_damage(kernel: Any) -> None:
    """Compile again where loading what is kept fails, whatever Numba makes of it."""
    kept = kernel._cache
    load, save = kept.load_overload, kept.save_overload

    def load_or_compile(signature: Any, context: Any) -> Any:
        try:
            return load(signature, context)
        except Exception:  # cut files raise whatever their bytes happen to mean
            _say("Compiled render operations on disk are damaged: compiling them again.")
            try:
                kept.flush()
            except OSError:
                kept.disable()
            return None

    def save_if_possible(signature: Any, overload: Any) -> None:
        try:
            save(signature, overload)
        except OSError:  # a full disk: it is compiled again next time
            kept.disable()

    kept.load_overload, kept.save_overload = load_or_compile, save_if_possible


@cache
def _say(text: str) -> None:
    print(text, flush=True)
