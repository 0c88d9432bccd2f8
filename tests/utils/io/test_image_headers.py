"""What headers say of size, orientation and depth, and how pixels are turned."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from utils.errors import UserError
from utils.io.image_headers import read_header
from utils.io.images import image_header, image_size, load_image, oriented

SUFFIXES = ["png", "jpg", "tif", "webp", "bmp"]


def tagged(path, orientation, size=(50, 30)):
    """A photo (width, height) whose top left tenth is white."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:10, :10] = 255
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x112] = orientation
    image.save(path, exif=exif, quality=100)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_size_and_orientation(tmp_path, suffix):
    path = tagged(tmp_path / f"a.{suffix}", 6)
    header = image_header(path)
    assert (header.height, header.width, header.bits) == (30, 50, 8)
    assert header.orientation == (1 if suffix == "bmp" else 6)  # BMP has none


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pixels_are_those_stored_unless_they_are_turned(tmp_path, suffix):
    path = tagged(tmp_path / f"a.{suffix}", 6)
    image = load_image(path)
    assert image.shape == (30, 50, 3) == (*image_size(path), 3)
    assert image[4, 4].min() > 0.9 and image[4, 45].max() < 0.1
    turned = load_image(path, orientation=6)  # a quarter clockwise
    assert turned.shape == (50, 30, 3) and turned[4, 25].min() > 0.9 and turned[4, 4].max() < 0.1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_are_those_of_pillow(tmp_path, orientation):
    from PIL import ImageOps

    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = Image.fromarray(pixels)
    image.getexif()[0x112] = orientation
    image.info["exif"] = image.getexif().tobytes()
    shown = ImageOps.exif_transpose(image)
    np.testing.assert_array_equal(oriented(pixels, orientation), np.asarray(shown))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_depth(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), np.zeros((5, 6, 3), np.uint16))
    assert image_header(path).bits == 16


def test_a_claim_of_too_many_pixels_is_refused_before_decoding(tmp_path):
    def chunk(kind, data):
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png)
    for read in (image_size, load_image):
        with pytest.raises(UserError, match=r"a.png claims 100000x100000 pixels, more than 500"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_broken_headers_are_none_or_true(tmp_path, suffix):
    whole = tagged(tmp_path / f"a.{suffix}", 3).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        data = np.frombuffer(whole[: rng.integers(4, 400)], np.uint8).copy()
        data[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
        header = read_header(io.BytesIO(data.tobytes()))
        assert header is None or (header.width > 0 and 1 <= header.orientation <= 8)


def test_floats(tmp_path):
    image = np.random.default_rng(0).random((4, 5, 3), np.float32)
    cv2.imwrite(str(tmp_path / "a.tif"), image)
    np.testing.assert_array_equal(load_image(tmp_path / "a.tif"), image[..., ::-1])
    cv2.imwrite(str(tmp_path / "b.tif"), image * 40)
    with pytest.raises(UserError, match=r"b.tif holds floats from .* expected \[0, 1\] encoded"):
        load_image(tmp_path / "b.tif")
    cv2.imwrite(str(tmp_path / "c.tif"), image * np.nan)
    with pytest.raises(UserError, match=r"c.tif holds floats from nan"):
        load_image(tmp_path / "c.tif")
