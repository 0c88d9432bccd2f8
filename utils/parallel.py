"""Work side by side: decoding, drawing and encoding of pictures leave Python's lock alone."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

Job, Result = TypeVar("Job"), TypeVar("Result")
First, Second = TypeVar("First"), TypeVar("Second")

LARGE = 4e6  # pixels of a photo: of larger ones, one at a time is in memory


def cores() -> int:
    """The cores that this process may run on."""
    return _cores(os.getpid())


@lru_cache(maxsize=1)
def _cores(process: int) -> int:
    """Asked for once a process, which takes microseconds."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(process)) if affinity else os.cpu_count() or 1


def threads_for(pixels: float) -> int:
    """How many photos of so many pixels to work on at once: as many as there are cores, or one."""
    return 1 if pixels > LARGE else cores()


def mapped(
    function: Callable[[Job], Result], jobs: Iterable[Job], threads: int
) -> Iterator[Result]:
    """function(job) of every job, in order, by so many threads.

    The jobs, too, are asked for one after another, and no more of them than threads are under way.
    An error in one is raised in its place, and no later one is begun then.
    """
    if threads < 2:
        yield from map(function, jobs)
        return
    under_way: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for job in jobs:
                if len(under_way) == threads:
                    yield under_way.popleft().result()
                under_way.append(pool.submit(function, job))
            while under_way:
                yield under_way.popleft().result()
        finally:
            for waiting in under_way:
                waiting.cancel()


def together(first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    """What two calls return that do not need each other, the first in this thread.

    Worth it where one of them leaves Python's lock alone for long.
    """
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(second)
        return first(), beside.result()
