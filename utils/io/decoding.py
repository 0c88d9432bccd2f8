"""One guard for all decoders: whatever goes wrong in one becomes an error that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.errors import UserError

SHOWN = 120  # characters of a decoder's own words


@contextmanager
def decoding(path: str | Path, failed: str, remedy: str = "write it again") -> Iterator[None]:
    """Raise UserError for any exception in the block: PATH is FAILED (why); REMEDY.

    failed: what the file then is, such as "not a readable image". A missing file and one without
    read permission are told as such.
    """
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; {remedy}") from error
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: permission denied; allow reading it") from error
    except Exception as error:  # decoders raise whatever their libraries do
        raise UserError(f"{path} is {failed} ({first_words(error)}); {remedy}") from error


def first_words(error: Exception) -> str:
    """What an exception says, in one short line."""
    if isinstance(error, ImportError):  # a reader that guessed at another format asks for more
        return "unreadable"
    return " ".join(str(error).split())[:SHOWN] or type(error).__name__
