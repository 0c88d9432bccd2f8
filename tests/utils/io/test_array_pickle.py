"""Pickles of one array, and what is refused."""

import os
import pickle

import numpy as np
import pytest

from utils.errors import UserError
from utils.io.array_pickle import load_array

DEPTH = np.arange(12, dtype=np.float32).reshape(3, 4)


def load(path):
    return load_array(path, "a depth map", "copy it again")


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("array", [DEPTH, np.asfortranarray(DEPTH), DEPTH.astype(np.uint16)])
def test_arrays_of_all_protocols(tmp_path, array, protocol):
    path = tmp_path / "depthmap400002.pkl"
    path.write_bytes(pickle.dumps(array, protocol=protocol))
    found = load(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


class Call:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Call(os.system, "touch hacked"), r"refuses to load, .*system, .* not part of a depth map"),
        (Call(eval, "1"), r"refuses to load, .*builtins.eval"),
        ({"depth": DEPTH}, r"holds no array but a dict, expected a depth map"),
        ([DEPTH], r"holds no array but a list"),
        (np.array([{}, None], object), r"holds an array of objects"),
        (Call(np.ndarray, (1 << 40,)), r"no complete pickle of a depth map .*; copy it again"),
        (set(), r"refuses to load|no array but a set"),
    ],
)
def test_what_is_no_array_is_refused(tmp_path, monkeypatch, value, words):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "depthmap400002.pkl"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(UserError, match=words) as error:
        load(path)
    assert str(path) in str(error.value) and not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("kept", [0, 1, 20, -10])
def test_broken_files_are_named(tmp_path, kept):
    path = tmp_path / "depthmap400002.pkl"
    path.write_bytes(pickle.dumps(DEPTH)[:kept])
    with pytest.raises(UserError, match=r"depthmap400002.pkl is no complete pickle of a depth map"):
        load(path)
    with pytest.raises(UserError, match=r"nothing.pkl is missing"):
        load(tmp_path / "nothing.pkl")
