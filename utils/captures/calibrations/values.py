"""Values in the files of calibrations, checked one by one so that messages name them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.io.described import described

UNIT_TOLERANCE = 1e-2  # of a quaternion's length: more is no rotation but other numbers


def number(path: Path, what: str, value: Any) -> float:
    """A finite number, which messages call `what`. Raises UserError for anything else."""
    return float(numbers(path, what, value, (), "a finite number"))


def numbers(
    path: Path, what: str, value: Any, shape: tuple[int, ...], expected: str | None = None
) -> np.ndarray:
    """Finite numbers of `shape`, float64; -1 stands for any count, and words are no numbers.

    expected: what messages say instead of the shape. Raises UserError for anything else.
    """
    expected = expected or f"finite numbers of shape ({', '.join(map(str, shape))})"
    try:
        array = np.asarray(value)
        array = array.astype(float) if array.dtype.kind in "iufO" else None
    except (ValueError, TypeError, OverflowError):  # ragged, no numbers, integers beyond floats
        array = None
    fits = array is not None and len(array.shape) == len(shape)
    fits = fits and all(want in (-1, found) for want, found in zip(shape, array.shape))
    if not fits or not np.isfinite(array).all():
        raise UserError(f"{path}: {what} is {described(value)}, expected {expected}")
    return array


def rotation_of_quaternion(path: Path, what: str, quaternion: np.ndarray) -> np.ndarray:
    """R (3, 3) of w x y z, of length 1 up to the digits of a text file.

    Raises UserError, calling it `what`, where the length says that it is no rotation.
    """
    length = math.hypot(*quaternion)
    if not abs(length - 1) <= UNIT_TOLERANCE:
        raise UserError(
            f"{path}: {what} has length {length:.3g} and is no rotation; "
            "expected a unit quaternion w x y z"
        )
    from scipy.spatial.transform import Rotation  # takes a quarter of a second to import

    return Rotation.from_quat(np.roll(quaternion, -1)).as_matrix()
