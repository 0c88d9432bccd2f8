"""Reading and writing: round trips, broken files, and nothing half-written."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import cv2
import numpy as np
import pytest
import torch

from tests.conftest import ROOT
from utils.errors import UserError
from utils.io.files import (
    atomic_path,
    load_json,
    load_torch,
    remove_abandoned,
    save_json,
    save_text,
    save_torch,
)
from utils.io.images import load_image, load_mask, save_image
from utils.io.meshes import load_mesh, save_mesh

TRIANGLES = np.array([[0, 1, 2], [2, 1, 3]])


@pytest.fixture
def verts() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 3)) + 1000


def test_image_round_trip_is_rgb(tmp_path):
    image = np.zeros((4, 5, 3), np.float32)
    image[1, 2] = [1.0, 0.2, 0.0]
    save_image(tmp_path / "a.png", image)
    loaded = load_image(tmp_path / "a.png")
    assert loaded.dtype == np.float32 and loaded.shape == (4, 5, 3)
    np.testing.assert_allclose(loaded, image, atol=0.5 / 255)
    assert cv2.imread(str(tmp_path / "a.png"))[1, 2].tolist() == [0, 51, 255]  # OpenCV's BGR


def test_floats_outside_the_range_are_clipped(tmp_path):
    save_image(tmp_path / "a.png", np.array([[[-1.0, 0.5, 2.0]]]))
    assert load_image(tmp_path / "a.png")[0, 0].tolist() == pytest.approx([0, 128 / 255, 1])


def test_sixteen_bit_images(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((2, 2, 3), 32768, np.uint16))
    assert load_image(tmp_path / "a.png")[0, 0, 0] == pytest.approx(32768 / 65535)


def test_mask_round_trip(tmp_path):
    mask = np.random.default_rng(0).random((6, 7)) > 0.5
    save_image(tmp_path / "m.png", mask)
    np.testing.assert_array_equal(load_mask(tmp_path / "m.png"), mask)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_truncated_image(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    save_image(path, np.random.default_rng(0).random((40, 40, 3)))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=rf"a\{suffix} is truncated \(\d+ bytes\); copy it again"):
        load_image(path)


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_foreign_image(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.png is not a readable image"):
        load_mask(tmp_path / "a.png")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_files_without_read_permission(tmp_path):
    save_image(tmp_path / "a.png", np.zeros((4, 5)))
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(UserError, match=r"a.png cannot be read: permission denied; allow"):
        load_image(tmp_path / "a.png")


def test_missing_files(tmp_path):
    for load in (load_image, load_json, load_torch, load_mesh):
        with pytest.raises(UserError, match=r"nothing\.x is missing"):
            load(tmp_path / "nothing.x")
    with pytest.raises(UserError, match=r"is missing; run that first"):
        load_torch(tmp_path / "nothing.pt", "run that first")


def test_json_turns_arrays_and_nan_into_plain_values(tmp_path):
    data = {"a": np.array([1.5, np.nan]), "b": np.int64(3), "c": (True, None), 4: np.bool_(False)}
    save_json(tmp_path / "a.json", data)
    expected = {"a": [1.5, None], "b": 3, "c": [True, None], "4": False}
    assert load_json(tmp_path / "a.json") == expected


def test_broken_json(tmp_path):
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(UserError, match=r"a\.json is not valid JSON"):
        load_json(tmp_path / "a.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_of_windows_editors(tmp_path, encoding):
    (tmp_path / "a.json").write_bytes('{"a": 1}\r\n'.encode(encoding))
    assert load_json(tmp_path / "a.json") == {"a": 1}


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000 + b"]" * 100_000, b"[" + b"9" * 5000 + b"]", b'{"a": "\xff\xfe"}', b""],
    ids=["nested lists", "a huge integer", "no UTF-8", "empty"],
)
def test_json_that_python_cannot_hold(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is not valid JSON .*; detect again"):
        load_json(tmp_path / "a.json", "detect again")


def test_torch_round_trip(tmp_path):
    save_torch(tmp_path / "a.pt", [{"pose": torch.ones(1, 48), "type": "left"}])
    (hand,) = load_torch(tmp_path / "a.pt")
    assert hand["type"] == "left" and hand["pose"].shape == (1, 48)


class RunsCode:
    """What a hostile pickle does when it is loaded."""

    def __reduce__(self):
        return os.system, ("exit 1",)


def test_hostile_torch_file(tmp_path):
    torch.save({"x": RunsCode()}, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"a\.pt is not a file of plain tensors"):
        load_torch(tmp_path / "a.pt")


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_foreign_torch_file(tmp_path, content):
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.pt is not a file of plain tensors"):
        load_torch(tmp_path / "a.pt")


@pytest.mark.parametrize("suffix, digits", [(".obj", 9), (".ply", 17)])
def test_mesh_round_trip_keeps_order(tmp_path, verts, suffix, digits):
    save_mesh(tmp_path / f"a{suffix}", verts, TRIANGLES)
    loaded, faces = load_mesh(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(loaded, verts, rtol=10.0 ** (1 - digits))
    np.testing.assert_array_equal(faces, TRIANGLES)


@pytest.mark.parametrize("suffix", [".obj", ".ply"])
def test_mesh_colors(tmp_path, verts, suffix):
    import trimesh

    colors = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 2, -1]])
    save_mesh(tmp_path / f"a{suffix}", verts, TRIANGLES, colors)
    loaded = trimesh.load(tmp_path / f"a{suffix}", process=False, maintain_order=True)
    found = loaded.visual.vertex_colors[:, :3] / 255
    np.testing.assert_allclose(found, np.clip(colors, 0, 1), atol=1 / 255)


@pytest.mark.parametrize("suffix", [".obj", ".ply"])
def test_meshes_far_from_the_origin_keep_a_millionth_of_a_hand(tmp_path, verts, suffix):
    """A national grid: a float32 has steps of 0.5 m there, nine digits of 1 cm."""
    far = 0.2 * verts / np.ptp(verts, axis=0).max() + [353141.23, 4820097.85, 38.678]
    save_mesh(tmp_path / f"a{suffix}", far, TRIANGLES)
    loaded, _ = load_mesh(tmp_path / f"a{suffix}")
    assert np.abs(loaded - far).max() <= 1e-6 * 0.2


BROKEN_MESHES = {
    "garbage": b"\x00\xff" * 300,
    "nothing": b"",
    "no faces": b"v 0 0 0\nv 1 0 0\nv 0 1 0\n",
    "nan": b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "infinity": b"v inf 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "1e300": b"v 1e300 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "a face of vertices that are not there": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n",
}


@pytest.mark.parametrize("name", BROKEN_MESHES)
def test_broken_meshes_name_the_stage_that_writes_them(tmp_path, name):
    (tmp_path / "a.obj").write_bytes(BROKEN_MESHES[name])
    with pytest.raises(UserError, match=r"a\.obj.*; run mano_optim\.py again$"):
        load_mesh(tmp_path / "a.obj", "run mano_optim.py first", "run mano_optim.py again")


def test_foreign_mesh(tmp_path):
    (tmp_path / "a.ply").write_text("nonsense")
    with pytest.raises(UserError, match=r"a\.ply is not a readable mesh"):
        load_mesh(tmp_path / "a.ply")


def test_an_error_leaves_the_old_file(tmp_path):
    save_text(tmp_path / "a.txt", "old")
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "a.txt") as beside:
        beside.write_text("half")
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_kill_leaves_the_old_file(tmp_path):
    """kill -9 between the first and the last byte: the name still holds the old content."""
    save_text(tmp_path / "a.txt", "old")
    program = f"""
        import time
        from utils.io.files import atomic_path
        with atomic_path({str(tmp_path / "a.txt")!r}) as beside:
            beside.write_text("half")
            print("writing", flush=True)
            time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait() != 0
    assert (tmp_path / "a.txt").read_text() == "old"
    (left,) = (path for path in tmp_path.iterdir() if path.name != "a.txt")
    assert remove_abandoned([tmp_path, tmp_path / "nowhere"]) == [left]
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_only_what_its_writer_left_is_removed(tmp_path):
    """Files of living writers, of other machines, and of other names stay."""
    names = [".hidden.txt", "a.12345678-1-12345678.txt", ".a.12345678-1-87654321.txt", ".progress"]
    for name in names:
        (tmp_path / name).write_text("")
    with atomic_path(tmp_path / "b.txt") as beside:
        beside.write_text("")
        assert remove_abandoned([tmp_path]) == []
    foreign = tmp_path / ".a.12345678-1-87654321.txt"  # of another machine
    week = 8 * 24 * 3600
    os.utime(foreign, (time.time() - week, time.time() - week))
    assert remove_abandoned([tmp_path]) == [foreign]


@pytest.mark.parametrize("below", ["file/out/a.json", "file/a.json"])
def test_unwritable_folder(tmp_path, below):
    (tmp_path / "file").write_text("a regular file where a folder should be")
    with pytest.raises(UserError, match=r"cannot write .*a\.json: .*another --out_path"):
        save_json(tmp_path / below, {})
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_full_disk(tmp_path):
    """A limit on file size stands for the full disk."""
    program = f"""
        import resource, signal, numpy as np
        from utils.errors import UserError
        from utils.io.images import save_image
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            save_image({str(tmp_path / "a.png")!r}, np.random.default_rng(0).random((60, 60, 3)))
        except UserError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "cannot write" in done.stdout and "make room" in done.stdout, done
    assert list(tmp_path.iterdir()) == []
