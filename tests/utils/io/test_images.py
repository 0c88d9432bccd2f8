import numpy as np
import pytest

from utils.io.images import FEW, to_bytes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("repeated", [1, FEW])  # by NumPy, by OpenCV
def test_numbers_become_bytes_and_are_clipped(dtype, repeated):
    stored = np.arange(256, dtype=np.uint8)
    values = np.r_[stored / 255, -0.3, 1.2, 0.004, 0.998].astype(dtype)
    expected = np.r_[stored, 0, 255, 1, 254].astype(np.uint8)
    converted = to_bytes(np.tile(values[:, None], (repeated, 3)))
    assert converted.dtype == np.uint8
    np.testing.assert_array_equal(converted, np.tile(expected[:, None], (repeated, 3)))
