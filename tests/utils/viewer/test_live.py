"""What reaches the page, when, and what a run feels of it: nothing."""

import importlib.util
import socket

import numpy as np
import pytest
import torch

from tests.scenes.ports import free_port
from tests.scenes.steps import PlainSteps
from utils.optimise import optimise
from utils.stage import run_stage, stage_parser
from utils.stage.process import OK, USER_ERROR
from utils.steps import heard_by
from utils.viewer import address, live
from utils.viewer.live import LiveView, show, show_photos, watched
from utils.viewer.options import add_viewer_options
from utils.viewer.shown import PhotoCameras, Shown, Surface

needs_viser = pytest.mark.skipif(
    importlib.util.find_spec("viser") is None, reason="viser is not installed"
)


class Paper:
    """A page that keeps what it was shown."""

    view, port = 3, 0

    def __init__(self, is_open: bool = True) -> None:
        self.is_open, self.surfaces, self.pictures, self.status = is_open, [], [], ""
        self.photos = self.curves = None

    def show_photos(self, photos: PhotoCameras) -> None:
        self.photos = photos

    def show_surface(self, surface: Surface) -> None:
        self.surfaces.append(surface)

    def show_picture(self, picture: np.ndarray) -> None:
        self.pictures.append(picture)

    def show_curves(self, curves) -> None:
        self.curves = curves

    def show_status(self, text: str) -> None:
        self.status = text

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def viewed(monkeypatch):
    """Makes a live view on a page, which is the current one until the test ends."""
    views = []

    def make(page: Paper) -> LiveView:
        view = LiveView(page)
        monkeypatch.setattr(live, "_view", view)
        views.append(view)
        return view

    yield make
    for view in views:
        view.close()


def triangle(height: float) -> Surface:
    verts = np.array([[0, 0, 0], [1, 0, 0], [0, height, 0]])
    return Surface(verts, np.array([[0, 1, 2]]), {"shaded": np.ones((3, 3))})


def descend(steps: int) -> float:
    """Steps of gradient descent, each leaving 0.8 of x, watched as a triangle; returns x."""
    x = torch.tensor(1.0, requires_grad=True)
    with watched(lambda view: Shown(triangle(x.item()), np.full((2, 2, 3), view / 10))):
        optimise(
            lambda _: {"bowl": x**2},
            [PlainSteps([{"params": [x], "lr": 0.1}])],
            steps,
            lambda _: 1.0,
            "level 1",
        )
    return x.item()


def test_an_optimisation_is_seen_and_goes_on_as_if_it_were_not(viewed):
    unseen = descend(5)
    page = Paper()
    view = viewed(page)
    view.begin("scan 7")
    with heard_by(view):
        assert descend(5) == unseen
    view.close()
    assert page.surfaces[-1].verts[2, 1] == pytest.approx(0.8**5)  # the end is always shown
    assert page.pictures[-1][0, 0, 0] == pytest.approx(0.3)  # of the view that the reader chose
    assert page.curves.table()[1]["total"].tolist() == pytest.approx([0.64**k for k in range(5)])
    assert page.status.startswith("**scan 7** level 1, step 5, ")


class Clock:
    """Stands for the module `time`: time passes where the test says so."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return 0.0


def test_snapshots_keep_to_their_share_of_the_time(viewed, monkeypatch):
    """One that takes 20 ms is followed by a pause of 50 of them; a closed page costs none."""
    clock, taken = Clock(), []
    monkeypatch.setattr(live, "time", clock)
    monkeypatch.setattr(live, "SHORTEST", 0.0)

    def slow(_: int) -> Shown:
        clock.now += 0.02
        taken.append(clock.now)
        return Shown()

    def step(seconds: float) -> None:
        clock.now += seconds
        view.add("level 1", {"total": 1.0}, None)

    page = Paper(is_open=False)
    view = viewed(page)
    with watched(slow):
        step(0)
        assert taken == []
        page.is_open = True
        step(0)
        step(live.PACE * 0.02 - 0.02 - 0.001)  # a pause begins with its snapshot
        assert len(taken) == 1
        step(0.002)
        assert len(taken) == 2
    assert len(taken) == 3  # the last state is shown in any case


def test_a_view_that_fails_is_said_once_and_the_run_goes_on(viewed, capsys):
    view = viewed(Paper())

    def broken(_: int) -> Shown:
        raise ValueError("no such thing")

    with watched(broken):
        view.add("level 1", {"total": 1.0}, None)
    line = "warning: the live view shows no more (ValueError: no such thing)\n"
    assert capsys.readouterr().out == line


def test_without_a_view_nothing_is_even_made():
    def never(*_) -> Shown:
        raise AssertionError

    show(never)
    show_photos(None)
    with watched(never):
        pass


def stage(argv: list[str]) -> tuple[int, list]:
    """Status of a stage with these options, and what it did."""
    done = []
    parser = stage_parser("A stage.", "python stage.py")
    add_viewer_options(parser)

    def work(job) -> None:
        done.append(job.scan_id)

    return run_stage(parser, work, ["--data_path", "some_data", "--device", "cpu", *argv]), done


@needs_viser
def test_a_port_in_use_is_one_line_before_any_work(capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert stage(["--viewer", str(port)]) == (USER_ERROR, [])
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"error: --viewer {port}: 127.0.0.1:{port} cannot be used (Address al")
    assert "name another port, such as --viewer " in line and captured.out == ""


def test_without_its_package_there_is_one_line_and_no_run(monkeypatch, capsys):
    monkeypatch.setattr(address.importlib.util, "find_spec", lambda name: None)
    assert stage(["--viewer"]) == (USER_ERROR, [])
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "error: --viewer: the package viser is not installed; "
        "python -m pip install -r requirements-viewer.txt"
    )


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_what_is_no_port_is_said(port, capsys):
    with pytest.raises(SystemExit) as ended:
        stage(["--viewer", port])
    assert ended.value.code == USER_ERROR
    assert f"argument --viewer: {port} is no port (1 to 65535)" in capsys.readouterr().err


@needs_viser
def test_the_page_goes_with_the_run_and_says_no_more_than_its_address(capfd):
    port = free_port()
    assert stage(["--viewer", str(port)]) == (OK, ["1"])
    captured = capfd.readouterr()
    assert captured.out == f"live view: http://127.0.0.1:{port}\n" and captured.err == ""
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
