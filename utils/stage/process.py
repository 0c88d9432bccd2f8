"""The process of a script: prepared once, and left in one way, whatever ends it."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TextIO

OK, FAULT, USER_ERROR, FAILED_RESULT, INTERRUPTED = 0, 1, 2, 3, 130  # exit statuses
BUSY = 75  # EX_TEMPFAIL of sysexits.h: another process is at it; later, the same command will do


def start(main: Callable[[], int]) -> NoReturn:
    """Run a script's `main` and leave with the status that it returns.

    Ctrl-C and SIGTERM, which batch systems send, end it alike: one line, status 130. A reader of
    its output that goes away (`| head`) does not end it.
    """
    prepare()
    status = INTERRUPTED
    try:
        status = main()
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command to go on", file=sys.stderr)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # nothing is left that they could spoil
            signal.signal(number, signal.SIG_IGN)
    sys.stdout.flush()
    leave(status)


def leave(status: int) -> NoReturn:
    """End the process as `sys.exit` does, but for taking every module apart, which takes as long
    as half a second: threads end, what was registered for the end is called, output is written.
    """
    if sys.gettrace() or sys.getprofile() or sys.flags.inspect:  # somebody waits for Python's end
        sys.exit(status)
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def prepare() -> None:
    """Set up what a script's process needs before any library is imported."""
    # Waiting threads must sleep: spinning ones take the cores from whatever else the machine does,
    # which made stages seven times slower there. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Notebooks hand their own backend to every child, where it cannot draw.
    os.environ["MPLBACKEND"] = "Agg"
    # What numpy has to say of nan is dealt with where nan is expected.
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    signal.signal(signal.SIGTERM, _interrupt)
    # Where they are closed (2>&-), no file of ours may get their numbers.
    sys.stdout = sys.__stdout__ = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.__stderr__ = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    sys.stdout, sys.stderr = Output(sys.stdout), Output(_of_its_own(sys.stderr))


def _of_its_own(stream: TextIO) -> TextIO:
    """The stream under another number: what libraries in C write to theirs may be kept from people
    for a while (`utils.io.overheard`), and with it would go what threads say meanwhile.
    """
    return os.fdopen(os.dup(stream.fileno()), "w", encoding=stream.encoding)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """For imports of large libraries: a sixth of the time is looking for what could be freed.

    Nothing could. Later collections do not look at what there is at the end, either.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


class Output:
    """A text stream that no closed pipe and no ASCII terminal can turn into an error.

    Lines go out as they are said, so that in a file of stdout and stderr they are in order.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)

    def write(self, text: str) -> int:
        """Write `text`, to nowhere where nobody reads it any more."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._abandon()
            return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._abandon()

    def _abandon(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
