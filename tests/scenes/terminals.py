"""A real terminal of 80 columns, and all that was written to it."""

import fcntl
import os
import pty
import struct
import termios
from contextlib import suppress


def open_terminal() -> tuple[int, int]:
    """The reader's and the writer's end of a new terminal of 24 lines of 80 columns."""
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    return reader, writer


def read_to_end(reader: int) -> str:
    """What was written to the terminal until its last writer closed it, in however many pieces."""
    shown = b""
    with suppress(OSError):  # Linux's word for the end
        while more := os.read(reader, 10_000):
            shown += more
    os.close(reader)
    return shown.decode()
