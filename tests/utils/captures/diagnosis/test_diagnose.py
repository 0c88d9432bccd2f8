"""Each fault of a whole capture is named, with its right value, and good captures are left alone.

Made-up hands before eight cameras on a ring, keypoints with 1 px of noise (a hand: some 150 px).
"""

from dataclasses import replace

import numpy as np
import pytest

from tests.scenes.sightings import HEIGHT, VIEWS, WIDTH, diagnosed, is_fine, of_other_photos, scene
from utils.captures.diagnosis.conventions import MIRROR
from utils.captures.diagnosis.intrinsics import border_shift


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("views", [2, 3, 5, 8])
def test_good_captures_are_left_alone(views, seed):
    assert is_fine(diagnosed(scene(views, seed=seed)))


def test_noise_units_and_places_are_no_faults():
    seen = scene()
    assert is_fine(diagnosed(replace(seen, t=1000 * seen.t)))  # millimetres
    far = seen.R @ np.array([5e6, 3e6, 100.0])
    assert is_fine(diagnosed(replace(seen, t=seen.t - far)))  # a national grid
    assert is_fine(diagnosed(scene(noise=4.0)))  # 3 % of a hand, as in a real room


def test_a_few_false_detections_are_no_fault():
    """A detector that takes something else for a second hand in every view."""
    seen = scene()
    xy = seen.xy.copy()
    xy[:, 0] = np.random.default_rng(1).uniform([0, 0], [WIDTH, HEIGHT], (VIEWS, 21, 2))
    assert not diagnosed(replace(seen, xy=xy)).failed


@pytest.mark.parametrize("factor", [0.5, 0.8, 0.9, 1.25, 2.0])
def test_K_of_photos_of_another_size(factor):
    diagnosis = diagnosed(of_other_photos(scene(), factor))
    assert diagnosis.failed and diagnosis.certainty == "clear"
    assert "K belongs to photos of 800x600" in diagnosis.line
    assert f"`--set k_scale={factor:g}`" in diagnosis.line
    assert diagnosis.evidence["k_scale"] == pytest.approx(factor, rel=0.01)


@pytest.mark.parametrize("corner", [(40, 40), (90, -50), (-20, 70)])
def test_photos_cropped(corner):
    seen = scene()
    diagnosis = diagnosed(replace(seen, xy=seen.xy - corner))
    assert diagnosis.failed and "the photos are cropped and K is not" in diagnosis.cause
    # A shift along y also tilts all cameras alike, which leaves little to tell it by.
    assert diagnosis.evidence["offset"] == pytest.approx([-x for x in corner], abs=4)


def distorted(seen, k1):
    ones = np.ones((*seen.xy.shape[:-1], 1))
    K = seen.K
    n = np.einsum("nij,ndvj->ndvi", np.linalg.inv(K), np.concatenate([seen.xy, ones], -1))[..., :2]
    n *= 1 + k1 * (n**2).sum(-1, keepdims=True)
    return replace(seen, xy=np.einsum("nij,ndvj->ndvi", K, np.concatenate([n, ones], -1))[..., :2])


@pytest.mark.parametrize("k1", [-0.4, -0.12, 0.1])
def test_distortion(k1):
    diagnosis = diagnosed(distorted(scene(noise=0.1), k1))
    assert "distorted" in diagnosis.cause and "undistort photos" in diagnosis.remedy
    assert diagnosis.evidence["k1"] == pytest.approx(k1, rel=0.2)


def test_border_shift_is_the_lens_model_at_the_border():
    seen = scene()
    focal = seen.K[0, 0, 0]
    assert border_shift(-0.1, seen) == pytest.approx(focal * 0.1 * (WIDTH / 2 / focal) ** 3)


@pytest.mark.parametrize("offset", [0.5, -0.5])
def test_half_a_pixel_is_a_hint(offset):
    seen = scene(noise=0.2)
    K = seen.K.copy()
    K[:, :2, 2] += offset
    diagnosis = diagnosed(replace(seen, K=K))
    assert not diagnosis.failed and diagnosis.certainty == "hint"
    assert "half a pixel off in all views" in diagnosis.cause
    assert ("subtract" if offset > 0 else "add") in diagnosis.remedy
    assert diagnosis.evidence["offset"] == pytest.approx(-offset, abs=0.15)


def inverted(seen):
    R = np.swapaxes(seen.R, 1, 2).copy()
    return replace(seen, R=R, t=-(R @ seen.t[..., None])[..., 0])


def with_axes(seen, *signs):
    axes = np.diag(np.array(signs, float))
    return replace(seen, R=axes @ seen.R, t=seen.t @ axes)


CONVENTIONS = {
    "are camera-to-world:": inverted,
    "OpenGL's axes (y up, z backwards):": lambda seen: with_axes(seen, 1, -1, -1),
    "camera-to-world in OpenGL's axes": lambda seen: inverted(with_axes(seen, 1, -1, -1)),
    "PyTorch3D's axes": lambda seen: with_axes(seen, -1, -1, 1),
    "camera-to-world in PyTorch3D's axes": lambda seen: inverted(with_axes(seen, -1, -1, 1)),
    "rotations are transposed": lambda seen: replace(seen, R=np.swapaxes(seen.R, 1, 2).copy()),
    "world is left-handed": lambda seen: replace(seen, R=-seen.R @ MIRROR, t=-seen.t),
}


@pytest.mark.parametrize("named", CONVENTIONS)
def test_conventions_of_cameras(named):
    diagnosis = diagnosed(CONVENTIONS[named](scene()))
    assert diagnosis.failed and named in diagnosis.cause, diagnosis.line


def mirrored(seen):
    return replace(seen, xy=[WIDTH - 1, 0] + [-1, 1] * seen.xy)


def renamed(seen):
    return replace(seen, xy=seen.xy[:, ::-1])


PHOTOS = {
    "mirrored": mirrored,
    "mirrored ": lambda seen: renamed(mirrored(seen)),  # the detector sees other hands then
    "flipped (top and bottom)": lambda seen: replace(seen, xy=[0, HEIGHT - 1] + [1, -1] * seen.xy),
    "turned by 180 degrees": lambda seen: replace(seen, xy=[WIDTH - 1, HEIGHT - 1] - seen.xy),
    "turned by 90 degrees clockwise": lambda seen: replace(
        seen, xy=[HEIGHT - 1, 0] + [-1, 1] * seen.xy[..., ::-1], sizes=seen.sizes[:, ::-1].copy()
    ),
    "turned by 90 degrees counterclockwise": lambda seen: replace(
        seen, xy=[0, WIDTH - 1] + [1, -1] * seen.xy[..., ::-1], sizes=seen.sizes[:, ::-1].copy()
    ),
}


@pytest.mark.parametrize("named", PHOTOS)
def test_photos_mirrored_and_turned(named):
    diagnosis = diagnosed(PHOTOS[named](scene()))
    assert diagnosis.failed and f"the photos are {named.strip()}" in diagnosis.cause


def test_keypoints_in_the_unit_range():
    seen = scene()
    diagnosis = diagnosed(replace(seen, xy=seen.xy / 2 + [WIDTH / 2, HEIGHT / 2]))
    assert diagnosis.failed and "the keypoints are in [0, 1]" in diagnosis.cause
