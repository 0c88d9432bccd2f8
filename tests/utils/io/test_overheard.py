"""Decoders' own words: none on stderr, and those that matter passed on."""

import io
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from utils.io.images import load_image
from utils.io.overheard import lost_pixels, overheard


@pytest.fixture(autouse=True)
def nobody_asked(monkeypatch):
    monkeypatch.delenv("OPENCV_LOG_LEVEL", raising=False)


def photo(name: str, **options) -> bytes:
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.random((20, 20, 3)), np.ones((10, 10, 1)))
    buffer = io.BytesIO()
    Image.fromarray((255 * blocks).astype(np.uint8)).save(buffer, name, **options)
    return buffer.getvalue()


def with_unknown_tag() -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[65000] = "what some camera writes"
    return photo("tiff", tiffinfo=tags)


def test_harmless_oddities_are_not_shown(tmp_path, capfd):
    path = tmp_path / "a.tif"
    path.write_bytes(with_unknown_tag())
    assert load_image(path).shape == (200, 200, 3)
    assert capfd.readouterr() == ("", "")


def test_who_asks_for_opencv_s_words_sees_them(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("OPENCV_LOG_LEVEL", "WARNING")
    path = tmp_path / "a.tif"
    path.write_bytes(with_unknown_tag())
    load_image(path)
    assert "Unknown field with tag 65000" in capfd.readouterr().err


def test_lost_pixels_are_told_once_a_file(tmp_path, capfd):
    data, path = photo("jpeg"), tmp_path / "a.jpg"
    middle = len(data) // 2
    path.write_bytes(data[:middle] + data[middle + 200 :])
    load_image(path)
    load_image(path)
    out, err = capfd.readouterr()
    assert out.startswith(f"note: {path} may be damaged (Corrupt JPEG data: ")
    assert out.count("\n") == 1 and err == ""


def say(text: bytes) -> str:
    os.write(2, text)
    return "decoded"


def test_what_is_said_is_kept_and_stderr_comes_back(capfd):
    line = b"[ERROR:0@0.02] global grfmt_tiff.cpp:117 TIFF_Error Bad code\n"
    decoded, lines = overheard(lambda: say(line))
    os.write(2, b"shown")
    assert decoded == "decoded" and len(lines) == 1 and lost_pixels(lines) == "Bad code"
    assert capfd.readouterr().err == "shown"
    assert lost_pixels(["libpng warning: iCCP: known incorrect sRGB profile"]) == ""


def test_an_interruption_gives_stderr_back(capfd):
    def interrupted() -> None:
        os.write(2, b"kept")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        overheard(interrupted)
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"


def test_threads_side_by_side_hear_only_their_own(capfd):
    """Whoever may have heard another's words decodes again, alone."""
    both = Barrier(2, timeout=10)
    calls = {b"": 0, b"first\n": 0}

    def decode(text: bytes) -> str:
        calls[text] += 1
        if calls[text] == 1:
            both.wait()  # inside together
        said = say(text)
        if calls[text] == 1:
            both.wait()
        return said

    with ThreadPoolExecutor(2) as pool:
        quiet, loud = pool.map(lambda text: overheard(lambda: decode(text)), [b"", b"first\n"])
    assert quiet == ("decoded", []) and loud == ("decoded", ["first"])
    assert capfd.readouterr().err == ""


def test_where_nothing_can_be_kept_it_is_shown(capfd, monkeypatch):
    def no_room(*_, **__):
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "TemporaryFile", no_room)
    assert overheard(lambda: say(b"shown")) == ("decoded", [])
    assert capfd.readouterr().err == "shown"
