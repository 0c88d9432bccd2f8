"""Speaks with MediaPipe's process: windows in, candidates for hands out."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.detection.candidates import Candidate
from utils.detection.windows import Window
from utils.errors import UserError
from utils.paths import ROOT

PROCESS = Path(__file__).with_name("mediapipe_process.py")
BUILD = "make detect"  # builds the environment


def environment(folder: str | Path) -> Path:
    """The Python of the detector's environment; relative to the suite's folder.

    Raises UserError with the command that builds it where it is missing.
    """
    python = ROOT / folder / "bin" / "python"
    if not python.is_file():
        raise UserError(
            f"the hand detector's environment {folder} is missing; build it with: {BUILD} (or give "
            "keypoints of another detector: detect_hands.py --from FILE)"
        )
    return python


class Detector:
    """MediaPipe on windows of a capture's photos. Use as a context: the process ends with it."""

    def __init__(self, photos: Sequence[Path], options: dict[str, Any]):
        self.photos, self.options = [path.resolve() for path in photos], options

    def __enter__(self) -> Detector:
        python = environment(self.options["environment"])
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [str(python), str(PROCESS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            start_new_session=True,  # Ctrl-C is for the script, which then ends the process
        )
        try:
            self._reply()
        except UserError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()

    def __call__(self, window: Window) -> list[Candidate]:
        """The hands in one window. Raises UserError where the detector fails."""
        request = {
            "image": str(self.photos[window.view]),
            "matrix": window.matrix.tolist(),
            "size": list(window.size),
            "gamma": window.gamma,
            "hands": self.options["most_hands"],
            "confidence": self.options["min_confidence"],
        }
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # what it died of is told where its reply is missing
        return [candidate_of(hand, window) for hand in self._reply()["hands"]]

    def _reply(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.process.wait()
        self.log.seek(0)
        said = [text for text in self.log.read().splitlines() if text.strip()] or ["no reason"]
        raise UserError(
            f"the hand detector stopped (status {self.process.returncode}: {said[-1]}); build its "
            f"environment again: delete {self.options['environment']}, then {BUILD}"
        )


def candidate_of(hand: dict[str, Any], window: Window) -> Candidate:
    """What MediaPipe says of a window, in the photo's pixels.

    Its coordinates span the window's edges: the centre of the first pixel is half a pixel inside.
    """
    marks = np.array(hand["landmarks"], float)
    xy = window.to_photo(marks[:, :2] * window.size - 0.5)
    z = marks[:, 2] * window.size[0] / window.scale
    sure = np.ones(len(xy))
    return Candidate(window.view, xy, z, float(hand["left"]), window.name, sure, 0 * sure)
