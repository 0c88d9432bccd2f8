"""Vectors of eight numbers in Numba functions against NumPy."""

import numpy as np
from numba import njit

from utils.render.cpu.simd import (  # fmt: skip
    U,
    load,
    load_some,
    lowest,
    ramp,
    select,
    some,
    splat,
    store,
    total,
)

FIRST = np.array([3, -1, 4, 1, -5, 9, 2, 6], np.float32)
SECOND = np.array([2, 7, 1, 8, 2, -8, 1, 8], np.float32)


@njit(error_model="numpy")
def arithmetic(first, second, floats, integers):
    a, b = load(first, U(0)), load(second, U(0))
    store(floats, U(0), (a + b) * splat(np.float32(2)) - ramp(np.float32(3)))
    nearer = (a > b) & (a > splat(np.float32(2)))
    store(floats, U(8), select(nearer | (b > splat(np.float32(7))), a, b))
    x = splat(np.int32(-3)) + ramp(np.int32(1))
    store(integers, U(0), x | splat(np.int32(8)))
    return some(x >= splat(np.int32(0))), some(x > splat(np.int32(0))), total(a)


def test_arithmetic_on_eight_numbers():
    floats, integers = np.zeros(16, np.float32), np.zeros(8, np.int32)
    least_zero, positive, sum_of_first = arithmetic(FIRST, SECOND, floats, integers)
    lanes = np.arange(8)
    np.testing.assert_array_equal(floats[:8], (FIRST + SECOND) * 2 - 3 * lanes)
    chosen = ((FIRST > SECOND) & (FIRST > 2)) | (SECOND > 7)
    np.testing.assert_array_equal(floats[8:], np.where(chosen, FIRST, SECOND))
    np.testing.assert_array_equal(integers, (lanes - 3) | 8)
    assert (least_zero, positive, sum_of_first) == (0b11111000, 0b11110000, FIRST.sum())


@njit
def beginning(array, index, count, result):
    store(result, U(0), load_some(array, U(index), np.int32(count)))


def test_loading_fewer_than_eight_fills_with_zeros():
    """What lies beyond is not even looked at: here nan, and the array's end."""
    array, result = np.append(FIRST, np.nan).astype(np.float32), np.ones(8, np.float32)
    beginning(array, 1, 7, result)
    np.testing.assert_array_equal(result, [*FIRST[1:], 0])
    beginning(array, 6, 2, result)
    np.testing.assert_array_equal(result, [2, 6, 0, 0, 0, 0, 0, 0])
    beginning(array, 0, 100, result)
    np.testing.assert_array_equal(result, FIRST)


@njit
def lowest_of(bits):
    return lowest(bits)


def test_lowest_bit():
    assert [lowest_of(bits) for bits in (1, 2, 12, 1 << 15)] == [0, 1, 2, 15]
