"""The page in a real browser. Skipped without Chromium or viser."""

import importlib.util
import time

import numpy as np
import pytest
import torch

from tests.scenes.chromium import PATIENCE, chromium, find_chromium
from tests.scenes.ham import sphere_scene
from tests.scenes.ports import free_port
from utils.viewer.shown import Curves, PhotoCameras, Surface

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
    pytest.mark.skipif(importlib.util.find_spec("viser") is None, reason="viser is not installed"),
]
SKIN, BLUE, BLACK = (0.8, 0.5, 0.4), (0.1, 0.2, 0.9), (0, 0, 0)


@pytest.fixture(scope="module")
def page():
    """A page of a sphere of one colour, whose photos are what cameras see of it on black."""
    from utils.viewer.page import Page

    scene = sphere_scene(level=4, views=4, pixels=96)
    _, true, cameras = scene.in_hand_units()
    colors = {"shaded": np.tile(SKIN, (len(true), 1)), "albedo": np.tile(BLUE, (len(true), 1))}
    page = Page(free_port())
    page.show_surface(Surface(true.numpy(), scene.faces, colors))
    images = [mask[..., None] * np.array(SKIN) for mask in scene.masks]
    arrays = (x.double().numpy() for x in (cameras.K, cameras.R, cameras.t))
    page.show_photos(PhotoCameras(images, *arrays))
    curves = Curves()
    for step in range(50):
        curves.add("level 1 of 2", {"sfs": 0.02 * 0.9**step, "mask": 0.01}, None)
    page.show_curves(curves)
    page.show_picture(np.tile(BLUE, (20, 40, 1)))
    page.show_status("**scan 1** level 1 of 2, step 50, 9 s")
    yield page
    page.close()


@pytest.fixture(scope="module")
def tab(page, tmp_path_factory):
    with chromium(find_chromium(), tmp_path_factory.mktemp("profile")) as tab:
        tab.open(f"http://127.0.0.1:{page.port}", 1200, 800)
        yield tab


def scene_pixels(tab) -> np.ndarray:
    """The scene, left of the panel and below what the browser says of its graphics."""
    return tab.screenshot()[160:, :820]


def share(image: np.ndarray, color: tuple[float, float, float]) -> float:
    """The share of pixels of a colour, up to what rounding and JPEG do to it."""
    return float((np.abs(image - 255 * np.array(color)).max(-1) < 6).mean())


def wait_for(tab, color: tuple[float, float, float], least: float, most: float = 1) -> np.ndarray:
    """The scene once so much of it has a colour and it has come to rest."""
    end = time.monotonic() + PATIENCE
    before = None
    while True:
        image = scene_pixels(tab)
        rests = before is not None and np.array_equal(image, before)
        if least <= share(image, color) <= most and rests:
            return image
        assert time.monotonic() < end, f"{share(image, color):.3f} of the pixels; at rest: {rests}"
        time.sleep(0.3)
        before = image


def wait_for_share(tab, color: tuple[float, float, float], least: float, most: float = 1) -> float:
    return share(wait_for(tab, color, least, most), color)


def click(tab, text: str, selector: str) -> None:
    """Click the element of a selector whose text or value this is."""
    found = (
        f"[...document.querySelectorAll('{selector}')].find(e => [e.value, e.textContent.trim()]"
        f".includes('{text}'))"
    )
    tab.wait_for(f"{found} !== undefined")
    tab.evaluate(f"{found}.click()")


def choose(tab, before: str, after: str) -> None:
    """Take another option of the list that shows `before`."""
    click(tab, before, "input")
    click(tab, after, "[role=option]")


def tick(tab, label: str) -> None:
    """Click the box behind a label."""
    text = f"[...document.querySelectorAll('label')].find(e => e.textContent.trim() === '{label}')"
    tab.evaluate(f"document.getElementById({text}.htmlFor).click()")


def test_the_mesh_is_there_in_its_own_colours_and_all_is_of_this_machine(page, tab):
    wait_for_share(tab, SKIN, 0.08)
    text = tab.evaluate("document.body.innerText")
    assert "scan 1" in text and "step 50" in text and "level 1 of 2 (thousandths)" in text
    assert "sfs" in text and "mask" in text and "Share" not in text
    assert tab.errors == []
    outside = [url for url in tab.requests if f"//127.0.0.1:{page.port}" not in url]
    assert outside == []


def test_the_reader_chooses_colours_and_wires(page, tab):
    before = wait_for_share(tab, SKIN, 0.08)
    choose(tab, "shaded", "albedo")
    wait_for_share(tab, BLUE, 0.95 * before)
    choose(tab, "albedo", "shaded")
    wait_for_share(tab, SKIN, 0.95 * before)
    tick(tab, "Wireframe")
    wait_for_share(tab, SKIN, 0.001, 0.7 * before)
    tick(tab, "Wireframe")
    wait_for_share(tab, SKIN, 0.95 * before)


def test_from_a_camera_the_photo_lies_on_the_mesh(page, tab):
    """Hiding the photo changes what is skin by the photo's coarse pixels at most."""
    choose(tab, "anywhere", "2")
    with_photo = wait_for(tab, BLACK, 0.1)  # the photo is on black
    tick(tab, "Photos")
    without = wait_for(tab, BLACK, 0, 0.01)
    assert page.view == 2
    mesh, photo = (
        np.abs(image - 255 * np.array(SKIN)).max(-1) < 25 for image in (without, with_photo)
    )
    assert (mesh & photo).sum() / (mesh | photo).sum() > 0.93  # 96 pixels a photo: edges blur
    tick(tab, "Photos")


def test_the_next_mesh_takes_the_place_of_the_one_before(page, tab):
    verts = torch.eye(3).numpy() * 0.01
    colors = {"shaded": np.tile(BLUE, (3, 1))}
    tick(tab, "Photos")
    page.show_surface(Surface(verts, np.array([[0, 1, 2]]), colors))
    wait_for_share(tab, SKIN, 0, 0.05)
