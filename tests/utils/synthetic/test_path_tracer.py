"""A few tiny pictures, where Mitsuba is installed: camera convention, repeatability, messages."""

import builtins

import numpy as np
import pytest

from utils.errors import UserError
from utils.synthetic import path_tracer
from utils.synthetic.rig import make_cameras, make_lights
from utils.synthetic.session import exact_mask

SIZE = (48, 64)


def test_passes_add_up():
    assert path_tracer.passes(96, (48, 64)) == [96]
    assert path_tracer.passes(1, (48, 64)) == [path_tracer.SAMPLE_STEP]
    large = path_tracer.passes(96, (1024, 1280))
    assert sum(large) == 96
    assert max(large) * 1024 * 1280 <= 2.5 * path_tracer.RAYS_PER_PASS


def test_missing_mitsuba_names_the_command(monkeypatch):
    real_import = builtins.__import__

    def without_mitsuba(name, *args, **kwargs):
        if name == "mitsuba":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_mitsuba)
    with pytest.raises(UserError, match=r"pip install -r requirements-demo\.txt"):
        path_tracer.set_variant()


@pytest.fixture(scope="module")
def shot(hands):
    pytest.importorskip("mitsuba", reason="mitsuba is not installed (requirements-demo.txt)")
    points = np.concatenate([hand.verts for hand in hands])
    cameras, _ = make_cameras(points, 3, SIZE, np.random.default_rng(0))
    lights = make_lights(points.mean(0), np.random.default_rng(0))
    tracer = path_tracer.PathTracer(hands, lights, 3, path_tracer.SCALAR)
    K, R, t = (x[1].numpy() for x in (cameras.K, cameras.R, cameras.t))
    pictures = [tracer.render(K, (R, t), SIZE, 32, seed) for seed in (1, 1, 2)]
    mask = exact_mask(hands, cameras[1])
    return pictures, mask, [shape.id() for shape in tracer.scene.shapes()]


def test_tracer_sees_what_the_cameras_project(shot):
    """The tracer's own coverage has the mask's place: half a pixel off would show tenfold."""
    (_, alpha), mask = shot[0][0], shot[1]
    assert alpha.shape == SIZE
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for axis in (x, y):
        shift = (alpha * axis).sum() / alpha.sum() - axis[mask].mean()
        assert abs(shift) < 0.1  # pixels; some 700 pixels' rounding
    assert (alpha[mask] > 0).all()
    wrong = (alpha > 0.5) != mask
    assert wrong.sum() < 0.12 * mask.sum()  # centres against areas, along the outline only


def test_pictures_repeat_for_a_seed_and_are_lit(shot):
    (first, _), (again, _), (other, _) = shot[0]
    mask = shot[1]
    assert (first == again).all()
    assert (first != other).any()
    assert (first[mask].mean(0) > 0.02).all()
    assert (first[~mask & (shot[0][0][1] == 0)] == 0).all()


def test_what_stands_in_the_scene_keeps_its_order(shot, hands):
    """Which lamp a random number picks depends on it; mitsuba's optimised scenes reorder lamps."""
    order = shot[2]
    lamps = [name for name in order if name.startswith("light")]
    assert lamps == sorted(lamps) and len(lamps) > 1
    assert order[len(lamps) :] == [name for h in hands for name in (h.side, f"{h.side}_cap")]
