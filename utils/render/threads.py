"""Threads for the Numba kernels, which run without Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch


def thread_count() -> int:
    """Threads to use: torch's number, at most the cores this process may run on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(torch.get_num_threads(), cores or 1))


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
