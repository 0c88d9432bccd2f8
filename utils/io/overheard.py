"""What the libraries behind image decoders write to stderr: kept from people, and read for them."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Lock
from typing import IO

STDERR = 2  # C libraries know no other
# Of libjpeg and, through OpenCV, of libtiff: pixels are lost. libpng gives no picture then.
LOSSES = re.compile(
    r"Corrupt JPEG data|Premature end of JPEG|\[ERROR:.*?TIFF_Error |Inconsistent progression"
)
OPENCV_PLACE = re.compile(r"^\[[^]]*\] \w+ \S+ \w+ ")  # [ERROR:0@0.1] global grfmt_tiff.cpp:117 f
_one_at_a_time = Lock()


@contextmanager
def overheard() -> Iterator[list[str]]:
    """Lines that C libraries write to stderr in the block; they are in the list after it.

    Where OPENCV_LOG_LEVEL is set, somebody wants to see them: then they are shown, and not kept.
    """
    lines: list[str] = []
    with _one_at_a_time, ExitStack() as stack:
        if "OPENCV_LOG_LEVEL" not in os.environ:
            with suppress(OSError):  # no place for temporary files, or no stderr
                said = stack.enter_context(tempfile.TemporaryFile())
                shown = os.dup(STDERR)
                stack.callback(_listen_no_more, shown, said, lines)
                os.dup2(said.fileno(), STDERR)
        yield lines


def _listen_no_more(shown: int, said: IO[bytes], lines: list[str]) -> None:
    os.dup2(shown, STDERR)
    os.close(shown)
    said.seek(0)
    lines += said.read().decode(errors="replace").splitlines()


def lost_pixels(lines: list[str]) -> str:
    """The first of a decoder's lines by which parts of a picture are lost; nothing where none."""
    losses = [line for line in lines if LOSSES.match(line)]
    return OPENCV_PLACE.sub("", losses[0]) if losses else ""
