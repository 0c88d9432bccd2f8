"""What the libraries behind image decoders write to stderr: kept from people, and read for them."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Condition
from typing import IO, TypeVar

STDERR = 2  # C libraries know no other
# Of libjpeg and, through OpenCV, of libtiff: pixels are lost. libpng gives no picture then.
LOSSES = re.compile(
    r"Corrupt JPEG data|Premature end of JPEG|\[ERROR:.*?TIFF_Error |Inconsistent progression"
)
OPENCV_PLACE = re.compile(r"^\[[^]]*\] \w+ \S+ \w+ ")  # [ERROR:0@0.1] global grfmt_tiff.cpp:117 f
Result = TypeVar("Result")


def overheard(decode: Callable[[], Result]) -> tuple[Result, list[str]]:
    """What `decode` returns, and the lines that C libraries wrote to stderr meanwhile.

    Threads decode side by side; what then was said could be of any of them, so decode is called
    once more, alone, where anything was. Where OPENCV_LOG_LEVEL is set, somebody wants to see the
    lines: then they are shown, and not kept.
    """
    if "OPENCV_LOG_LEVEL" in os.environ:
        return decode(), []
    with _stderr.shared() as said:
        result = decode()
    if not said:
        return result, []
    with _stderr.alone() as said:
        result = decode()
    return result, said


class _Stderr:
    """stderr turned into a file while anybody listens."""

    def __init__(self) -> None:
        self._turn = Condition()
        self._listeners, self._exclusive = 0, False
        self._file: IO[bytes] | None = None
        self._shown = -1

    @contextmanager
    def shared(self) -> Iterator[list[str]]:
        """Lines that anybody wrote in the block; they are in the list after it."""
        lines: list[str] = []
        with self._turn:
            self._turn.wait_for(lambda: not self._exclusive)
            self._begin()
            start = self._length()
        try:
            yield lines
        finally:
            with self._turn:
                lines += self._lines(start)
                self._end()

    @contextmanager
    def alone(self) -> Iterator[list[str]]:
        """The same while nobody else listens."""
        with self._turn:
            self._turn.wait_for(lambda: not self._exclusive and self._listeners == 0)
            self._exclusive = True
        try:
            lines: list[str] = []
            self._begin()
            yield lines
        finally:
            with self._turn:
                lines += self._lines(0)
                self._end()
                self._exclusive = False

    def _begin(self) -> None:
        self._listeners += 1
        if self._listeners == 1:
            with suppress(OSError):  # no place for temporary files, or no stderr
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by _end)
                self._shown = os.dup(STDERR)
                os.dup2(self._file.fileno(), STDERR)

    def _end(self) -> None:
        self._listeners -= 1
        if self._listeners == 0 and self._file is not None:
            os.dup2(self._shown, STDERR)
            os.close(self._shown)
            self._file.close()
            self._file = None
        self._turn.notify_all()

    def _length(self) -> int:
        return 0 if self._file is None else os.fstat(self._file.fileno()).st_size

    def _lines(self, start: int) -> list[str]:
        if self._file is None:
            return []
        said = os.pread(self._file.fileno(), self._length() - start, start)
        return said.decode(errors="replace").splitlines()


_stderr = _Stderr()


def lost_pixels(lines: list[str]) -> str:
    """The first of a decoder's lines by which parts of a picture are lost; nothing where none."""
    losses = [line for line in lines if LOSSES.match(line)]
    return OPENCV_PLACE.sub("", losses[0]) if losses else ""
