"""Pixels that were decoded a moment ago: stages look at the same photos several times."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path

import numpy as np

LARGEST = 16_000_000  # bytes of an image that is kept: 5 megapixels in colour
MOST = 150_000_000  # bytes of all that are kept


class RecentPixels:
    """The images decoded last, up to `most` bytes, by file and its state on disk; for all threads.

    Arrays that are kept cannot be written to.
    """

    def __init__(self, largest: int = LARGEST, most: int = MOST) -> None:
        self.largest, self.most = largest, most
        self._kept: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path, flags: int, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """What `decode` gives, or gave when the file was as it is now."""
        key = _state(path, flags)
        if key is None:
            return decode()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        pixels = decode()
        if pixels.nbytes <= self.largest:
            pixels.flags.writeable = False
            self._keep(key, pixels)
        return pixels

    def _keep(self, key: Hashable, pixels: np.ndarray) -> None:
        with self._lock:
            self._kept[key] = pixels
            left_over = sum(image.nbytes for image in self._kept.values()) - self.most
            while left_over > 0:
                left_over -= self._kept.popitem(last=False)[1].nbytes


def _state(path: Path, flags: int) -> Hashable | None:
    try:
        status = path.stat()
    except OSError:
        return None  # whoever reads it says what is wrong
    return path, flags, status.st_ino, status.st_size, status.st_mtime_ns
