"""A headless Chromium that tests look at pages with, over its DevTools pipe."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # containers grant no namespaces
    "--remote-debugging-pipe",
    "--use-gl=angle",
    "--use-angle=swiftshader",  # WebGL without a GPU
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
)
PATIENCE = 60  # seconds: a machine with work to do is slow


def find_chromium() -> str | None:
    """The browser's program, or None where none is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page of the browser, and what it complained of and asked for.

    errors: console errors and exceptions; requests: addresses other than data: and blob:.
    """

    def __init__(self, browser: subprocess.Popen, to: int, back: int) -> None:
        self._browser, self._to, self._back = browser, to, back
        self._unread, self._number, self._session = b"", 0, None
        self.errors: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._back], [], [], PATIENCE)
            assert ready, "the browser does not answer"
            data = os.read(self._back, 1 << 20)
            assert data, "the browser has gone"
            self._unread += data
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        """Keep what a page must not do."""
        method, facts = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(facts["exceptionDetails"])[:500])
        if method == "Runtime.consoleAPICalled" and facts["type"] in ("error", "assert"):
            self.errors.append(json.dumps(facts["args"])[:500])
        if method == "Log.entryAdded" and facts["entry"]["level"] == "error":
            self.errors.append(facts["entry"]["text"])
        if method == "Network.requestWillBeSent":
            url = facts["request"]["url"]
            if not url.startswith(("data:", "blob:")):
                self.requests.append(url)

    def open(self, place: Path | str, width: int, height: int = 900) -> None:
        """Load a file, or an address of this machine, in a window of this size, in CSS pixels, and
        wait until it is there.
        """
        address = place if isinstance(place, str) else place.resolve().as_uri()
        self.errors.clear()
        self.requests.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call("Page.navigate", url=address)
        protocol = f"{address.partition(':')[0]}:"
        self.wait_for(
            f"location.protocol === {protocol!r} && document.readyState === 'complete' "
            f"&& innerWidth === {width}"
        )

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, a promise's when it is kept."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until a JavaScript condition holds."""
        end = time.monotonic() + PATIENCE
        while not self.evaluate(condition):
            assert time.monotonic() < end, f"never came true: {condition}"
            time.sleep(0.1)

    def frame(self) -> None:
        """Wait until what was asked for has been drawn."""
        self.evaluate("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")

    def screenshot(self, selector: str | None = None) -> np.ndarray:
        """RGB (H, W, 3) uint8 of an element, or of the whole page."""
        self.frame()
        box = "({x: 0, y: 0, width: innerWidth, height: document.documentElement.scrollHeight})"
        if selector is not None:
            box = (
                f"(() => {{const b = document.querySelector({selector!r}).getBoundingClientRect();"
                "return {x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height}})()"
            )
        clip = {**self.evaluate(box), "scale": 1}
        data = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        return image[..., ::-1]

    def drag(self, selector: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag the mouse over an element; places are shares of its width and height."""
        self.evaluate(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        box = self.evaluate(
            f"(() => {{const b = document.querySelector({selector!r}).getBoundingClientRect();"
            "return [b.x, b.y, b.width, b.height]})()"
        )
        places = [(box[0] + box[2] * x, box[1] + box[3] * y) for x, y in (start, end)]
        middle = tuple(np.mean(places, axis=0).tolist())
        for kind, (x, y) in (
            ("mousePressed", places[0]),
            ("mouseMoved", middle),
            ("mouseMoved", places[1]),
            ("mouseReleased", places[1]),
        ):
            held = {"button": "left", "buttons": 1, "clickCount": 1}
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)


@contextmanager
def chromium(program: str, folder: Path) -> Iterator[Tab]:
    """A tab of a fresh browser, whose profile is kept in `folder`."""
    child_in, to = os.pipe()
    back, child_out = os.pipe()

    def connect() -> None:
        """The browser reads commands from 3 and writes answers to 4."""
        spare_in, spare_out = os.dup(child_in), os.dup(child_out)  # lest one be 3 or 4 itself
        os.dup2(spare_in, 3)
        os.dup2(spare_out, 4)

    browser = subprocess.Popen(
        [program, *OPTIONS, f"--user-data-dir={folder}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=connect,
        close_fds=False,
    )
    os.close(child_in)
    os.close(child_out)
    try:
        yield Tab(browser, to, back)
    finally:
        os.close(to)
        browser.terminate()
        browser.wait(20)
        os.close(back)
