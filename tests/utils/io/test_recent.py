"""Pixels decoded a moment ago: given again while the file is as it was, and only so many."""

import os
import threading

import numpy as np
import pytest

from utils.errors import UserError
from utils.io import images
from utils.io.images import PHOTO, load_image, look_ahead, save_image, stored_pixels
from utils.io.recent import RecentPixels

IMAGE = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.png").write_bytes(b"first")
    return tmp_path / "a.png"


class Decoder:
    """Counts how often it is asked."""

    def __init__(self, image: np.ndarray = IMAGE) -> None:
        self.asked, self.image = 0, image

    def __call__(self) -> np.ndarray:
        self.asked += 1
        return self.image.copy()


def test_a_file_is_decoded_once_for_each_way_to_read_it(path):
    recent, decode = RecentPixels(), Decoder()
    for flags in (1, 1, 0, 1, 0):
        np.testing.assert_array_equal(recent.get(path, flags, decode), IMAGE)
    assert decode.asked == 2


def test_a_file_that_was_written_again_is_decoded_again(path):
    recent, decode = RecentPixels(), Decoder()
    recent.get(path, 1, decode)
    before = path.stat().st_mtime_ns
    path.write_bytes(b"other")  # as long as before
    os.utime(path, ns=(before + 1, before + 1))
    recent.get(path, 1, decode)
    assert decode.asked == 2


def test_what_is_kept_cannot_be_spoilt(path):
    with pytest.raises(ValueError, match="read-only"):
        RecentPixels().get(path, 1, Decoder())[0] = 1


def test_the_oldest_go_when_there_are_too_many(tmp_path):
    recent, decoders = RecentPixels(most=2 * IMAGE.nbytes), [Decoder() for _ in range(3)]
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        path.touch()
    for number in (0, 1, 0, 2, 0, 1):  # 1 was asked for longest ago when 2 came
        recent.get(paths[number], 1, decoders[number])
    assert [decode.asked for decode in decoders] == [1, 2, 1]


def test_large_images_are_not_kept(path):
    recent, decode = RecentPixels(largest=IMAGE.nbytes - 1), Decoder()
    for _ in range(2):
        recent.get(path, 1, decode)[0] = 1  # and may be written to
    assert decode.asked == 2


def test_photos_that_were_looked_ahead_for_are_there(tmp_path, monkeypatch):
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path in paths[:3]:
        save_image(path, np.full((40, 50, 3), 0.5))
    paths[1].write_bytes(b"no image")  # says so when it is asked for, and the others are read
    recent = RecentPixels()
    monkeypatch.setattr(images, "recent_pixels", recent)
    monkeypatch.setattr(images, "cores", lambda: 2)
    look_ahead(paths)
    for thread in threading.enumerate():
        if thread.name == "look ahead":
            thread.join(60)
    for path in (paths[0], paths[2]):  # not decoded again
        assert not recent.get(path, PHOTO, lambda: pytest.fail("decoded")).flags.writeable


def test_images_on_disk_are_read_anew_after_a_change_and_missed_when_gone(tmp_path):
    path = tmp_path / "photo.png"
    for value in (0.2, 0.6):
        save_image(path, np.full((40, 50, 3), value))
        np.testing.assert_allclose(load_image(path), value, atol=0.5 / 255)  # 8 bits
    path.unlink()
    with pytest.raises(UserError, match="is missing"):
        stored_pixels(path, 1)
