"""Photos, masks and moving pictures (.mp4 through OpenCV, .gif through Pillow)."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from utils.errors import UserError
from utils.io.decoding import decoding
from utils.io.files import atomic_path, existing_file
from utils.io.image_headers import ImageHeader, read_header
from utils.io.mask_values import MaskForm, mask_of
from utils.io.overheard import lost_pixels, overheard
from utils.io.recent import RecentPixels
from utils.parallel import cores

VIDEO_SUFFIXES = (".mp4", ".gif")
MOST_PIXELS = 500_000_000  # of an image: a header that claims more is not believed
TURN_BACK = {6: 8, 8: 6}  # EXIF orientations that are not their own inverse
READ_AGAIN = "copy it again, or export it as an 8-bit PNG"
FEW = 1000  # numbers that OpenCV converts no faster

PHOTO = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH  # as photos are decoded

recent_pixels = RecentPixels()


def load_image(path: str | Path, orientation: int = 1, white: float | None = None) -> np.ndarray:
    """RGB (H, W, 3) float32 in [0, 1], sRGB-encoded as on disk (8 or 16 bit, or float).

    The pixels are those stored, whatever EXIF says; `orientation` (1 to 8, as EXIF counts) turns
    them. white: the stored value that means 1, where it is not the largest that the type holds.
    Raises UserError for floats outside [0, 1]: nobody knows how they were meant to be shown.
    """
    path = Path(path)
    image = oriented(stored_pixels(path, PHOTO), orientation)
    image = channels_turned(image)
    if image.dtype.kind == "f":
        if not (image.min() >= 0 and image.max() <= 1):
            raise UserError(
                f"{path} holds floats from {image.min():.3g} to {image.max():.3g}, expected [0, 1] "
                "encoded as sRGB; export it with 8 or 16 bits"
            )
        return image.astype(np.float32)
    return image / np.float32(white or np.iinfo(image.dtype).max)


def image_header(path: str | Path) -> ImageHeader:
    """An image's header; files of kinds that no header is known of are decoded for it.

    Raises UserError on files that are missing, no image, or claim more than MOST_PIXELS.
    """
    path = Path(path)
    with decoding(path, "not a readable image", READ_AGAIN), existing_file(path).open("rb") as file:
        header = read_header(file)
    if header is None:
        pixels = stored_pixels(path, cv2.IMREAD_UNCHANGED)
        return ImageHeader(*pixels.shape[:2], bits=8 * pixels.itemsize, format="other")
    _check_claim(path, header)
    return header


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) as stored; raises UserError as `image_header`."""
    header = image_header(path)
    return header.height, header.width


def stored_pixels(path: Path, flags: int) -> np.ndarray:
    """An image file's pixels as OpenCV decodes them, not turned by any EXIF orientation.

    Raises UserError where it cannot be decoded; a truncated file is an error, not a half-grey
    picture. Where the decoder says that a part is lost, that is passed on, once a file. The array
    may be kept for the next call: copy it to change it.
    """
    return recent_pixels.get(path, flags, lambda: _decoded(path, flags))


def _decoded(path: Path, flags: int) -> np.ndarray:
    with decoding(path, "not a readable image", READ_AGAIN):
        data = existing_file(path).read_bytes()
        header = read_header(io.BytesIO(data))
        if header is not None:
            _check_claim(path, header)
        image, said = None, []
        if data:
            flags |= cv2.IMREAD_IGNORE_ORIENTATION
            pixels = np.frombuffer(data, np.uint8)
            image, said = overheard(lambda: cv2.imdecode(pixels, flags))
    cut = _is_cut(data[:8], data[-64:])
    if image is None or cut:
        state = "truncated" if cut else "not a readable image"
        raise UserError(f"{path} is {state} ({len(data)} bytes); {READ_AGAIN}")
    if lost := lost_pixels(said):
        _tell_loss(path, lost)
    if header is not None and header.format == "tiff":  # OpenCV always turns these
        return oriented(image, TURN_BACK.get(header.orientation, header.orientation))
    return image


def look_ahead(paths: Sequence[Path]) -> None:
    """Decode photos beside other work, as many as are kept until `load_image` is asked for them.

    What is wrong with one is told then.
    """

    def decode() -> None:
        room = recent_pixels.most // 2
        for path in paths:
            try:
                size = stored_pixels(path, PHOTO).nbytes
            except UserError:
                continue
            room -= size
            if size > recent_pixels.largest or room < 0:
                return

    if cores() > 1:
        threading.Thread(target=decode, name="look ahead", daemon=True).start()


@cache
def _tell_loss(path: Path, lost: str) -> None:
    print(f"note: {path} may be damaged ({lost}): look at it, or {READ_AGAIN}")


