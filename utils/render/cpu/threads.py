"""Threads for the Numba kernels, which run without Python's lock; their shares and memory."""

from __future__ import annotations

import ctypes
import itertools
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch

from utils.parallel import cores

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGEST = 256 << 20  # bytes of an array that malloc keeps
PIECES = 6  # shares a thread: it takes another while others are still busy

_gaps = threading.local()  # .fillers: what may be done where threads wait for each other
_before_one: int | None = None  # torch's threads outside of `one_thread`


def thread_count() -> int:
    """Threads to use: torch's number, at most the cores this process may run on."""
    return max(1, min(_before_one or torch.get_num_threads(), cores()))


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread, the kernels on as many as before.

    Where torch has but small matrices to work on, it only waits for a second one.
    """
    global _before_one
    threads, outside = torch.get_num_threads(), _before_one
    _before_one = outside or threads
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _before_one = outside


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """The pool of this process: a forked child needs its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="render")


def run(function: Callable[..., object], jobs: Iterable[tuple], uneven: bool = False) -> None:
    """Call function(*job) for every job, in parallel, in this thread, too.

    Each thread takes the next job as it ends one, so hand out the longest first. To wake a thread
    costs tens of microseconds, a job a few, so hand out few and large ones. uneven: threads will
    have to wait for each other long, and do meanwhile what `filling_gaps` gave this thread to do.
    """
    jobs = list(jobs)
    threads, waiting, fillers = thread_count(), iter(jobs), deque[Callable[[], object]]()
    if uneven:
        fillers = getattr(_gaps, "fillers", fillers)

    def take() -> None:
        for job in waiting:
            function(*job)
        while True:
            try:
                filler = fillers.popleft()
            except IndexError:
                return
            filler()

    helpers = min(threads, len(jobs)) - 1
    others = [_pool(os.getpid(), threads - 1).submit(take) for _ in range(helpers)]
    take()
    for other in others:
        other.result()


@contextmanager
def filling_gaps(function: Callable[..., object], jobs: Iterable[tuple]) -> Iterator[None]:
    """Call function(*job) for every job in the block, where threads wait in an uneven `run`.

    What is left at its end is done then.
    """
    before = getattr(_gaps, "fillers", deque())
    fillers = _gaps.fillers = deque(partial(function, *job) for job in jobs)
    try:
        yield
    finally:
        _gaps.fillers = before
    run(lambda filler: filler(), [(filler,) for filler in fillers])


def split(first: int, last: int, parts: int) -> list[tuple[int, int]]:
    """Cut first..last-1 into `parts` ranges of about equal length."""
    cuts = [first + (last - first) * i // parts for i in range(parts + 1)]
    return list(itertools.pairwise(cuts))


def deal(costs: list[float], shares: int) -> list[list[int]]:
    """Deal out jobs of these costs into so many shares: their indices, the dearest share first.

    The dearest job first, each to the share with the least in it; empty shares are left out.
    """
    hands: list[list[int]] = [[] for _ in range(shares)]
    loads = [0.0] * shares
    for i in sorted(range(len(costs)), key=lambda i: -costs[i]):
        least = loads.index(min(loads))
        hands[least].append(i)
        loads[least] += costs[i]
    dearest = sorted(range(shares), key=lambda k: -loads[k])
    return [sorted(hands[k]) for k in dearest if hands[k]]


@dataclass
class Shares:
    """What is done at a time, the dearest first."""

    views: list[np.ndarray]  # the views to which work can only be dealt out whole
    items: list[np.ndarray]  # ranges (n, 3) of fragments: view, first, last + 1
    copies: int  # of what belongs to a view and is added to: 1, or one a thread if they share views


def share_views(costs: np.ndarray, pieces: int = PIECES) -> list[np.ndarray]:
    """Shares of the views, given their costs (B,), up to `pieces` of them a thread.

    Views that cost nothing are left out.
    """
    views = np.flatnonzero(costs)
    return [views[share] for share in deal(costs[views].tolist(), pieces * thread_count())]


def share_fragments(covered: np.ndarray, pieces: int = PIECES) -> Shares:
    """Deal out views of as many fragments (B,): whole if there are enough, else in parts.

    pieces: at most so many shares a thread.
    """
    ends, threads = np.concatenate([[0], covered.cumsum()]).tolist(), thread_count()
    views = share_views(covered, pieces)
    if len(covered) >= threads:
        items = [np.array([(v, ends[v], ends[v + 1]) for v in own]) for own in views]
        return Shares(views, items, 1)
    cuts = [split(first, last, threads) for first, last in itertools.pairwise(ends)]
    items = [np.array([(v, *cut[i]) for v, cut in enumerate(cuts)]) for i in range(threads)]
    return Shares(views, items if ends[-1] else [], threads)


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
