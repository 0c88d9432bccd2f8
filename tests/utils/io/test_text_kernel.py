"""Numbers as text: what the kernel writes, and large meshes, which it writes."""

import numpy as np
import pytest

from utils.io import meshes
from utils.io.meshes import load_mesh, save_mesh
from utils.io.text_kernel import lines_of


def test_numbers_are_short_and_rounded():
    rows = np.array(
        [[0, -0.0, 1, 1234], [-1e-12, 0.1, -0.25, -10], [99.99999999, 0.05, -12.345, 7]]
    )
    text = lines_of(b"v ", np.array(rows), np.array([7, 4, 2, 0])).decode()
    assert text == "v 0 0 1 1234\nv 0 0.1 -0.25 -10\nv 100 0.05 -12.35 7\n"


@pytest.mark.parametrize("decimals", [0, 1, 5, 8, 12])
def test_numbers_are_python_s(decimals):
    numbers = np.random.default_rng(0).normal(size=1000) * 100
    text = lines_of(b"", numbers[:, None], np.array([decimals])).decode()
    for line, number in zip(text.splitlines(), numbers):
        assert float(line) == pytest.approx(float(f"{number:.{decimals}f}"), abs=1.01e-12)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0, 1e3, 1e9])
@pytest.mark.parametrize("far", [0, 1e3, 1e5])
@pytest.mark.parametrize("colored", [False, True])
def test_large_meshes_are_written_as_small_ones_are(tmp_path, monkeypatch, unit, far, colored):
    rng = np.random.default_rng(0)
    verts, faces = (rng.normal(size=(60, 3)) + far) * unit, rng.integers(0, 60, (90, 3))
    colors = rng.random((60, 3)) if colored else None
    found = []
    for few in (1000, 1):
        monkeypatch.setattr(meshes, "FEW", few)
        save_mesh(tmp_path / "a.obj", verts, faces, colors)
        found.append(load_mesh(tmp_path / "a.obj"))
        numbers = np.array((tmp_path / "a.obj").read_text().splitlines()[0].split()[1:], float)
        if colored:
            np.testing.assert_allclose(numbers[3:], colors[0], atol=0.5001e-4)
    for own, read in found:
        np.testing.assert_allclose(own, verts, rtol=0, atol=1e-7 * np.ptp(verts))
        np.testing.assert_array_equal(read, faces)


def test_what_is_no_number_is_written_as_such(tmp_path, monkeypatch):
    monkeypatch.setattr(meshes, "FEW", 1)
    colors = np.array([[0.5, 1, np.nan]] * 3)
    save_mesh(tmp_path / "a.obj", np.eye(3), np.array([[0, 1, 2]]), colors)
    assert (tmp_path / "a.obj").read_text().startswith("v 1 0 0 0.5000 1.0000 nan\n")