def check_complete(path: Path) -> None:
    """Raise UserError for a JPEG or PNG file whose end is missing, without decoding it."""
    with decoding(path, "not a readable image", READ_AGAIN), existing_file(path).open("rb") as file:
        start = file.read(8)
        length = file.seek(0, io.SEEK_END)
        file.seek(max(length - 64, 0))
        end = file.read()
    if _is_cut(start, end):
        raise UserError(f"{path} is truncated ({length} bytes); {READ_AGAIN}")


def _is_cut(start: bytes, end: bytes) -> bool:
    png_cut = start[:8] == b"\x89PNG\r\n\x1a\n" and b"IEND" not in end[-16:]
    return png_cut or (start[:3] == b"\xff\xd8\xff" and b"\xff\xd9" not in end[-64:])


def _check_claim(path: Path, header: ImageHeader) -> None:
    if header.height * header.width > MOST_PIXELS:
        raise UserError(
            f"{path} claims {header.width}x{header.height} pixels, more than "
            f"{MOST_PIXELS // 1_000_000} million; {READ_AGAIN}"
        )


def load_mask(path: str | Path, orientation: int = 1) -> np.ndarray:
    """Mask (H, W) bool; white, opaque or labelled pixels are True (`mask_values.mask_of`)."""
    return load_mask_and_form(path, orientation)[0]


def load_mask_and_form(path: str | Path, orientation: int = 1) -> tuple[np.ndarray, MaskForm]:
    """Mask (H, W) bool and how the file holds it, turned as `load_image` does."""
    mask, form = mask_of(stored_pixels(Path(path), cv2.IMREAD_UNCHANGED))
    return np.ascontiguousarray(oriented(mask, orientation)), form


def oriented(image: np.ndarray, orientation: int) -> np.ndarray:
    """The image (H, W, ...) as EXIF's orientation (1 to 8) wants it shown."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image


def channels_turned(image: np.ndarray) -> np.ndarray:
    """RGB of BGR and the other way around, (H, W, 3), contiguous."""
    image = np.ascontiguousarray(image)
    if image.dtype.name in ("uint8", "uint16", "float32"):
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # 30 times as fast
    return np.ascontiguousarray(image[..., ::-1])


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Values in [0, 1] (clipped) of any shape as uint8, rounded."""
    if image.size > FEW and image.dtype.name in ("float32", "float64"):  # four times as fast
        flat = np.ascontiguousarray(image).reshape(-1)
        return cv2.multiply(flat, 255.0, dtype=cv2.CV_8U).reshape(image.shape)
    scaled = 255 * np.clip(image, 0, 1)
    return np.round(scaled, out=scaled).astype(np.uint8)


def save_image(path: str | Path, image: np.ndarray) -> None:
    """Write RGB or grey: floats in [0, 1] (clipped) or uint8, as PNG or whatever `path` ends in."""
    image = np.asarray(image)
    if image.dtype == bool:
        image = image.astype(np.uint8) * 255
    if image.dtype != np.uint8:
        image = to_bytes(image)
    if image.ndim == 3:
        image = channels_turned(image)
    ok, data = cv2.imencode(Path(path).suffix, np.ascontiguousarray(image))
    assert ok
    with atomic_path(path) as beside:
        beside.write_bytes(data.tobytes())


def check_video_path(path: Path) -> None:
    """Raise UserError unless the file's ending names a format that can be written."""
    if path.suffix not in VIDEO_SUFFIXES:
        raise UserError(f"{path}: expected a file that ends in {' or '.join(VIDEO_SUFFIXES)}")


def save_video(path: Path, frames: Iterable[np.ndarray], fps: float = 24) -> None:
    """Write frames (H, W, 3) RGB in [0, 1], all of one size; an mp4 runs once, a gif for ever.

    Raises UserError on other file endings and where OpenCV lacks an encoder for mp4.
    """
    check_video_path(path)
    with atomic_path(path) as beside:
        if path.suffix == ".gif":
            _save_gif(beside, [to_bytes(frame) for frame in frames], fps)
        else:
            _save_mp4(beside, frames, fps)


def _save_gif(path: Path, frames: list[np.ndarray], fps: float) -> None:
    from PIL import Image

    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others, duration=round(1000 / fps), loop=0)


def _save_mp4(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    writer = None
    for frame in map(to_bytes, frames):
        if writer is None:
            height, width = frame.shape[:2]
            code = cv2.VideoWriter_fourcc(*"mp4v")
            writer = cv2.VideoWriter(str(path), code, fps, (width, height))
            if not writer.isOpened():
                raise UserError("this OpenCV cannot write mp4; choose a file that ends in .gif")
        writer.write(channels_turned(frame))
    if writer is not None:
        writer.release()
