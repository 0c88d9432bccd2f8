"""Numba kernel that writes numbers as text, without Python's lock: meshes have many."""

import numpy as np

from utils.compiled import FAST, U, njit

MOST_DIGITS = 15  # of a number: float64 holds all that have so many
MOST_DECIMALS = 17
LONGEST = 24  # characters, the blank included


def lines_of(start: bytes, rows: np.ndarray, decimals: np.ndarray) -> bytes:
    """A line a row of rows (N, C) float64: `start` and numbers, column k to decimals[k] places.

    Zeros at a number's end are left out. Numbers must be finite, and below 10^MOST_DIGITS when
    they are multiplied by 10^decimals; at most MOST_DECIMALS.
    """
    width = len(start) + rows.shape[1] * LONGEST
    text = np.empty(len(rows) * width, np.uint8)
    scales = 10 ** np.asarray(decimals, np.int64)
    length = _write(np.frombuffer(start, np.uint8), np.ascontiguousarray(rows), scales, text)
    return text[:length].tobytes()


@njit(**FAST)
def _write(start, rows, scales, text):
    """Fills text with the lines; returns their length."""
    at, ten = U(0), np.int64(10)
    for i in range(U(rows.shape[0])):
        for k in range(U(start.shape[0])):
            text[at] = start[k]
            at += U(1)
        for k in range(U(rows.shape[1])):
            if k:
                text[at] = 32
                at += U(1)
            number, scale = rows[i, k], scales[k]
            value = np.int64(abs(number) * scale + 0.5)
            if number < 0 and value > 0:
                text[at] = 45
                at += U(1)
            whole, rest = value // scale, value % scale
            size = np.int64(1)
            while whole // size >= ten:
                size *= ten
            while size > 0:
                text[at] = 48 + (whole // size) % ten
                at += U(1)
                size //= ten
            if rest > 0:
                text[at] = 46
                at += U(1)
            while rest > 0:
                rest *= ten
                text[at] = 48 + rest // scale
                at += U(1)
                rest %= scale
        text[at] = 10
        at += U(1)
    return at
