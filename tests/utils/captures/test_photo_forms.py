"""Photos that EXIF turns, that hold few bits in 16, or that show nothing."""

import cv2
import numpy as np
import pytest
from PIL import Image

from utils.captures import load_capture
from utils.errors import UserError
from utils.io.images import load_image, save_image


@pytest.fixture
def photos(capture_dir):
    return sorted((capture_dir / "1" / "img").iterdir())


def stored_as(path, change):
    """Rewrite a photo's 8-bit BGR pixels."""
    cv2.imwrite(str(path), change(cv2.imread(str(path))))


def tag(path, orientation):
    image = Image.open(path)
    image.load()
    exif = image.getexif()
    exif[0x112] = orientation
    image.save(path, exif=exif)


def test_pixels_are_used_as_stored_where_the_cameras_fit_them(capture_dir, photos):
    before = load_capture(capture_dir, "1")
    expected = before.image(2)
    for path in photos:
        tag(path, 6)
    capture = load_capture(capture_dir, "1")
    assert capture.views[2].size == (120, 160) and capture.views[2].is_plain
    np.testing.assert_array_equal(capture.image(2), expected)
    assert list(capture.notes) == ["all photos carry an EXIF orientation: used as stored"]


def test_photos_are_turned_where_only_that_fits_the_cameras(capture_dir, photos):
    expected = load_capture(capture_dir, "1").image(3)
    for path in photos:
        stored_as(path, lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE))
        tag(path, 6)
    tag(capture_dir / "1" / "mask" / "01.png", 1)
    capture = load_capture(capture_dir, "1", {"w": 160, "h": 120})
    assert capture.cameras.sizes.tolist() == [[120, 160]] * 5 and not capture.views[3].is_plain
    np.testing.assert_array_equal(capture.image(3), expected)
    assert capture.mask(3).shape == (120, 160)
    (note,) = capture.notes
    assert note == (
        "all photos carry an EXIF orientation: turned as it says, for the cameras fit the turned "
        "photos"
    )


def test_masks_of_turned_photos_are_turned_too(capture_dir, photos):
    masks = [capture_dir / "1" / "mask" / path.name for path in photos]
    expected = load_capture(capture_dir, "1").mask(1)
    for path in photos + masks:
        stored_as(path, lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE))
        tag(path, 6)
    np.testing.assert_array_equal(load_capture(capture_dir, "1").mask(1), expected)


@pytest.mark.parametrize("bits, factor", [(8, 256), (10, 64), (12, 16), (14, 4)])
def test_few_bits_in_16_are_scaled(capture_dir, photos, bits, factor):
    expected = [load_image(path) for path in photos]
    white = (1 << bits) - 1
    for path in photos:
        stored_as(path, lambda image: np.round(image / 255 * white).astype(np.uint16))
    brightest = round(max(image.max() for image in expected) * white)
    capture = load_capture(capture_dir, "1")
    assert not list(capture.notes)  # opening decodes nothing
    for view in (4, 0):
        np.testing.assert_allclose(capture.image(view), expected[view], atol=0.5 / white)
    assert list(capture.notes) == [
        f"photos hold {bits}-bit values in 16-bit files (none above {brightest}): scaled by "
        f"{factor}"
    ]


def test_one_bright_photo_tells_true_16_bits(capture_dir, photos):
    for path in photos:
        factor = 257 if path.stem == "04" else 1
        stored_as(path, lambda image: image.astype(np.uint16) * factor)  # noqa: B023
    capture = load_capture(capture_dir, "1")
    assert capture.image(0).max() < 0.01 and capture.image(4).max() > 0.5
    (note,) = capture.notes
    assert note.startswith("nearly black or white all over: the photos of views 00, 01, 02 and 03")


def test_blank_photos_are_said_once(capture_dir, photos):
    shape = load_image(photos[0]).shape
    save_image(photos[1], np.full(shape, 3 / 255))
    save_image(photos[3], np.ones(shape))
    capture = load_capture(capture_dir, "1")
    for view in range(5):
        capture.image(view)
    assert list(capture.notes) == [
        "nearly black or white all over: the photos of views 01 and 03; look at them"
    ]


def test_an_unreadable_photo_is_told_when_it_is_asked_for(capture_dir, photos):
    for path in photos:
        stored_as(path, lambda image: image.astype(np.uint16))
    photos[2].write_bytes(photos[2].read_bytes()[:-30])
    capture = load_capture(capture_dir, "1")
    assert capture.image(0).max() > 0.5
    with pytest.raises(UserError, match=r"02.png is truncated"):
        capture.image(2)
