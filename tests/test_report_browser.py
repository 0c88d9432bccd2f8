"""The report's pages in a real browser: what a user sees and moves. Skipped without Chromium."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import report
from tests.scenes.chromium import Tab, chromium, find_chromium
from tests.scenes.ham import hand_scene
from tests.scenes.reports import write_results

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
]
WIDTHS = (390, 1440)  # CSS pixels: a telephone and a desk
CANVAS = "#viewer canvas"


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """O with the reports of scans 1 and 2, which are alike but for a broken verdict."""
    folder = tmp_path_factory.mktemp("browser")
    scene = hand_scene(views=3, pixels=160)
    for scan in ("1", "2"):
        scene.write_capture(folder / "data" / scan)
    write_results(folder / "out", scene)
    arguments = ["--data_path", str(folder / "data"), "--out_path", str(folder / "out")]
    assert report.main([*arguments, "--scan_id", "1"]) == 0
    second = folder / "out" / "demo_sfs" / "2" / "report.html"
    second.parent.mkdir()
    shutil.copy(folder / "out" / "demo_sfs" / "1" / "report.html", second)
    text = second.read_text(encoding="utf-8").replace('"level": "doubtful"', '"level": "failed"', 1)
    second.write_text(text, encoding="utf-8")
    assert report.main([*arguments, "--scan_id", "1"]) == 0  # with both in the index
    return folder / "out"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with chromium(find_chromium(), tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(params=WIDTHS)
def page(tab, out, request):
    """The report of scan 1, open at a width."""
    tab.open(out / "demo_sfs" / "1" / "report.html", request.param)
    yield tab
    assert tab.errors == []
    assert tab.requests == [(out / "demo_sfs" / "1" / "report.html").resolve().as_uri()]


def show(tab: Tab, viewer: str) -> None:
    """Scroll to a 3D view and wait until it is drawn."""
    tab.evaluate(f"document.querySelector('{viewer}').scrollIntoView({{block: 'center'}})")
    tab.wait_for(f"document.querySelector('{viewer}').dataset.ready === 'yes'")
    tab.frame()


def choose(tab: Tab, name: str, value: str) -> None:
    """Take an option of the 3D view's lists."""
    tab.evaluate(
        f"(() => {{const list = document.querySelector('#viewer select[data-name={name}]');"
        f"list.value = {value!r}; list.dispatchEvent(new Event('change'));}})()"
    )
    tab.frame()


def skin(image: np.ndarray) -> float:
    """The share of skin-coloured pixels: red before green before blue, and clearly so."""
    r, g, b = np.moveaxis(image.astype(int), -1, 0)
    return float(((r > g + 15) & (g >= b) & (r > 60)).mean())


def changed(before: np.ndarray, after: np.ndarray) -> float:
    """The share of pixels that are clearly others."""
    return float((abs(before.astype(int) - after).max(-1) > 24).mean())


def test_nothing_reaches_over_the_edge(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelector('.warnings').textContent").count("view 1") > 0


def test_the_slider_moves(page):
    page.evaluate("document.querySelector('.stage').scrollIntoView({block: 'center'})")
    page.wait_for("[...document.querySelectorAll('.stage img')].every(i => i.naturalWidth > 1)")
    pictures = {}
    for place in (0.1, 0.9):
        page.drag(".stage input", (0.5, 0.5), (place, 0.5))
        pictures[place] = page.screenshot(".stage")
        page.drag(".stage input", (place, 0.5), (0.5, 0.5))
    assert changed(pictures[0.1], pictures[0.9]) > 0.05  # the photo's lit ground is dimmed in HAM's
    value = page.evaluate("+document.querySelector('.stage input').value")
    assert 45 < value < 55


def test_other_layers_and_views(page):
    loaded = "[...document.querySelectorAll('.stage img')].every(i => i.complete)"
    page.wait_for(loaded)
    before = page.screenshot(".stage")
    page.evaluate("document.querySelector('[data-side=left] button:last-child').click()")
    page.wait_for(loaded)
    assert changed(before, page.screenshot(".stage")) > 0.02
    proportions = "document.querySelector('.stage').style.aspectRatio"
    first = page.evaluate(proportions)
    page.evaluate("document.querySelector('.thumbnails button:nth-child(3)').click()")
    page.wait_for(f"{proportions} !== {first!r}")  # each view's own
    assert "view 2" in page.evaluate("document.querySelector('.compare .caption').textContent")


def test_the_hands_are_seen_in_3d_and_turn(page):
    show(page, "#viewer")
    before = page.screenshot(CANVAS)
    assert skin(before) > 0.04  # two hands in a wide canvas
    page.drag(CANVAS, (0.4, 0.5), (0.7, 0.4))
    page.frame()
    after = page.screenshot(CANVAS)
    assert skin(after) > 0.02 and changed(before, after) > 0.02


def test_looks_meshes_and_hands(page):
    show(page, "#viewer")
    whole = page.screenshot(CANVAS)
    for look in ("normals", "wireframe", "clay"):
        choose(page, "look", look)
        assert changed(whole, page.screenshot(CANVAS)) > 0.02, look
    choose(page, "look", "textured")
    choose(page, "hand", "left")
    assert 0.2 < skin(page.screenshot(CANVAS)) / skin(whole) < 0.8
    choose(page, "hand", "both")
    choose(page, "mesh", "start")
    assert page.screenshot(CANVAS).shape == whole.shape


def test_animations_play(page):
    show(page, "#viewer")
    before = page.screenshot(CANVAS)
    choose(page, "animation", "fist")
    page.wait_for("+document.querySelector('#viewer input[type=range]').value > 0.02")
    page.evaluate("document.querySelector('#viewer button').click()")  # pause
    page.evaluate(
        "(() => {const time = document.querySelector('#viewer input[type=range]');"
        "time.value = 0.5; time.dispatchEvent(new Event('input'));})()"
    )
    page.frame()
    fist = page.screenshot(CANVAS)
    assert changed(before, fist) > 0.02 and skin(fist) > 0.01
    choose(page, "animation", "none")
    assert changed(before, page.screenshot(CANVAS)) < 0.002  # as it was


def test_cameras_around_the_hands(page):
    show(page, "#camera-viewer")
    with_cameras = page.screenshot("#camera-viewer canvas")
    page.evaluate("document.querySelector('#camera-viewer input').click()")
    page.frame()
    assert changed(with_cameras, page.screenshot("#camera-viewer canvas")) > 0.0005  # thin lines


@pytest.mark.parametrize("width", WIDTHS)
def test_the_index_sorts_and_links(tab, out, width):
    tab.open(out / "index.html", width)
    scans = "[...document.querySelectorAll('#scans tbody tr')].map(row => row.cells[1].innerText)"
    assert tab.evaluate(scans) == ["2", "1"]  # the worst first
    tab.evaluate("document.querySelectorAll('#scans th')[1].click()")
    assert tab.evaluate(scans) == ["1", "2"]
    tab.evaluate("document.querySelectorAll('#scans th')[1].click()")
    assert tab.evaluate(scans) == ["2", "1"]
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    link = tab.evaluate("document.querySelector('#scans a').getAttribute('href')")
    assert (out / link).is_file()
    assert tab.errors == [] and tab.requests == [(out / "index.html").resolve().as_uri()]
