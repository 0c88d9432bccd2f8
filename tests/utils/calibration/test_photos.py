"""Which photos and frames are taken, and what is said of those that cannot be."""

import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from utils.calibration.frames import choose, frames_of_video
from utils.calibration.photos import collect_photos
from utils.calibration.sharpness import Look, look_at, shaken
from utils.errors import UserError


def scene(seed=0, size=(120, 160)):
    """A picture with detail of all sizes."""
    rng = np.random.default_rng(seed)
    image = sum(
        cv2.resize(rng.normal(size=(size[0] // s, size[1] // s)), size[::-1]) for s in (1, 4, 16)
    )
    return np.clip(128 + 30 * image, 0, 255).astype(np.uint8)


def smeared(image, length=9):
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    return cv2.filter2D(image, -1, kernel)


def test_a_shaken_photo_is_less_sharp_whatever_it_shows():
    sharp = [look_at(scene(k)).sharpness for k in range(5)]
    blurred = [look_at(smeared(scene(k))).sharpness for k in range(5)]
    assert max(blurred) < 0.6 * min(sharp)  # 9 px of motion halve it


def test_shaken_ones_are_told_by_their_neighbours():
    looks = [look_at(smeared(scene(k)) if k == 6 else scene(k)) for k in range(12)]
    assert np.flatnonzero(shaken(looks)).tolist() == [6]


def save(folder, count, **exif):
    folder.mkdir()
    for k in range(count):
        data = Image.Exif()
        data.get_ifd(0x8769)[0xA405] = 27
        for tag, value in exif.items():
            data[{"orientation": 0x0112}[tag]] = value
        Image.fromarray(scene(k)).convert("RGB").save(folder / f"{k}.jpg", exif=data)


def test_a_folder_of_photos(tmp_path):
    save(tmp_path / "in", 11)
    photos = collect_photos(tmp_path / "in", tmp_path / "out", False)
    assert photos.names[:3] == ["0.jpg", "1.jpg", "2.jpg"]
    assert photos.names[-1] == "10.jpg"  # natural order
    assert photos.focal == pytest.approx(27 / 36 * 160)
    assert photos.one_camera
    assert photos.sizes[0] == (120, 160)


def test_photos_that_lie_on_their_side_are_turned(tmp_path):
    save(tmp_path / "in", 4, orientation=6)
    photos = collect_photos(tmp_path / "in", tmp_path / "out", False)
    assert photos.sizes[0] == (160, 120)
    assert photos.names[0] == "0.png"


def test_messages(tmp_path):
    (tmp_path / "few").mkdir()
    with pytest.raises(UserError, match="holds 0 photos"):
        collect_photos(tmp_path / "few", tmp_path / "out", False)
    (tmp_path / "few" / "a.heic").write_bytes(b"x")
    with pytest.raises(UserError, match=r"HEIC.*pip install pillow-heif"):
        collect_photos(tmp_path / "few", tmp_path / "out", False)
    with pytest.raises(UserError, match="neither a folder of photos nor a video"):
        collect_photos(tmp_path / "none", tmp_path / "out", False)
    assert not (tmp_path / "out").exists()


def write_video(path, frames):
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 30, frames[0].shape[::-1])
    for frame in frames:
        video.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    video.release()


def test_the_sharpest_frames_of_a_video(tmp_path):
    frames = [scene(k // 3) if k % 3 == 1 else smeared(scene(k // 3)) for k in range(24)]
    write_video(tmp_path / "film.mp4", frames)
    photos = frames_of_video(tmp_path / "film.mp4", tmp_path / "out", 8)
    numbers = [int(name[6:12]) for name in photos.names]
    assert all(number % 3 == 1 for number in numbers)
    assert len(numbers) == 8
    assert photos.one_camera


def rotation_matrix(degrees: int) -> bytes:
    """How a film's track header says that it is to be shown turned clockwise (ISO 14496-12)."""
    one = 1 << 16
    cos, sin = {90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
    return struct.pack(">9i", cos, sin, 0, -sin, cos, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 3), (180, 2), (270, 1)])
def test_frames_of_a_film_that_lies_on_its_side_are_turned(tmp_path, degrees, turns):
    """Phones write frames as the sensor has them, and which way was up."""
    path = tmp_path / "film.mp4"
    write_video(path, [scene(k) for k in range(6)])
    as_stored = frames_of_video(path, tmp_path / "stored", 6)
    data = path.read_bytes()
    start = data.index(b"tkhd") + 44  # flags, times, track, duration, layer, volume: ISO 14496-12
    unity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    assert data[start : start + 36] == unity
    path.write_bytes(data[:start] + rotation_matrix(degrees) + data[start + 36 :])
    turned = frames_of_video(path, tmp_path / "turned", 6)
    assert turned.names == as_stored.names
    for index in range(len(turned.names)):
        expected = np.rot90(as_stored.grey(index).astype(float), turns)
        assert turned.grey(index).shape == expected.shape == tuple(turned.sizes[index])
        assert abs(turned.grey(index) - expected).mean() < 2


def test_stretches_are_of_time_and_not_of_frames():
    times = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 9.0, 10.0])
    looks = [Look(0.5 + 0.01 * k, 100) for k in range(8)]
    assert choose(times, looks, 2) == [5, 7]


def test_what_is_no_video(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match="no video that OpenCV can read"):
        frames_of_video(tmp_path / "film.mp4", tmp_path / "out", 8)
