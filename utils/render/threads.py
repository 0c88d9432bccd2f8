"""Threads and memory for the Numba kernels, which run without Python's lock."""

from __future__ import annotations

import ctypes
import itertools
import math
import os
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGEST = 256 << 20  # bytes


def thread_count() -> int:
    """Threads to use: torch's number, at most the cores this process may run on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(torch.get_num_threads(), cores or 1))


def split(first: int, last: int, parts: int) -> list[tuple[int, int]]:
    """Cut first..last-1 into `parts` ranges of about equal length."""
    cuts = [first + (last - first) * i // parts for i in range(parts + 1)]
    return list(itertools.pairwise(cuts))


class Scratch(threading.local):
    """Arrays that a thread uses again from call to call."""

    def get(self, name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        """An uninitialised array of `shape`."""
        length = math.prod(shape)
        array = self.__dict__.get(name)
        if array is None or array.size < length:
            array = self.__dict__[name] = np.empty(length, dtype)
        return array[:length].reshape(shape)


@lru_cache(maxsize=1)
def keep_memory() -> None:
    """Let glibc's malloc keep freed memory for the next call instead of giving it back.

    Otherwise every large array is mapped afresh in each step, and the system clears it page by page
    while it is first written, which takes longer than computing it. Arrays beyond LARGEST are
    still given back; other C libraries are left alone.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(M_TRIM_THRESHOLD, 4 * LARGEST)
    if not mallopt(M_MMAP_THRESHOLD, LARGEST):
        mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the most that older versions take


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """The pool of this process: a forked child needs its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="render")


def run(function: Callable[..., object], arguments: Iterable[tuple]) -> list:
    """Call function(*a) for every a of `arguments`, in parallel; results in order."""
    arguments = list(arguments)
    threads = thread_count()
    if len(arguments) == 1 or threads == 1:
        return [function(*a) for a in arguments]
    return list(_pool(os.getpid(), threads).map(lambda a: function(*a), arguments))
