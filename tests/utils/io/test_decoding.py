"""Whatever a decoder raises becomes an error that names the file and what to do."""

import pytest

from utils.errors import UserError
from utils.io.decoding import decoding


@pytest.mark.parametrize(
    "error, message",
    [
        (ValueError("bad\n  bytes"), r"^a.x is no table \(bad bytes\); write it again$"),
        (MemoryError(), r"^a.x is no table \(MemoryError\); write it again$"),
        (RecursionError("too deep"), r"^a.x is no table \(too deep\); write it again$"),
        (FileNotFoundError("a.x"), r"^a.x is missing; write it again$"),
        (PermissionError("a.x"), r"^a.x cannot be read: permission denied; allow reading it$"),
        (UserError("as it is"), r"^as it is$"),
    ],
)
def test_any_exception(error, message):
    with pytest.raises(UserError, match=message), decoding("a.x", "no table"):
        raise error


def test_nothing_happens_where_nothing_is_wrong_or_the_user_interrupts():
    with decoding("a.x", "no table"):
        pass
    with pytest.raises(KeyboardInterrupt), decoding("a.x", "no table"):
        raise KeyboardInterrupt
