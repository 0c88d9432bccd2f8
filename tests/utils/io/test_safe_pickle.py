import os
import pickle
import pickletools
import subprocess
import time

import numpy as np
import pytest
import scipy.sparse as sp

from tests.scenes.official_mano import Ch, dump, made_up_model, write_official
from utils.errors import UserError
from utils.io.safe_pickle import load_pickle


def test_official_structure_loads_as_plain_arrays(tmp_path):
    model, path = made_up_model(), tmp_path / "MANO_RIGHT.pkl"
    write_official(path, model)
    loaded = load_pickle(path)
    assert loaded.keys() == model.keys()
    for name, value in model.items():
        if sp.issparse(value):
            assert (loaded[name] != value).nnz == 0
        else:
            np.testing.assert_array_equal(loaded[name], value)
    assert loaded["f"].dtype == loaded["kintree_table"].dtype == np.uint32


def test_written_pickle_looks_like_the_official_one(tmp_path):
    """Guards the test itself: the globals are those of Python 2, numpy 1 and chumpy."""
    path = tmp_path / "MANO_RIGHT.pkl"
    write_official(path, made_up_model())
    opcodes = list(pickletools.genops(path.read_bytes()))
    assert {arg for op, arg, _ in opcodes if op.name == "GLOBAL"} == {
        "__builtin__ set",
        "chumpy.ch Ch",
        "chumpy.reordering Select",
        "numpy dtype",
        "numpy ndarray",
        "numpy.core.multiarray _reconstruct",
        "scipy.sparse.csc csc_matrix",
    }
    assert not any("UNICODE" in op.name or "BYTES" in op.name for op, _, _ in opcodes)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_python_3_load(tmp_path, protocol):
    path = tmp_path / "a.pkl"
    cube = np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2)
    value = {
        "a": np.arange(6.0).reshape(2, 3),
        "cube": cube,
        "b": sp.csc_matrix(np.eye(3)),
        "c": np.float64(2),
    }
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    loaded = load_pickle(path)
    np.testing.assert_array_equal(loaded["a"], value["a"])
    np.testing.assert_array_equal(loaded["cube"], cube)
    np.testing.assert_array_equal(loaded["b"].toarray(), np.eye(3))
    assert loaded["c"] == 2


class Call:
    """Pickles as a call of `function` with `args`."""

    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


HOSTILE = {
    f"{os.system.__module__}.system": lambda flag: Call(os.system, f"touch {flag}"),
    "builtins.eval": lambda flag: Call(eval, f"open({str(flag)!r}, 'w')"),
    "builtins.getattr": lambda flag: Call(getattr, "", "format"),
    "subprocess.Popen": lambda flag: Call(subprocess.Popen, ["touch", str(flag)]),
    "numpy.load": lambda flag: Call(np.load, str(flag), None, True),
    "numpy.fromfile": lambda flag: Call(np.fromfile, str(flag)),
    "numpy.f2py.run_main": lambda flag: b"cnumpy.f2py\nrun_main\n(lp0\ntR.",
    "numpy.testing._private.utils.runstring": lambda flag: (
        b'cnumpy.testing._private.utils\nrunstring\n(S\'open("%s", "w")\'\n(dtR.'
        % str(flag).encode()
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_is_refused_by_name(tmp_path, name, protocol):
    flag, path = tmp_path / "ran", tmp_path / "MANO_RIGHT.pkl"
    attack = HOSTILE[name](flag)
    if not isinstance(attack, bytes):
        attack = pickle.dumps({"v_template": attack}, protocol=protocol)
    path.write_bytes(attack)
    with pytest.raises(UserError) as error:
        load_pickle(path)
    assert str(path) in str(error.value) and name.rsplit(".", 1)[1] in str(error.value)
    assert "\n" not in str(error.value) and not flag.exists()


def test_code_inside_a_chumpy_object_is_refused(tmp_path):
    path = tmp_path / "MANO_LEFT.pkl"
    dump({"weights": Ch(x=np.zeros(3), extra=Call(os.system, "true"))}, path)
    with pytest.raises(UserError, match="system"):
        load_pickle(path)


BROKEN = {
    "empty": b"",
    "text": b"not a pickle\n",
    "outside object": b"Pmodel\n.",
    "chumpy without value": b"\x80\x02cchumpy.ch\nCh\n)\x81}b.",
    "chumpy with a foreign state": b"\x80\x02cchumpy.ch\nCh\n)\x81]b.",
    "reconstructor of a set": b"\x80\x02ccopy_reg\n_reconstructor\nc__builtin__\nset\n"
    b"c__builtin__\nobject\nN\x87R.",
    "another codec": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_named(tmp_path, name):
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(BROKEN[name])
    with pytest.raises(UserError, match=r"MANO_RIGHT\.pkl"):
        load_pickle(path)


def test_truncated_file_is_named(tmp_path):
    path = tmp_path / "MANO_RIGHT.pkl"
    write_official(path, made_up_model())
    data = path.read_bytes()
    for length in (1, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(UserError, match=r"MANO_RIGHT.pkl.*download the file again"):
            load_pickle(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nothing.pkl"):
        load_pickle(tmp_path / "nothing.pkl")


def nested(levels: int, opening: bytes, closing: bytes, width: int = 10) -> bytes:
    """A pickle of a container of `width` times the same container, `levels` deep."""
    program = [b"\x80\x02K\x01q\x00"]
    for level in range(levels):
        program.append(opening + b"h%c" % level * width + closing + b"q%c" % (level + 1))
    return b"".join([*program, b"."])


LISTS = nested(60, b"](", b"e")
GROWING = {
    "lists of lists": LISTS,
    "tuples of tuples": nested(60, b"(", b"t"),
    "a key that takes for ever to hash": nested(60, b"(", b"t")[:-1] + b"}h\x3cK\x01s.",
    "a set of such": nested(60, b"(", b"t")[:-1] + b"c__builtin__\nset\n](h\x3ce\x85R.",
    "a chumpy object's value": b"\x80\x02cchumpy.ch\nCh\n)\x81}U\x01x" + LISTS[2:-1] + b"sb.",
    "part of itself": b"\x80\x02]q\x00h\x00a.",
    "a place far off in the memo": b"\x80\x02Nr\xff\xff\xff\xff\x85q\x00.",
    "more bytes than there are": b"\x80\x05\x96\x00\x00\x00\x00\x00\x01\x00\x00.",
    "an array of any size": b"\x80\x02cnumpy\nndarray\nJ\x00\xca\x9a\x3b\x85R.",
    "a made array of any size": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
    b"J\x00\xca\x9a\x3b\x85U\x01b\x87R.",
    "endless work": b"\x80\x02" + b"N0" * 1_100_000 + b"N.",
}


@pytest.mark.parametrize("name", GROWING)
def test_files_that_grow_end_soon(tmp_path, name):
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(GROWING[name])
    begin = time.process_time()
    if "memo" in name:  # nothing is wrong with it but for an unpickler that makes room
        assert load_pickle(path) == (None,)
    else:
        with pytest.raises(UserError, match=r"MANO_RIGHT\.pkl is no complete pickle"):
            load_pickle(path)
    assert time.process_time() - begin < 1.5  # seconds; the lists would take 10^60 steps
