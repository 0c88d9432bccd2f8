"""What COLMAP is asked for, in parts, and what its models are taken for."""

import numpy as np
import pytest

from utils.calibration import structure
from utils.calibration.photos import collect_photos
from utils.calibration.structure import apart, find_structure
from utils.io.images import save_image


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(5):
        save_image(tmp_path / "photos" / f"{k}.png", rng.random((64, 96, 3)))
    return collect_photos(tmp_path / "photos", tmp_path / "kept", keep_shaken=True)


@pytest.fixture
def colmap():
    return pytest.importorskip("pycolmap", reason="pycolmap is not installed")


def rows(colmap, folder):
    (path,) = folder.glob("colmap_*/database.db")
    opened = colmap.Database.open(path)
    try:
        return sorted(i.name for i in opened.read_all_images()), len(opened.read_all_cameras())
    finally:
        opened.close()


@pytest.mark.parametrize(("shared", "cameras"), [(True, 1), (False, 5)])
def test_photos_of_one_camera_share_it_whichever_part_they_are_in(
    tmp_path, monkeypatch, colmap, photos, shared, cameras
):
    monkeypatch.setattr(structure, "cores", lambda: 1)
    monkeypatch.setattr(structure, "PHOTOS_AT_A_TIME", 2)
    assert find_structure(photos, tmp_path, shared) is None  # noise connects with nothing
    assert rows(colmap, tmp_path) == (photos.names, cameras)
    find_structure(photos, tmp_path, shared)  # goes on from there
    assert rows(colmap, tmp_path) == (photos.names, cameras)


def test_a_database_that_cannot_be_read_is_begun_anew(tmp_path, colmap, photos):
    find_structure(photos, tmp_path, shared=True)
    (path,) = tmp_path.glob("colmap_*/database.db")
    path.write_bytes(b"not a database" * 1000)
    find_structure(photos, tmp_path, shared=True)
    assert rows(colmap, tmp_path) == (photos.names, 1)


def test_photos_that_models_share_are_those_of_the_larger():
    order = list("abcdefghij")
    pieces, left_out = apart(["abcd", "dhge", "gfeh", "ij"], order)
    assert pieces == [["e", "g", "h"]]
    assert left_out == ["f", "i", "j"]  # fewer than make a model of their own


def test_one_model_of_all_photos_leaves_nothing():
    assert apart(["cab"], list("abc")) == ([], [])
