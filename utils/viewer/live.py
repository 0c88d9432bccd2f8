"""The live view: what stages call, and the thread that keeps the page up to date.

A run never waits for a browser. Between two steps it hands over copies, for which it takes at most
a fiftieth of its time; a thread of the view's own draws them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from utils.steps import heard_by
from utils.viewer.address import HOST
from utils.viewer.shown import Curves, PhotoCameras, Shown

if TYPE_CHECKING:
    from utils.photos.crops import Photos
    from utils.viewer.page import Page

SHORTEST = 1.5  # seconds between two snapshots
PACE = 50  # times what a snapshot costs lie between it and the next one

Source = Callable[[int], Shown]  # of the number of the view that the reader looks from


class LiveView:
    """Takes what a run tells and shows it on a page, in a thread of its own."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._start, self._name = time.monotonic(), ""
        self._sources: list[Source] = []
        self._due, self._sending = 0.0, 0.0
        self._curves, self._waiting = Curves(), {}
        self._news = threading.Condition()
        self._ends = self._is_broken = False
        self._thread = threading.Thread(target=self._keep_up, name="live view", daemon=True)
        self._thread.start()

    def begin(self, name: str) -> None:
        """Another scan begins."""
        with self._news:
            self._name, self._curves, self._start = name, Curves(), time.monotonic()

    def add(self, title: str, numbers: Mapping[str, float], step: int | None) -> None:
        """A step of an optimisation; where it is time to, a snapshot of what is watched."""
        with self._news:
            self._curves.add(title, numbers, step)
            self._waiting["curves"] = True
        if self._sources and time.monotonic() >= self._due and self.page.is_open:
            self.take()

    def take(self) -> None:
        """A snapshot of what is watched."""
        began = time.monotonic()
        try:
            self.hand_over(self._sources[-1](self.page.view))
        except Exception as error:  # whatever it is, the run is worth more than the view of it
            self._give_up(error)
        taken = time.monotonic() - began
        self._due = began + max(SHORTEST, PACE * (taken + self._sending))

    def hand_over(self, shown: Shown) -> None:
        """What is new; of what the page has not shown yet, only the latest is kept."""
        for name in ("surface", "picture"):
            if getattr(shown, name) is not None:
                self.tell(name, getattr(shown, name))

    def tell(self, name: str, value: Any) -> None:
        """Leave one thing for the thread to show."""
        with self._news:
            self._waiting[name] = value
            self._news.notify()

    @contextmanager
    def watching(self, source: Source) -> Iterator[None]:
        """In the block, snapshots come from `source`; the last one when it ends."""
        self._sources.append(source)
        try:
            yield
            self.take()
        finally:
            self._sources.remove(source)

    def stay(self) -> None:
        """Wait until somebody interrupts."""
        print(f"the live view stays at {self.address}; Ctrl-C ends it", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print()

    @property
    def address(self) -> str:
        """Where browsers find the page."""
        return f"http://{HOST}:{self.page.port}"

    def close(self) -> None:
        """Show what is left, and close the page."""
        with self._news:
            self._ends = True
            self._news.notify()
        self._thread.join(timeout=5.0)
        self.page.close()

    def _keep_up(self) -> None:
        """The thread: about once a second, show what is new."""
        while not self._is_broken:
            with self._news:
                if not (self._ends or self._news_are_urgent()):
                    self._news.wait(timeout=1.0)
                waiting, self._waiting = self._waiting, {}
            if self._ends and not waiting:
                return
            try:
                if waiting:
                    began = time.thread_time()
                    self._show(waiting)
                    self._sending = time.thread_time() - began
            except Exception as error:  # as above
                self._give_up(error)

    def _news_are_urgent(self) -> bool:
        return any(name != "curves" for name in self._waiting)

    def _show(self, waiting: dict[str, Any]) -> None:
        page = self.page
        for name, show_it in (
            ("photos", page.show_photos),
            ("surface", page.show_surface),
            ("picture", page.show_picture),
        ):
            if name in waiting:
                show_it(waiting[name])
        with self._news:
            curves = self._curves.copy()
        page.show_curves(curves)
        page.show_status(self._status(curves))

    def _status(self, curves: Curves) -> str:
        seconds = time.monotonic() - self._start
        step = f"{curves.title}, step {curves.step + 1}" if curves.title else "starting"
        return f"**{self._name}** {step}, {seconds:.0f} s"

    def _give_up(self, error: Exception) -> None:
        if not self._is_broken:
            print(f"warning: the live view shows no more ({type(error).__name__}: {error})")
        self._is_broken = True


_view: LiveView | None = None


@contextmanager
def live_view(port: int) -> Iterator[LiveView]:
    """In the block, a page at 127.0.0.1:port, which must be free, shows what stages tell."""
    global _view
    from utils.viewer.page import Page

    view = _view = LiveView(Page(port))
    print(f"live view: {view.address}", flush=True)
    try:
        with heard_by(view):
            yield view
    finally:
        _view = None
        view.close()


def show_photos(photos: Photos) -> None:
    """Show the cameras and what they saw, in the frame of the surfaces to come."""
    if _view is not None:
        cameras = photos.cameras.to("cpu")
        arrays = {name: getattr(cameras, name).double().numpy() for name in ("K", "R", "t")}
        _view.tell("photos", PhotoCameras(photos.images(), **arrays))


def show(make: Callable[[], Shown]) -> None:
    """Show what `make` returns, which is called where there is a page only."""
    if _view is not None:
        _view.hand_over(make())


@contextmanager
def watched(source: Source) -> Iterator[None]:
    """In the block, after a step from time to time, show what `source` returns.

    It gets the number of the view that the reader looks from, and must return copies, and draw no
    random number: a run is the same whether or not somebody looks.
    """
    if _view is None:
        yield
        return
    with _view.watching(source):
        yield
