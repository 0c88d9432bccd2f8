"""What image files say of themselves before they are decoded: size, orientation, depth."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

PNG, BMP, EXIF = b"\x89PNG\r\n\x1a\n", b"BM", b"Exif\0\0"
TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
WIDTH, HEIGHT, BITS, ORIENTATION = 0x100, 0x101, 0x102, 0x112  # TIFF's tags, which EXIF shares
VALUE_FORMATS = {1: "B", 3: "H", 4: "I"}  # by TIFF's types: byte, short, long
MOST_TAGS = 1000  # of a directory: more is no image
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG's markers that hold the size


@dataclass(frozen=True)
class ImageHeader:
    """Size in pixels as stored, EXIF's orientation 1 to 8, and bits a channel."""

    height: int
    width: int
    orientation: int = 1
    bits: int = 8
    format: str = "png"


def read_header(file: BinaryIO) -> ImageHeader | None:
    """The header of a PNG, JPEG, TIFF, WebP or BMP file; None for any other or a broken one.

    Sources: the PNG specification (11.2.2, 11.3.2.9), ITU T.81 (annex B), TIFF 6.0, Exif 2.3
    (4.6.4: orientation), the WebP container specification.
    """
    start = file.read(16)
    file.seek(0)
    try:
        if start.startswith(PNG):
            header = _png(file)
        elif start.startswith(b"\xff\xd8\xff"):
            header = _jpeg(file)
        elif start[:4] in TIFF_ORDERS:
            header = _tiff(file)
        elif start[:4] == b"RIFF" and start[8:12] == b"WEBP":
            header = _webp(file)
        elif start.startswith(BMP):
            header = _bmp(file)
        else:
            return None
    except (struct.error, KeyError, IndexError):
        return None
    return header if header and header.width > 0 and header.height > 0 else None


def _png(file: BinaryIO) -> ImageHeader:
    orientation = 1
    file.seek(len(PNG) + 8)
    width, height, bits = struct.unpack(">IIB", file.read(9))
    file.seek(len(PNG) + 25)
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        length = struct.unpack(">I", head[:4])[0]
        if head[4:] == b"eXIf":
            orientation = _orientation(file.read(min(length, 1 << 16)))
            break
        file.seek(length + 4, io.SEEK_CUR)
    return ImageHeader(height, width, orientation, bits)


def _jpeg(file: BinaryIO) -> ImageHeader | None:
    orientation = 1
    file.seek(2)
    while True:
        marker = file.read(2)
        while marker == b"\xff\xff":  # fill bytes
            marker = b"\xff" + file.read(1)
        length = struct.unpack(">H", file.read(2))[0]
        if marker[0] != 0xFF:
            return None
        if marker[1] in FRAMES:
            bits, height, width = struct.unpack(">BHH", file.read(5))
            return ImageHeader(height, width, orientation, bits, "jpeg")
        content = file.read(length - 2) if marker[1] == 0xE1 else b""
        if content.startswith(EXIF):
            orientation = _orientation(content[len(EXIF) :])
        file.seek(length - 2 - len(content), io.SEEK_CUR)


def _tiff(file: BinaryIO) -> ImageHeader:
    tags = dict(_tags(file))
    orientation = tags.get(ORIENTATION, 1)
    orientation = orientation if 1 <= orientation <= 8 else 1
    return ImageHeader(tags[HEIGHT], tags[WIDTH], orientation, tags.get(BITS, 1), "tiff")


def _webp(file: BinaryIO) -> ImageHeader | None:
    size, orientation = None, 1
    file.seek(12)
    while len(head := file.read(8)) == 8:
        length = struct.unpack("<I", head[4:])[0]
        content = file.read(min(length, 1 << 16) if head[:4] == b"EXIF" else 10)
        if head[:4] == b"VP8X" and size is None:
            size = tuple(1 + int.from_bytes(content[at : at + 3], "little") for at in (4, 7))
        elif head[:4] == b"VP8 " and size is None:
            size = tuple(s & 0x3FFF for s in struct.unpack("<HH", content[6:10]))
        elif head[:4] == b"VP8L" and size is None:
            packed = struct.unpack("<I", content[1:5])[0]
            size = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        elif head[:4] == b"EXIF":
            orientation = _orientation(content.removeprefix(EXIF))
        file.seek(length + length % 2 - len(content), io.SEEK_CUR)
    return None if size is None else ImageHeader(size[1], size[0], orientation, 8, "webp")


def _bmp(file: BinaryIO) -> ImageHeader:
    file.seek(18)
    width, height = struct.unpack("<ii", file.read(8))
    return ImageHeader(abs(height), width, format="bmp")


def _orientation(exif: bytes) -> int:
    """EXIF's orientation, 1 (upright) where it has none or is broken."""
    try:
        found = dict(_tags(io.BytesIO(exif))).get(ORIENTATION, 1)
    except (struct.error, KeyError, IndexError):
        return 1
    return found if 1 <= found <= 8 else 1


def _tags(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """The first number of each tag in the first directory of a TIFF block."""
    start = file.read(8)
    order = TIFF_ORDERS[start[:4]]
    file.seek(struct.unpack(order + "I", start[4:])[0])
    (count,) = struct.unpack(order + "H", file.read(2))
    for entry in [file.read(12) for _ in range(min(count, MOST_TAGS))]:
        tag, kind, values = struct.unpack(order + "HHI", entry[:8])
        if kind not in VALUE_FORMATS:
            continue
        form = order + VALUE_FORMATS[kind]
        place = entry[8:]
        if values * struct.calcsize(form) > 4:  # the values stand elsewhere
            file.seek(struct.unpack(order + "I", place)[0])
            place = file.read(struct.calcsize(form))
        yield tag, struct.unpack(form, place[: struct.calcsize(form)])[0]
